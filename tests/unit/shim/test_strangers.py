"""Browsers that a page of another site sends here, and who asks for pages again and again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from f2b_worker.shim.replies import json_reply
from tests.unit.shim.scene import IP, Shim, refusals


class TestOtherSites:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://shim"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://shim.evil.example"},
            {"Origin": "http://shim:8080"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        ],
    )
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", f"/infraction/{IP}"), ("POST", "/infractions"), ("GET", "/state/requests"), ("GET", "/metrics"),
         ("GET", "/"), ("GET", "/nowhere")],
    )  # fmt: skip
    def test_what_a_page_of_another_site_has_a_browser_send_is_refused_and_counted(
        self, headers: dict[str, str], method: str, path: str
    ) -> None:
        shim = Shim(expose_state=True, tokens=("first",))
        before = refusals("cross_site")
        more = {"headers": headers | {"Authorization": "Bearer first"}, "content": json.dumps({"ip": IP})}
        answer = shim.ask(method, path, **more)
        assert (answer.status_code, answer.headers["Connection"]) == (403, "close")
        assert answer.text.count("\n") == 1
        assert shim.outbox.stored == []
        assert refusals("cross_site") == before + 1

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": "same-origin", "Origin": "http://shim"},
            {"Origin": "https://SHIM"},
        ],
    )
    def test_programs_and_the_shims_own_pages_are_answered(self, headers: dict[str, str]) -> None:
        shim = Shim()
        assert shim.get(f"/infraction/{IP}", headers=headers).status_code == 200
        assert shim.post({"ip": IP}, headers=headers).status_code == 200


class TestPages:
    @pytest.mark.parametrize("path", ["/metrics", "/state/infractions", "/state/requests"])
    def test_a_page_that_takes_long_to_make_is_given_again_for_nine_times_as_long(
        self, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shim = Shim(expose_state=True)
        made: list[str] = []

        def takes_a_second(*_: object, **__: object) -> Any:
            made.append(path)
            shim.clock.advance(1)
            return b"" if path == "/metrics" else json_reply(200, {})

        monkeypatch.setattr("f2b_worker.shim.app.metrics.page", takes_a_second)
        monkeypatch.setattr("f2b_worker.shim.app.state_page", takes_a_second)
        for _ in range(5):
            assert shim.get(path).status_code == 200
        assert len(made) == 1
        shim.clock.advance(8.9)
        shim.get(path)
        assert len(made) == 1
        shim.clock.advance(0.1)
        shim.get(path)
        assert len(made) == 2

    def test_a_page_for_people_is_not_given_to_a_program(self) -> None:
        shim = Shim(expose_state=True)
        assert shim.get("/state/requests").headers["Content-Type"].startswith("text/html")
        told = shim.get("/state/requests", headers={"Accept": "application/json"})
        assert told.headers["Content-Type"] == "application/json"
