"""Whether a shim is ready, as load balancers and strangers ask it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from f2b_worker.errors import AccessDenied, Unavailable
from f2b_worker.shim.outbox import TellableError
from tests.unit.shim.scene import IP, Shim

if TYPE_CHECKING:
    import httpx


@pytest.fixture
def shim() -> Shim:
    return Shim()


def test_readiness_follows_the_outbox_within_a_second(shim: Shim) -> None:
    assert shim.get("/readyz").status_code == 200
    shim.outbox.failure = Unavailable("no answer")
    shim.clock.advance(1)
    answer = shim.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the queue cannot be reached; try again\n")
    assert int(answer.headers["Retry-After"]) >= 1
    shim.outbox.failure = None
    shim.clock.advance(1)
    assert shim.get("/readyz").status_code == 200


def test_readiness_tells_strangers_only_a_reason_that_is_meant_for_clients(shim: Shim) -> None:
    for failure, told in (
        (TellableError("the disk is full"), "the disk is full"),
        (AccessDenied("role/shim of account 123456789012"), "the queue cannot be reached; try again"),
    ):
        shim.outbox.failure = failure
        assert shim.get("/readyz").text == f"{told}\n"
        shim.clock.advance(1)


def test_however_many_ask_for_readiness_one_looks_at_the_outbox_at_a_time(shim: Shim) -> None:
    looks: list[None] = []
    begun, ends = asyncio.Event(), asyncio.Event()

    async def check() -> None:
        looks.append(None)
        begun.set()
        await ends.wait()

    shim.outbox.check = check  # type: ignore[method-assign]

    async def ask(http: httpx.AsyncClient) -> httpx.Response:
        asking = [asyncio.create_task(http.get("/readyz")) for _ in range(1000)]
        await begun.wait()
        asking[0].cancel()  # who asked first may go: the others wait for the same
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(looks) == 1
        ends.set()
        assert [each.status_code for each in await asyncio.gather(*asking[1:])] == [200] * 999
        return await http.get("/readyz")

    assert shim.run(ask).status_code == 200
    assert len(looks) == 1


def test_who_is_to_stop_is_not_ready_and_lives(shim: Shim) -> None:
    shim.app.room.ending = True
    answer = shim.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "stopping\n")
    assert shim.get("/healthz").status_code == 200
    assert shim.get(f"/infraction/{IP}").status_code == 200


def test_readiness_is_asked_anew_after_a_report_that_was_not_stored(shim: Shim) -> None:
    assert shim.get("/readyz").status_code == 200
    shim.outbox.failure = Unavailable("no answer")
    assert shim.get("/infraction/203.0.113.7").status_code == 503
    assert shim.get("/readyz").status_code == 503
