"""What waits beside the judging: done in order, tried again after a pause, and bounded."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from f2b_worker.aside import in_a_thread
from f2b_worker.errors import F2bError, Rejected, Unavailable
from f2b_worker.intake.side_line import SideLine
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Work:
    """Does batches of words, and fails for those that it is told to."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []
        self.fails: dict[str, F2bError] = {}
        self.asides: list[Callable[[], None]] = []
        self.clock = FakeClock()
        self.line: SideLine[str] = SideLine(
            self.do, batch_max=2, weight=len, room=10, clock=self.clock, aside=self.aside
        )
        self.at_once = False

    def aside(self, do: Callable[[], None]) -> None:
        if self.at_once:
            do()
        else:
            self.asides.append(do)

    def do(self, batch: Sequence[str]) -> list[F2bError | None]:
        self.done.append(list(batch))
        return [self.fails.get(word) for word in batch]

    def go_on(self) -> None:
        self.line.go_on()
        while self.asides:
            self.asides.pop()()


@pytest.fixture
def work() -> Work:
    return Work()


def test_what_waits_is_done_in_batches_and_in_order(work: Work) -> None:
    assert work.line.add(["a", "b", "c"]) == []
    work.go_on()
    assert work.done == [["a", "b"], ["c"]]
    assert work.line.outcomes() == [("a", None), ("b", None), ("c", None)]
    assert not work.line.is_open


def test_nothing_is_done_in_the_loop_itself_nor_twice_at_a_time(work: Work) -> None:
    work.line.add(["a"])
    work.line.go_on()
    work.line.add(["b"])
    work.line.go_on()
    assert (work.done, len(work.asides)) == ([], 1)


def test_what_fails_goes_first_again_after_a_pause_and_its_neighbours_are_done(work: Work) -> None:
    work.fails["a"] = Unavailable("no answer")
    work.line.add(["a", "b", "c"])
    work.go_on()
    assert work.line.outcomes() == [("b", None)]
    assert work.line.problem == "no answer"
    work.go_on()
    assert work.done == [["a", "b"]]
    del work.fails["a"]
    work.clock.advance(1)
    work.go_on()
    assert work.done == [["a", "b"], ["a", "c"]]
    assert work.line.problem is None


def test_a_rejection_is_an_outcome(work: Work) -> None:
    work.fails["a"] = Rejected("too long")
    work.line.add(["a", "b"])
    work.go_on()
    assert work.line.outcomes() == [("a", work.fails["a"]), ("b", None)]
    assert work.line.problem is None


def test_what_finds_no_room_is_answered_until_the_outcomes_make_some(work: Work) -> None:
    assert work.line.add(["12345678", "abc", "de"]) == ["abc"]
    work.go_on()
    assert work.line.add(["abc"]) == ["abc"]
    work.line.outcomes()
    assert work.line.add(["abc"]) == []


def test_the_end_tries_once_more_whatever_pauses_and_returns_when_that_fails(work: Work) -> None:
    work.fails["c"] = Unavailable("no answer")
    work.line.add(["a", "b", "c"])
    work.go_on()
    work.line.outcomes()
    work.line.add(["d"])
    work.at_once = True
    work.line.finish(within_s=1)
    assert work.line.outcomes() == [("d", None)]
    assert work.line.waiting == 1


def test_the_end_takes_no_longer_than_it_may(work: Work) -> None:
    def slow(batch: Sequence[str]) -> list[F2bError | None]:
        work.clock.advance(1)
        return [None] * len(batch)

    line: SideLine[str] = SideLine(slow, batch_max=1, room=10, clock=work.clock, aside=lambda do: do())
    line.add(["a", "b", "c", "d"])
    line.finish(within_s=2)
    assert line.outcomes() == [("a", None), ("b", None)]
    assert line.waiting == 2


def test_the_end_waits_for_no_try_that_hangs(work: Work) -> None:
    goes_on = threading.Event()

    def hang(batch: Sequence[str]) -> list[F2bError | None]:
        goes_on.wait(30)
        return [None] * len(batch)

    line: SideLine[str] = SideLine(hang, batch_max=1, room=10, clock=work.clock, aside=in_a_thread)
    line.add(["a"])
    line.finish(within_s=0.01)
    assert line.outcomes() == []
    assert line.is_open
    goes_on.set()


def test_a_defect_of_the_work_reaches_the_loop_that_owns_it(work: Work) -> None:
    def break_down(_: Sequence[str]) -> list[F2bError | None]:
        raise ZeroDivisionError

    broken: SideLine[str] = SideLine(break_down, batch_max=2, room=10, clock=work.clock, aside=lambda do: do())
    broken.add(["a"])
    broken.go_on()
    with pytest.raises(ZeroDivisionError):
        broken.outcomes()
