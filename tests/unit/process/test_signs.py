"""How a worker gives signs of life, whatever becomes of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from f2b_worker.errors import Unavailable
from f2b_worker.process.signs import give_signs
from f2b_worker.testing import FakeClock, MemoryFleet

if TYPE_CHECKING:
    from f2b_worker.ports import WorkerSign


class Paced(FakeClock):
    """A clock that sets the event after so many waits."""

    def __init__(self, waits: int, fleet: MemoryFleet) -> None:
        super().__init__()
        self.seen: list[list[WorkerSign]] = []
        self._left = waits
        self._fleet = fleet

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.seen.append(self._fleet.signs())
        if not self._left:
            event.set()
        self._left -= 1
        self.advance(timeout_s)
        return event.is_set()


class Away(MemoryFleet):
    """Answers nobody."""

    def sign(self, sign: WorkerSign) -> None:  # noqa: ARG002
        raise Unavailable("no answer")

    def leave(self, name: str) -> None:  # noqa: ARG002
        raise Unavailable("no answer")


def test_a_worker_gives_a_sign_soon_and_each_minute_and_takes_it_back_at_its_end() -> None:
    fleet = MemoryFleet()
    clock = Paced(2, fleet)
    began_ms = clock.now_ms()
    give_signs(fleet, clock, threading.Event(), lambda: "no queue")
    assert [len(each) for each in clock.seen] == [0, 1, 1]
    (first,), (second,) = clock.seen[1:]
    assert (first.started_ms, first.at_ms, second.at_ms) == (began_ms, began_ms + 2000, began_ms + 62_000)
    assert (first.name, first.remark) == (second.name, "no queue")
    assert fleet.signs() == []


def test_a_sign_that_cannot_be_given_ends_nothing() -> None:
    fleet = Away()
    clock = Paced(3, fleet)
    give_signs(fleet, clock, threading.Event(), lambda: None)
    assert len(clock.seen) == 4
