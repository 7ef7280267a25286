"""How provision writes into WAF: in its own second, again where that helps, and not for ever."""

from __future__ import annotations

import pytest

from f2b_worker.adapters.provisioning.waf import UNAVAILABLE_FOR_S, WRITE_EVERY_S, Writes
from f2b_worker.errors import F2bError, LockLost, Throttled, Unavailable
from f2b_worker.testing import FakeClock


class Write:
    """A write that fails so often with so many errors, then succeeds."""

    def __init__(self, clock: FakeClock, *failures: F2bError) -> None:
        self.failures = list(failures)
        self.tries_s: list[float] = []
        self._clock = clock

    def __call__(self) -> str:
        self.tries_s.append(self._clock.monotonic_s())
        if self.failures:
            raise self.failures.pop(0)
        return "made"


@pytest.mark.parametrize(
    "failure", [Throttled("rate exceeded"), LockLost("changed"), Unavailable("retry your request")]
)
def test_what_may_succeed_later_is_tried_again_in_another_second(failure: F2bError) -> None:
    clock = FakeClock()
    write = Write(clock, failure, failure)
    assert Writes(clock).run(write) == "made"
    first, second, third = write.tries_s
    assert second - first >= WRITE_EVERY_S - 1e-9
    assert third - second >= WRITE_EVERY_S - 1e-9


def test_what_was_made_just_now_may_be_unavailable_for_a_while() -> None:
    clock = FakeClock()
    write = Write(clock, *[Unavailable("retry your request")] * 30)
    assert Writes(clock).run(write) == "made"


def test_what_stays_unavailable_is_an_error() -> None:
    clock = FakeClock()
    began_s = clock.monotonic_s()
    with pytest.raises(Unavailable):
        Writes(clock).run(Write(clock, *[Unavailable("no answer")] * 1000))
    assert UNAVAILABLE_FOR_S <= clock.monotonic_s() - began_s < 2 * UNAVAILABLE_FOR_S


def test_what_must_not_be_made_twice_is_not_tried_again_without_an_answer() -> None:
    clock = FakeClock()
    write = Write(clock, Unavailable("no answer"))
    with pytest.raises(Unavailable):
        Writes(clock).run(write, is_repeatable=False)
    assert len(write.tries_s) == 1
