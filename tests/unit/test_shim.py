"""The shim's HTTP interface, without sockets."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from f2b_worker.errors import AccessDenied, F2bError, Throttled, Unavailable
from f2b_worker.shim.app import make_app
from f2b_worker.testing import FakeClock
from f2b_worker.wire import read_body

if TYPE_CHECKING:
    from f2b_worker.domain.docket import Infraction

NOW_MS = FakeClock().now_ms()


class MemoryOutbox:
    """Keeps what is sent. Set `failure` to make it fail."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.failure: F2bError | None = None

    def send(self, body: str) -> None:
        if self.failure:
            raise self.failure
        self.bodies.append(body)

    def infractions(self) -> list[Infraction]:
        read = [read_body(body, message_id="message", sent_at_ms=0) for body in self.bodies]
        assert not any(body.refused for body in read)
        return [infraction for body in read for infraction in body.infractions]


class SlowOutbox(MemoryOutbox):
    """Takes what is sent only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.may_end = threading.Event()

    def send(self, body: str) -> None:
        self.entered.set()
        assert self.may_end.wait(20)
        super().send(body)


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


def client(outbox: MemoryOutbox) -> httpx.AsyncClient:
    app = make_app(outbox, FakeClock())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shim")


def get(outbox: MemoryOutbox, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client(outbox) as http:
            return await http.get(path)

    return asyncio.run(ask())


@pytest.mark.parametrize("ip", ["203.0.113.7", "2001:db8::1", "::ffff:203.0.113.7"])
def test_an_address_becomes_an_infraction_of_now_in_the_default_jail(outbox: MemoryOutbox, ip: str) -> None:
    assert get(outbox, f"/infraction/{ip}").status_code == 200
    (infraction,) = outbox.infractions()
    assert (infraction.ip, infraction.jail, infraction.at_ms) == (ip, "default", NOW_MS)


def test_each_request_is_an_infraction_of_its_own(outbox: MemoryOutbox) -> None:
    for _ in range(3):
        get(outbox, "/infraction/203.0.113.7")
    assert len({infraction.id for infraction in outbox.infractions()}) == 3


def test_success_is_answered_only_after_the_queue_has_stored_it() -> None:
    outbox = SlowOutbox()

    async def ask() -> httpx.Response:
        async with client(outbox) as http:
            asking = asyncio.create_task(http.get("/infraction/203.0.113.7"))
            assert await asyncio.to_thread(outbox.entered.wait, 20)
            answered_too_early = asking.done()
            outbox.may_end.set()
            answer = await asking
            assert not answered_too_early
            return answer

    assert asyncio.run(ask()).status_code == 200
    assert len(outbox.bodies) == 1


def test_a_slow_queue_does_not_keep_the_health_check_waiting() -> None:
    outbox = SlowOutbox()

    async def ask() -> httpx.Response:
        async with client(outbox) as http:
            asking = asyncio.create_task(http.get("/infraction/203.0.113.7"))
            assert await asyncio.to_thread(outbox.entered.wait, 20)
            health = await http.get("/")
            outbox.may_end.set()
            await asking
            return health

    assert asyncio.run(ask()).status_code == 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bad.example.com", "no IPv4 or IPv6 address"),
        ("999.1.1.1", "no IPv4 or IPv6 address"),
        ("", "no IPv4 or IPv6 address"),
        ("203.0.113.7:80", "no IPv4 or IPv6 address"),
        ("010.0.0.1", "no IPv4 or IPv6 address"),
        ("203.0.113.7%00", "no IPv4 or IPv6 address"),
        ("%20203.0.113.7", "no IPv4 or IPv6 address"),
        ("%C3%BC", "no IPv4 or IPv6 address"),
        ("10.0.0.0/8", "a range, not one address"),
        ("2001:db8::/64", "a range, not one address"),
        ("fe80::1%25eth0", "a zone"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(outbox: MemoryOutbox, text: str, reason: str) -> None:
    answer = get(outbox, f"/infraction/{text}")
    assert answer.status_code == 400
    assert reason in answer.text
    assert answer.text.count("\n") == 1
    assert outbox.bodies == []


@pytest.mark.parametrize("failure", [Unavailable("no answer"), Throttled("too often"), AccessDenied("no role")])
def test_a_queue_out_of_reach_asks_to_come_again(outbox: MemoryOutbox, failure: F2bError) -> None:
    outbox.failure = failure
    answer = get(outbox, "/infraction/203.0.113.7")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    outbox.failure = None
    assert get(outbox, "/infraction/203.0.113.7").status_code == 200


def test_the_health_check_says_ok_without_the_queue(outbox: MemoryOutbox) -> None:
    outbox.failure = Unavailable("no answer")
    answer = get(outbox, "/")
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("path", ["/other", "/infraction", "/infractions/203.0.113.7"])
def test_other_paths_report_nobody(outbox: MemoryOutbox, path: str) -> None:
    assert get(outbox, path).status_code in {307, 404}
    assert outbox.bodies == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_no_method_that_the_old_service_had_not_reports_somebody(outbox: MemoryOutbox, method: str) -> None:
    async def ask() -> httpx.Response:
        async with client(outbox) as http:
            return await http.request(method, "/infraction/203.0.113.7")

    assert asyncio.run(ask()).status_code == 405
    assert outbox.bodies == []
