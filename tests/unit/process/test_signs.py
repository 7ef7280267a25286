"""How a worker gives signs of life, whatever becomes of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from f2b_worker.errors import Unavailable
from f2b_worker.process.signs import FIRST_S, LOOK_S, Said, give_signs
from f2b_worker.testing import FakeClock, MemoryFleet

if TYPE_CHECKING:
    from f2b_worker.ports import WorkerSign


class Paced(FakeClock):
    """A clock that sets the event after a time."""

    def __init__(self, stop_s: float) -> None:
        super().__init__()
        self._end_s = self.monotonic_s() + stop_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        assert timeout_s == LOOK_S
        self.advance(timeout_s)
        if self.monotonic_s() > self._end_s:
            event.set()
        return event.is_set()


class Told(MemoryFleet):
    """Remembers every sign."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[WorkerSign] = []

    def sign(self, sign: WorkerSign) -> None:
        super().sign(sign)
        self.told.append(sign)


class Away(MemoryFleet):
    """Answers nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def sign(self, sign: WorkerSign) -> None:  # noqa: ARG002
        self.asked += 1
        raise Unavailable("no answer")

    def leave(self, name: str) -> None:  # noqa: ARG002
        raise Unavailable("no answer")


def test_a_worker_gives_a_sign_soon_and_each_minute_and_takes_it_back_at_its_end() -> None:
    fleet, clock = Told(), Paced(90)
    began_ms = clock.now_ms()
    give_signs(fleet, clock, threading.Event(), lambda: Said("no queue", 3))
    first, second = fleet.told
    assert (first.started_ms, first.at_ms, second.at_ms) == (began_ms, began_ms + 2000, began_ms + 62_000)
    assert (first.name, first.remark, first.generation) == (second.name, "no queue", 3)
    assert fleet.signs() == []


def test_a_worker_that_has_read_its_file_again_says_so_within_a_second() -> None:
    fleet, clock = Told(), Paced(120)
    began_s = clock.monotonic_s()
    give_signs(fleet, clock, threading.Event(), lambda: Said("", 0 if clock.monotonic_s() < began_s + 30.5 else 1))
    signed = [((each.at_ms - fleet.told[0].started_ms) / 1000, each.generation) for each in fleet.told]
    assert signed == [(FIRST_S, 0), (31, 1), (91, 1)]


def test_a_sign_that_cannot_be_given_ends_nothing_and_is_given_a_minute_later() -> None:
    fleet = Away()
    give_signs(fleet, Paced(70), threading.Event(), Said)
    assert fleet.asked == 2
