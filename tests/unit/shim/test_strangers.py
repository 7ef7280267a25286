"""Browsers that a page of another site sends here, and who asks for pages again and again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from f2b_worker.http.replies import Reply, json_reply
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
        shim = Shim(expose_state=True)
        before = refusals("cross_site")
        answer = shim.ask(method, path, headers=headers, content=json.dumps({"ip": IP}))
        assert answer.status_code == 403
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
            # A page of the proxy's own site, which has another name than the shim.
            {"Sec-Fetch-Site": "same-origin", "Origin": "https://shop.example"},
        ],
    )
    def test_programs_and_the_shims_own_pages_are_answered(self, headers: dict[str, str]) -> None:
        shim = Shim()
        assert shim.get(f"/infraction/{IP}", headers=headers).status_code == 200
        assert shim.post({"ip": IP}, headers=headers).status_code == 200

    @pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
    def test_a_right_token_is_of_no_page_of_another_site(self, headers: dict[str, str]) -> None:
        # A page that sets Authorization makes the browser ask before, by OPTIONS, and nobody allows it.
        shim = Shim(tokens=("first",))
        right, wrong = {"Authorization": "Bearer first"}, {"Authorization": "Basic Zmlyc3Q6Zmlyc3Q="}
        assert shim.get(f"/infraction/{IP}", headers=headers | right).status_code == 200
        assert shim.post({"ip": IP}, headers=headers | right).status_code == 200
        assert shim.get(f"/infraction/{IP}", headers=headers | wrong).status_code == 403
        assert shim.get(f"/infraction/{IP}", headers=headers).status_code == 403
        assert len(shim.outbox.stored) == 2

    @pytest.mark.parametrize("path", [f"/infraction/{IP}", "/infractions"])
    def test_a_browser_that_asks_whether_a_page_may_is_told_no(self, path: str) -> None:
        shim = Shim()
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        answer = shim.ask("OPTIONS", path, headers=asks | {"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert shim.ask("OPTIONS", path, headers=asks).status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


class TestProxies:
    """What reports by a proxy's mirror reads no answer: whom it loses, the log tells."""

    @pytest.mark.parametrize(
        ("limits", "method", "headers", "kind"),
        [
            ({}, "POST", {"Origin": "https://shop.example"}, "cross_site"),
            ({"tokens": ("first",)}, "POST", {"Authorization": "Basic YTpi"}, "unauthorized"),
            ({}, "DELETE", {}, "method"),
            ({"rate_per_s": 0.5}, "POST", {}, "rate_limited"),
        ],
    )
    @pytest.mark.parametrize("path", [f"/infraction/{IP}", "/infractions"])
    def test_a_report_that_is_refused_for_how_it_came_is_in_the_log_with_the_remedy(
        self, limits: dict[str, Any], method: str, headers: dict[str, str], kind: str, path: str
    ) -> None:
        shim = Shim(**limits)
        shim.ask("POST", path, content=json.dumps({"ip": IP}), headers={"Authorization": "Bearer first"})
        before = refusals(kind)
        with capture_logs() as lines:
            answer = shim.ask(method, path, content=json.dumps({"ip": IP}), headers=headers)
        (line,) = lines
        assert answer.status_code in {401, 403, 405, 429}
        assert (line["event"], line["log_level"], line["kind"]) == ("report_refused", "warning", kind)
        assert (line["peer"], line["method"]) == ("127.0.0.1", method)
        assert line["remedy"]
        assert refusals(kind) == before + 1

    def test_what_is_no_report_is_refused_without_a_line(self) -> None:
        shim = Shim(tokens=("first",))
        with capture_logs() as lines:
            assert shim.get("/metrics").status_code == 401
            assert shim.get("/", headers={"Origin": "https://evil.example"}).status_code == 403
            assert shim.ask("DELETE", "/").status_code == 405
        assert lines == []


class TestPages:
    @pytest.mark.parametrize("path", ["/metrics", "/state/infractions", "/state/requests"])
    def test_a_page_that_takes_long_to_make_is_given_again_for_nine_times_as_long(
        self, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shim = Shim(expose_state=True)
        made: list[str] = []

        def takes_a_second() -> bytes:
            made.append(path)
            shim.clock.advance(1)
            return b""

        async def state_page(*_: object, **__: object) -> Reply:
            takes_a_second()
            return json_reply(200, {})

        monkeypatch.setattr("f2b_worker.shim.app.metrics.page", takes_a_second)
        monkeypatch.setattr("f2b_worker.shim.app.state_page", state_page)
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
