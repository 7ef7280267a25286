"""The shim's HTTP interface, without sockets."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker import __version__
from f2b_worker.errors import AccessDenied, F2bError, Throttled, Unavailable
from f2b_worker.shim.outbox import TellableError
from f2b_worker.testing import FakeClock
from tests.unit.shim.scene import IP, Shim, refusals

if TYPE_CHECKING:
    import httpx

NOW_MS = FakeClock().now_ms()


@pytest.fixture
def shim() -> Shim:
    return Shim()


@pytest.mark.parametrize("ip", ["203.0.113.7", "2001:db8::1", "::ffff:203.0.113.7"])
def test_an_address_becomes_an_infraction_of_now_in_the_default_jail(shim: Shim, ip: str) -> None:
    answer = shim.get(f"/infraction/{ip}")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    (infraction,) = shim.outbox.stored
    assert (infraction.ip, infraction.jail, infraction.at_ms) == (ip, "default", NOW_MS)


def test_a_jail_may_be_named(shim: Shim) -> None:
    assert shim.get(f"/infraction/{IP}?x=y&jail=log.in").status_code == 200
    assert shim.outbox.stored[0].jail == "log.in"


@pytest.mark.parametrize("jail", ["", "a%20b", "%00", "x" * 65, "%C3%BC"])
def test_what_is_no_jails_name_is_refused(shim: Shim, jail: str) -> None:
    answer = shim.get(f"/infraction/{IP}?jail={jail}")
    assert answer.status_code == 400
    assert answer.text.startswith("jail: ")
    assert answer.text.count("\n") == 1
    assert shim.outbox.stored == []


async def ask_while_the_outbox_is_slow(shim: Shim, http: httpx.AsyncClient, path: str) -> httpx.Response:
    """Ask for *path* while a report waits; answer that, after the report was answered, too."""
    shim.outbox.open.clear()
    reporting = asyncio.create_task(http.get(f"/infraction/{IP}"))
    for _ in range(20):
        await asyncio.sleep(0)
    answer = await http.get(path)
    assert not reporting.done(), "answered before it was stored"
    shim.outbox.open.set()
    assert (await reporting).status_code == 200
    return answer


def test_success_is_answered_only_after_the_outbox_has_stored_it_and_health_does_not_wait_for_it(
    shim: Shim,
) -> None:
    answer = shim.run(lambda http: ask_while_the_outbox_is_slow(shim, http, "/healthz"))
    assert answer.status_code == 200
    assert len(shim.outbox.stored) == 1


def test_more_than_may_wait_are_refused_at_once() -> None:
    shim = Shim(waiting_max=1)
    before = refusals("overloaded")
    answer = shim.run(lambda http: ask_while_the_outbox_is_slow(shim, http, "/infraction/203.0.113.8"))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(shim.outbox.stored) == 1
    assert refusals("overloaded") == before + 1
    assert shim.get(f"/infraction/{IP}").status_code == 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bad.example.com", "no IPv4 or IPv6 address"),
        ("999.1.1.1", "no IPv4 or IPv6 address"),
        ("", "no IPv4 or IPv6 address"),
        ("203.0.113.7:http", "no IPv4 or IPv6 address"),
        ("010.0.0.1", "no IPv4 or IPv6 address"),
        ("203.0.113.7%00", "no IPv4 or IPv6 address"),
        ("203.0.113.7%20.", "no IPv4 or IPv6 address"),
        ("%C3%BC", "no IPv4 or IPv6 address"),
        ("%F0%9F%98%80%0D%0AX-A:b", "no IPv4 or IPv6 address"),
        ("10.0.0.0/8", "a range, not one address"),
        ("2001:db8::/64", "a range, not one address"),
        ("fe80::1%25eth0", "a zone"),
        ("999.1.1.1?jail=login", "no IPv4 or IPv6 address"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason_and_counted(shim: Shim, text: str, reason: str) -> None:
    before = refusals("bad_address")
    answer = shim.get(f"/infraction/{text}")
    assert answer.status_code == 400
    assert reason in answer.text
    assert answer.text.count("\n") == 1
    assert shim.outbox.stored == []
    assert refusals("bad_address") == before + 1


@pytest.mark.parametrize("failure", [Unavailable("no answer"), Throttled("too often"), AccessDenied("no role")])
def test_an_outbox_out_of_reach_asks_to_come_again(shim: Shim, failure: F2bError) -> None:
    shim.outbox.failure = failure
    for answer in (shim.get(f"/infraction/{IP}"), shim.post({"ip": IP})):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
    shim.outbox.failure = None
    assert shim.get(f"/infraction/{IP}").status_code == 200
    assert len(shim.outbox.stored) == 1


def test_only_a_reason_that_is_meant_for_clients_is_told_to_them(shim: Shim) -> None:
    for failure, told in (
        (TellableError("the disk is full"), "the disk is full; try again"),
        (AccessDenied("role/shim of account 123456789012"), "the queue cannot be reached; try again"),
    ):
        shim.outbox.failure = failure
        assert shim.get(f"/infraction/{IP}").text == f"{told}\n"
        assert shim.post({"ip": IP}).json()["results"][0]["detail"] == told


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_the_health_check_says_ok_without_the_queue(shim: Shim, path: str) -> None:
    shim.outbox.failure = Unavailable("no answer")
    answer = shim.get(path)
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("path", ["/other", "/infraction", "/infractions/203.0.113.7", "/state", "/state/other"])
def test_other_paths_report_nobody(shim: Shim, path: str) -> None:
    assert shim.get(path).status_code == 404
    assert shim.outbox.stored == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *(
            (method, f"/infraction/{IP}", "GET, HEAD, POST, PUT")
            for method in ("DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND")
        ),
        *((method, "/infractions", "POST") for method in ("HEAD", "GET", "PUT", "DELETE", "PATCH", "OPTIONS")),
        *((method, path, "GET, HEAD") for method in ("POST", "DELETE") for path in ("/", "/readyz", "/metrics")),
    ],
)
def test_no_other_method_reports_somebody(shim: Shim, method: str, path: str, allowed: str) -> None:
    answer = shim.ask(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert shim.outbox.stored == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_each_method_of_the_old_service_reports_one_infraction(shim: Shim, method: str) -> None:
    answer = shim.ask(method, f"/infraction/{IP}?jail=login")
    assert (answer.status_code, answer.headers["content-length"]) == (200, "3")
    assert answer.text == ("" if method == "HEAD" else "ok\n")
    assert [(one.ip, one.jail) for one in shim.outbox.stored] == [(IP, "login")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_each_method_of_the_old_service_is_told_what_is_wrong(shim: Shim, method: str) -> None:
    assert shim.ask(method, "/infraction/nobody").status_code == 400
    shim.outbox.failure = Unavailable("no answer")
    answer = shim.ask(method, f"/infraction/{IP}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert shim.outbox.stored == []


@pytest.mark.parametrize("body", [b"user=root&password=x", b'{"ip": "198.51.100.1"}', b"\x00\xff" * 600_000])
def test_a_body_beside_an_address_is_no_data_and_never_too_large(shim: Shim, body: bytes) -> None:
    answer = shim.post(body, f"/infraction/{IP}")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert [one.ip for one in shim.outbox.stored] == [IP]


def test_a_head_has_no_body(shim: Shim) -> None:
    answer = shim.ask("HEAD", "/")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "3")


class TestPost:
    def test_one_infraction_is_stored_whole(self, shim: Shim) -> None:
        item = {"v": 1, "ip": IP, "jail": "login", "at": 1_699_999_999.5, "id": "a", "note": "n", "weight": 3}
        answer = shim.post(item)
        assert (answer.status_code, answer.json()) == (200, {"stored": 1})
        assert tuple(shim.outbox.stored[0]) == (IP, "login", 1_699_999_999_500, "a", "n", 3)

    def test_a_weight_of_3_0_is_3_as_the_description_has_it(self, shim: Shim) -> None:
        assert shim.post([{"ip": IP, "weight": 3.0}, {"ip": IP, "weight": 3.5}]).status_code == 207
        assert [one.weight for one in shim.outbox.stored] == [3]

    def test_a_list_is_stored_and_what_has_no_time_is_of_now(self, shim: Shim) -> None:
        answer = shim.post([{"ip": f"198.18.0.{place}"} for place in range(5)])
        assert (answer.status_code, answer.json()) == (200, {"stored": 5})
        assert [one.ip for one in shim.outbox.stored] == [f"198.18.0.{place}" for place in range(5)]
        assert {(one.at_ms, one.jail, one.id) for one in shim.outbox.stored} == {(NOW_MS, "default", "")}

    @pytest.mark.parametrize(
        "kind", ["application/x-ndjson", "application/json", "application/octet-stream", None]
    )
    def test_one_a_line_is_read_whatever_the_content_type_says(self, shim: Shim, kind: str | None) -> None:
        lines = f'{{"ip": "{IP}"}}\r\n\n {{"ip": "2001:db8::1", "jail": "login"}}\n'
        answer = shim.post(lines, headers={"Content-Type": kind} if kind else {})
        assert (answer.status_code, answer.json()) == (200, {"stored": 2})
        assert [one.jail for one in shim.outbox.stored] == ["default", "login"]

    def test_a_jail_in_the_query_is_for_those_that_name_none(self, shim: Shim) -> None:
        shim.post([{"ip": IP}, {"ip": IP, "jail": "scan"}], "/infractions?jail=login")
        assert [one.jail for one in shim.outbox.stored] == ["login", "scan"]

    def test_a_wrong_jail_in_the_query_is_told_even_if_no_item_needs_it(self, shim: Shim) -> None:
        answer = shim.post({"ip": IP, "jail": "login"}, "/infractions?jail=a%20b")
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith("jail: 'a b'")
        assert shim.outbox.stored == []

    def test_each_wrong_item_is_told_by_its_place_and_the_others_are_stored(self, shim: Shim) -> None:
        before = {reason: refusals(reason) for reason in ("bad_address", "no_ip", "bad_shape", "in_future")}
        late = (NOW_MS + 301_000) / 1000
        answer = shim.post(
            [{"ip": IP}, {"ip": "10.0.0.0/8"}, {}, 5, {"ip": IP, "at": late}, {"ip": IP, "weight": 0}]
        )
        told = answer.json()
        assert (answer.status_code, told["stored"]) == (207, 1)
        assert [(each["index"], each["status"], each["reason"]) for each in told["results"]] == [
            (1, 400, "bad_address"),
            (2, 400, "no_ip"),
            (3, 400, "bad_shape"),
            (4, 400, "in_future"),
            (5, 400, "bad_weight"),
        ]
        assert told["results"][0]["detail"] == "'10.0.0.0/8' is a range, not one address"
        assert told["refused"] == {"bad_address": 1, "no_ip": 1, "bad_shape": 1, "in_future": 1, "bad_weight": 1}
        assert "again" not in told
        assert len(shim.outbox.stored) == 1
        assert all(refusals(reason) == count + 1 for reason, count in before.items())

    def test_a_line_that_is_no_json_costs_the_other_lines_nothing(self, shim: Shim) -> None:
        answer = shim.post(f'{{"ip": "{IP}"}}\n{{"ip": \n{{"ip": "{IP}"}}\n')
        assert (answer.status_code, answer.json()["stored"]) == (207, 2)
        (told,) = answer.json()["results"]
        assert (told["index"], told["reason"]) == (1, "not_json")

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("", "not_json"),
            ("{", "not_json"),
            ('"\\ud800', "not_json"),
            (b"\xff\xfe", "not_json"),
            ("NaN", "bad_shape"),
            ("[" * 100_000, "not_json"),
            ("null", "bad_shape"),
            ("5", "bad_shape"),
            ('{"ip": null}', "bad_address"),
            ('{"ip": 1e400}', "bad_address"),
            ('{"v": 2, "ip": "203.0.113.7"}', "bad_shape"),
            ('{"ip": "203.0.113.7", "at": "yesterday"}', "bad_time"),
            ('{"ip": "203.0.113.7", "jail": "a b"}', "bad_jail"),
        ],
    )
    def test_a_body_in_which_nothing_can_be_read_is_400(self, shim: Shim, body: str | bytes, reason: str) -> None:
        answer = shim.post(body)
        assert answer.status_code == 400
        assert [(each["status"], each["reason"]) for each in answer.json()["results"]] == [(400, reason)]
        assert shim.outbox.stored == []

    @pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
    def test_nothing_at_all_is_400(self, shim: Shim, kind: str) -> None:
        answer = shim.post("[]" if kind == "application/json" else "\n\n", headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["stored"]) == (400, 0)

    def test_many_items_are_stored_in_few_calls_and_a_part_that_failed_is_told_as_such(self, shim: Shim) -> None:
        calls: list[int] = []
        store = shim.outbox.store

        async def second_fails(infractions: Any) -> None:
            calls.append(len(infractions))
            if len(calls) == 2:
                raise Unavailable("no answer")
            await store(infractions)

        shim.outbox.store = second_fails  # type: ignore[method-assign]
        answer = shim.post([{"ip": f"198.18.{place // 256}.{place % 256}"} for place in range(3000)])
        told = answer.json()
        assert len(calls) == 3
        assert (answer.status_code, told["stored"]) == (207, 3000 - calls[1])
        assert told["refused"] == {"queue": calls[1]}
        (span,) = told["again"]
        assert [each["index"] for each in told["results"]] == list(range(span["first"], span["first"] + 100))
        assert {each["status"] for each in told["results"]} == {503}
        failed = range(span["first"], span["last"] + 1)
        kept = {one.ip for one in shim.outbox.stored}
        assert kept == {f"198.18.{place // 256}.{place % 256}" for place in range(3000) if place not in failed}

    def test_items_with_ids_are_stored_apart_from_those_without(self, shim: Shim) -> None:
        calls: list[list[str]] = []

        async def store(infractions: Any) -> None:
            calls.append([one.id for one in infractions])

        shim.outbox.store = store  # type: ignore[method-assign]
        assert shim.post([{"ip": IP}, {"ip": IP, "id": "x"}, {"ip": IP}]).status_code == 200
        assert sorted(calls) == [["", ""], ["x"]]

    @pytest.mark.parametrize("announced", [True, False])
    def test_too_long_a_body_is_refused_and_counted(self, announced: bool) -> None:
        shim = Shim(body_bytes=1024)
        before = refusals("body_too_large")

        async def parts() -> Any:
            for _ in range(10):
                yield b" " * 200

        async def ask(http: httpx.AsyncClient) -> httpx.Response:
            return await http.post("/infractions", content=b" " * 1025 if announced else parts())

        answer = shim.run(ask)
        assert answer.status_code == 413
        assert refusals("body_too_large") == before + 1
        assert shim.outbox.stored == []


class TestTokens:
    @pytest.fixture
    def shim(self) -> Shim:
        return Shim(tokens=("first", "second"), expose_state=True)

    @pytest.mark.parametrize(
        "shown", [None, "Bearer", "Bearer ", "Bearer firs", "Bearer first2", "Basic first", "first"]
    )
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", f"/infraction/{IP}"), ("POST", "/infractions"), ("GET", "/state/requests"), ("GET", "/metrics"),
         ("GET", "/nowhere")],
    )  # fmt: skip
    def test_without_a_token_nothing_opens(self, shim: Shim, shown: str | None, method: str, path: str) -> None:
        before = refusals("unauthorized")
        headers = {} if shown is None else {"Authorization": shown}
        answer = shim.ask(method, path, headers=headers, content=json.dumps({"ip": IP}))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert shim.outbox.stored == []
        assert refusals("unauthorized") == before + 1

    @pytest.mark.parametrize("shown", ["Bearer first", "bearer second", "Bearer  first "])
    def test_any_of_the_tokens_opens(self, shim: Shim, shown: str) -> None:
        assert shim.get(f"/infraction/{IP}", headers={"Authorization": shown}).status_code == 200

    @pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/openapi.json"])
    def test_health_checks_stay_open(self, shim: Shim, path: str) -> None:
        assert shim.get(path).status_code == 200


class TestRate:
    def test_a_peer_that_asks_too_often_hears_when_it_may_again(self) -> None:
        shim = Shim(rate_per_s=2)
        before = refusals("rate_limited")
        path = f"/infraction/{IP}"
        assert [shim.get(path).status_code for _ in range(3)] == [200, 200, 429]
        assert int(shim.get(path).headers["Retry-After"]) == 1
        assert refusals("rate_limited") == before + 2
        shim.clock.advance(0.5)
        assert [shim.get(path).status_code for _ in range(2)] == [200, 429]
        assert shim.get("/healthz").status_code == 200

    def test_guessing_tokens_is_limited_too(self) -> None:
        shim = Shim(rate_per_s=1, tokens=("first",))
        assert [shim.get("/metrics").status_code for _ in range(2)] == [401, 429]


class TestState:
    @pytest.mark.parametrize("path", ["/state/infractions", "/state/requests"])
    def test_the_state_is_shown_only_where_it_was_asked_for(self, path: str) -> None:
        assert Shim().get(path).status_code == 404
        assert Shim(expose_state=True).get(path).status_code == 200

    @pytest.mark.parametrize("path", ["/state/infractions", "/state/requests"])
    def test_who_asks_for_a_state_that_is_not_shown_hears_how_to_show_it(self, path: str) -> None:
        assert "--expose-state" in Shim().get(path).text
        assert "--expose-state" not in Shim().get("/state/bans").text

    def test_what_was_stored_is_counted_by_address_and_jail(self) -> None:
        shim = Shim(expose_state=True)
        shim.get(f"/infraction/{IP}")
        shim.clock.advance(60)
        shim.post([{"ip": IP, "weight": 4}, {"ip": IP, "jail": "login"}])
        shim.outbox.failure = Unavailable("no answer")
        shim.get("/infraction/198.18.0.1")
        told = shim.get("/state/infractions", headers={"Accept": "application/json"}).json()
        first, last = "2023-11-14T22:13:20.000Z", "2023-11-14T22:14:20.000Z"
        assert told["infractions"] == [
            {"ip": IP, "jail": "login", "infractions": 1, "first": last, "last": last},
            {"ip": IP, "jail": "default", "infractions": 5, "first": first, "last": last},
        ]
        assert "10000" in told["bound"]

    def test_requests_are_shown_with_what_became_of_them(self) -> None:
        shim = Shim(expose_state=True)
        shim.get("/infraction/nobody?jail=x")
        shim.get(f"/infraction/{IP}")
        told = shim.get("/state/requests", headers={"Accept": "application/json"}).json()["requests"]
        assert [(each["method"], each["target"], each["status"], each["peer"]) for each in told] == [
            ("GET", f"/infraction/{IP}", 200, "127.0.0.1"),
            ("GET", "/infraction/nobody?jail=x", 400, "127.0.0.1"),
        ]

    def test_a_page_for_eyes_runs_nothing_that_a_request_contained(self) -> None:
        shim = Shim(expose_state=True)
        shim.get("/infraction/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        answer = shim.get("/state/requests", headers={"Accept": "text/html,*/*;q=0.8"})
        assert answer.headers["content-type"].startswith("text/html")
        assert "<script" not in answer.text
        assert "&lt;script&gt;alert(1)" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]

    def test_times_that_no_calendar_knows_are_shown_all_the_same(self) -> None:
        shim = Shim(expose_state=True)
        assert shim.post({"ip": IP, "at": -9e12}).status_code == 200
        assert shim.get("/state/infractions").status_code == 200


def test_the_metrics_and_the_description_say_the_version(shim: Shim) -> None:
    assert f'f2b_build_info{{version="{__version__}"}} 1.0' in shim.get("/metrics").text
    assert shim.get("/openapi.json").json()["info"]["version"] == __version__


def test_the_counters_tell_what_was_stored(shim: Shim) -> None:
    def stored() -> float:
        lines = shim.get("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("f2b_shim_stored_total "))

    before = stored()
    shim.post([{"ip": IP}] * 3)
    assert stored() == before + 3


def test_a_client_that_goes_away_while_it_sends_reports_nobody(shim: Shim) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/infractions", "query_string": b"", "headers": []}
    asyncio.run(shim.app(scope, receive, send))
    assert sent == []
    assert shim.outbox.stored == []
