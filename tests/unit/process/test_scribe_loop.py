"""The loop of the scribe works on while there is something to do, holds its lease, and rests then."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from f2b_worker.errors import F2bError, Throttled
from f2b_worker.ports import Changes
from f2b_worker.process.ban_tally import BanTally
from f2b_worker.process.scribe import EVERY_S, Working, run_scribe
from f2b_worker.testing import FakeClock, MemoryLease, MemoryTally


class Scribe:
    """A scribe that is behind, or fails, as planned, and notes when it is asked."""

    is_behind = False
    complete_ms = 0.0

    def __init__(self, clock: FakeClock, stop: threading.Event, *plan: bool | F2bError) -> None:
        self.asked_s: list[float] = []
        self._clock = clock
        self._stop = stop
        self._plan = list(plan)

    def tick(self) -> Changes:
        self.asked_s.append(self._clock.monotonic_s())
        answer = self._plan.pop(0)
        if not self._plan:
            self._stop.set()
        if isinstance(answer, F2bError):
            raise answer
        self.is_behind = answer
        return Changes(())


class Nobody:
    """Whoever is told of what a scribe learned."""

    def heed(self, changes: Changes) -> None: ...

    def look_at_all(self) -> None: ...


class Lease(MemoryLease):
    """A lease that counts how often it is held."""

    holds = 0

    def hold(self) -> bool:
        self.holds += 1
        return super().hold()


def run(*plan: bool | F2bError) -> tuple[list[float], Lease]:
    clock, stop, lease = FakeClock(), threading.Event(), Lease()
    scribe = Scribe(clock, stop, *plan)
    run_scribe(lambda: Working(scribe, Nobody(), BanTally(MemoryTally(), clock, str)), lease, clock, stop)
    return scribe.asked_s, lease


def test_a_scribe_that_is_behind_goes_on_at_once_and_holds_its_lease_each_time() -> None:
    asked_s, lease = run(True, True, False, False)
    assert asked_s == pytest.approx([EVERY_S, EVERY_S, EVERY_S, 2 * EVERY_S])
    assert lease.holds == 4


def test_a_failure_is_told_once_and_followed_by_a_rest() -> None:
    with capture_logs() as logs:
        asked_s, _ = run(True, Throttled("slow down"), Throttled("slow down"), False)
    assert asked_s == pytest.approx([EVERY_S, EVERY_S, 2 * EVERY_S, 3 * EVERY_S])
    assert [each["event"] for each in logs] == ["scribe_failed"]
