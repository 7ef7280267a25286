"""How many calls a slow SQS and a dead connection cost, on a loop whose time is virtual."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.sqs.hedging import HEDGE_SHARE, Hedging
from f2b_worker.adapters.sqs.queue import SqsQueue
from f2b_worker.errors import F2bError, Unavailable
from tests.unit.shim.virtual_loop import now_s, run

if TYPE_CHECKING:
    from collections.abc import Mapping

WITHIN_S = 1.7
FOLLOWED_S = 5.0
NEVER_S = 1e6
EPSILON_S = 1e-6


class Calls:
    """Each call takes as long as the next of `takes_s` says, the last one for ever, and fails if that is negative.

    Attributes:
        anew: Of each call, whether it was asked to go over a new connection.
        given_up: How many were cancelled.
    """

    def __init__(self, *takes_s: float) -> None:
        self.takes_s = list(takes_s)
        self.anew: list[bool] = []
        self.began_s: list[float] = []
        self.given_up = 0

    async def call(self, action: str, parameters: Mapping[str, Any], *, anew: bool = False) -> Mapping[str, Any]:
        del action
        takes_s = self.takes_s.pop(0) if len(self.takes_s) > 1 else self.takes_s[0]
        self.anew.append(anew)
        self.began_s.append(now_s())
        try:
            await asyncio.sleep(abs(takes_s))
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if takes_s < 0:
            raise Unavailable("the connection broke")
        return {"Successful": [{"Id": entry["Id"]} for entry in parameters["Entries"]]}

    async def close(self) -> None: ...


def send(calls: Calls, *, times: int = 1, followed_s: float = FOLLOWED_S) -> list[F2bError | None]:
    async def main() -> list[F2bError | None]:
        queue = SqsQueue(calls, queue_url="q")
        found: list[F2bError | None] = []
        for _ in range(times):
            found += await queue.send(["a"], within_s=WITHIN_S, followed_s=followed_s)
        return found

    return run(main())


def test_a_quick_answer_costs_one_call() -> None:
    calls = Calls(0.02)
    assert send(calls, times=10) == [None] * 10
    assert calls.anew == [False] * 10


@pytest.mark.parametrize("takes_s", [0.9, 1.5, 1.8, 4.0])
def test_a_slow_sqs_is_given_up_never_and_asked_twice_once(takes_s: float) -> None:
    calls = Calls(takes_s)
    assert send(calls, times=10) == [None] * 10
    assert calls.anew.count(True) == 1, "after one answer it is known that it is slow"
    assert len(calls.anew) == 11


def test_a_slow_answer_now_and_then_costs_a_second_call_of_its_own_at_most() -> None:
    calls = Calls(*([0.02] * 50 + [0.9]) * 5, 0.02)
    assert send(calls, times=300) == [None] * 300
    assert calls.anew.count(True) <= 5


def test_a_connection_that_died_in_silence_costs_a_wait_and_a_call_over_a_new_one() -> None:
    calls = Calls(NEVER_S, 0.05)

    async def main() -> float:
        queue = SqsQueue(calls, queue_url="q")
        assert await queue.send(["a"], within_s=WITHIN_S, followed_s=FOLLOWED_S) == [None]
        return now_s()

    assert run(main()) == pytest.approx(WITHIN_S * HEDGE_SHARE + 0.05)
    assert calls.anew == [False, True]
    assert calls.given_up == 1, "what was answered needs no other answer"


def test_the_first_call_is_still_heard_while_the_second_one_is_under_way() -> None:
    calls = Calls(1.0, NEVER_S)
    assert send(calls) == [None]
    assert calls.anew == [False, True]
    assert calls.given_up == 1


def test_a_first_call_that_fails_leaves_it_to_the_second_one() -> None:
    calls = Calls(-1.0, 0.5)
    assert send(calls) == [None]
    assert calls.anew == [False, True]


def test_a_second_call_that_fails_leaves_it_to_the_first_one() -> None:
    calls = Calls(1.6, -0.1)
    assert send(calls) == [None]
    assert calls.anew == [False, True]


def test_what_fails_is_tried_again_while_somebody_waits_and_not_later() -> None:
    calls = Calls(-0.1, -0.1, 0.1)
    assert send(calls) == [None]
    calls = Calls(-1.69)
    (failure,) = send(calls)
    assert isinstance(failure, Unavailable)
    assert max(calls.began_s) < WITHIN_S


def test_nothing_is_awaited_for_ever() -> None:
    calls = Calls(NEVER_S)

    async def main() -> None:
        queue = SqsQueue(calls, queue_url="q")
        (failure,) = await queue.send(["a"], within_s=WITHIN_S, followed_s=FOLLOWED_S)
        assert isinstance(failure, Unavailable)
        assert "no answer" in str(failure)
        assert now_s() == pytest.approx(WITHIN_S + FOLLOWED_S)

    run(main())
    assert calls.given_up == len(calls.anew) == 2


def test_an_end_ends_both_calls() -> None:
    calls = Calls(NEVER_S)

    async def main() -> None:
        call = asyncio.create_task(Hedging(calls).call("a", {}, within_s=WITHIN_S, followed_s=FOLLOWED_S))
        await asyncio.sleep(1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.sleep(EPSILON_S)

    run(main())
    assert calls.given_up == len(calls.anew) == 2
