"""A worker that runs while a newer one marks the table."""

from __future__ import annotations

import threading

import pytest

from f2b_worker.domain.schema import Schema
from f2b_worker.errors import StartError, Unavailable
from f2b_worker.process.schema import LOOK_EVERY_S, watch_schema
from f2b_worker.testing import FakeClock, MemorySchema


class Scripted(MemorySchema):
    """A mark of which each reading does something first."""

    def __init__(self, *steps: Schema | Exception) -> None:
        super().__init__()
        self.steps = list(steps)
        self.stop = threading.Event()

    def read(self) -> Schema | None:
        if not self.steps:
            self.stop.set()
            return super().read()
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        self.mark(step)
        return super().read()


def test_it_ends_when_a_newer_one_does_not_let_it_work_on() -> None:
    mark, clock = Scripted(Schema(1, 1), Schema(2, 1), Schema(3, 3)), FakeClock()
    began_s = clock.monotonic_s()
    with pytest.raises(StartError, match="in format 3; this f2b knows format 1: update f2b"):
        watch_schema(mark, clock, mark.stop)
    assert clock.monotonic_s() - began_s == 3 * LOOK_EVERY_S


def test_it_works_on_where_nobody_answers_or_a_newer_one_lets_it() -> None:
    mark = Scripted(Unavailable("no answer"), Schema(2, 1), Unavailable("no answer"))
    watch_schema(mark, FakeClock(), mark.stop)
    assert mark.steps == []
