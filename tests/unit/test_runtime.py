from __future__ import annotations

import threading
from typing import Any, cast

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, Jail, Policy
from f2b_worker.runtime import EXIT_PART_DIED, EXIT_STOPPED, Parts, end, kept_ms, start


class Loop:
    """A part that runs until it is told to stop, or dies at once."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def run(self, *events: threading.Event) -> None:
        if self.error:
            raise self.error
        events[-1].wait()


def parts(intake: Loop, enforcer: Loop) -> Parts:
    return Parts(cast("Any", intake), cast("Any", enforcer), threading.Event(), threading.Event())


def test_a_dead_part_stops_the_process_with_code_4() -> None:
    died = threading.Event()
    threads = start(both := parts(Loop(RuntimeError("a defect")), Loop()), died)

    assert both.stop.wait(10)
    assert both.wake.is_set()
    assert end(threads, died) == EXIT_PART_DIED


def test_a_stop_on_request_ends_with_code_0() -> None:
    died = threading.Event()
    threads = start(both := parts(Loop(), Loop()), died)

    both.stop.set()

    assert end(threads, died) == EXIT_STOPPED


def test_offenders_are_remembered_for_longer_than_any_jail_counts() -> None:
    policy = Policy(Jail(forget_ms=100 * DAY_MS), {"login": Jail(forget_ms=300 * DAY_MS)})

    assert kept_ms(policy, 14 * DAY_MS) == 600 * DAY_MS


def test_offenders_are_remembered_for_ever_where_nothing_is_forgotten() -> None:
    assert kept_ms(Policy(Jail(forget_ms=None)), 14 * DAY_MS) == FOREVER_MS // 2
    assert kept_ms(Policy(), None) == FOREVER_MS // 2
