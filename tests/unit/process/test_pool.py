"""Who is restarted, when the pool gives up, and what it says of all processes together."""

from __future__ import annotations

import pytest

from f2b_worker.domain.backoff import LIVES_S, RESTARTS_MAX, Restarts
from f2b_worker.process.parts import Condition
from f2b_worker.process.pool.liveness import SILENT_S, STARTS_WITHIN_S, Health, dead, problem
from f2b_worker.testing import FakeClock

WELL = Condition(None, None)


def test_each_death_in_a_row_is_followed_by_a_longer_pause() -> None:
    restarts = Restarts()
    pauses = [restarts.pause_s(0.1) for _ in range(RESTARTS_MAX)]
    assert pauses == [1, 2, 4, 8, 16]


def test_who_dies_again_and_again_cannot_live() -> None:
    restarts = Restarts()
    for _ in range(RESTARTS_MAX):
        assert restarts.pause_s(0.1) is not None
    assert restarts.pause_s(0.1) is None


def test_who_is_never_given_up_waits_for_half_a_minute_at_most() -> None:
    restarts = Restarts(restarts_max=None)
    assert [restarts.pause_s(0.1) for _ in range(2000)][-1] == 30


def test_a_life_worth_the_name_forgives_earlier_deaths() -> None:
    restarts = Restarts(deaths=RESTARTS_MAX)
    assert restarts.pause_s(LIVES_S) == 1


class Pair:
    """Two processes that have just been started."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.both = (Health("worker-0"), Health("worker-1"))
        for each in self.both:
            each.start(self.clock.monotonic_s())

    def tell(self, *told: Condition) -> None:
        for each, state in zip(self.both, told, strict=False):
            each.hear(state, self.clock.monotonic_s())

    @property
    def dead(self) -> str | None:
        return dead(self.both, self.clock)

    @property
    def problem(self) -> str | None:
        return problem(self.both, self.clock)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_the_pool_is_ready_once_every_process_said_so(pair: Pair) -> None:
    assert pair.problem == "worker-0 starts"
    pair.tell(WELL)
    assert pair.problem == "worker-1 starts"
    pair.tell(WELL, WELL)
    assert pair.problem is None
    assert pair.dead is None


def test_the_reason_of_the_one_that_is_not_ready_is_said(pair: Pair) -> None:
    pair.tell(WELL, Condition("queue f2b: no answer", None))
    assert pair.problem == "worker-1: queue f2b: no answer"
    assert pair.dead is None
    pair.tell(WELL, WELL)
    assert pair.problem is None


def test_who_is_dead_is_named_until_its_successor_has_started(pair: Pair) -> None:
    pair.tell(WELL, WELL)
    pair.both[1].end()
    assert pair.dead == "worker-1 is dead, and is started again soon"
    assert pair.problem == pair.dead
    pair.both[1].start(pair.clock.monotonic_s())
    assert pair.dead is None
    assert pair.problem == "worker-1 starts"
    pair.tell(WELL, WELL)
    assert pair.problem is None


def test_who_gives_no_sign_of_life_hangs_until_it_gives_one(pair: Pair) -> None:
    pair.tell(WELL, WELL)
    pair.clock.advance(SILENT_S)
    assert pair.dead is None
    pair.tell(WELL)
    pair.clock.advance(1)
    assert pair.dead == pair.problem == f"worker-1 hangs: it gave no sign of life for {SILENT_S + 1:.0f} s"
    pair.tell(WELL, WELL)
    assert pair.dead is None


def test_who_starts_may_be_silent_for_as_long_as_it_waits_for_aws(pair: Pair) -> None:
    pair.clock.advance(STARTS_WITHIN_S)
    assert pair.dead is None
    pair.clock.advance(1)
    assert "worker-0 hangs" in (pair.dead or "")


def test_what_somebody_should_see_to_is_said_with_the_name_of_who_said_it(pair: Pair) -> None:
    pair.tell(WELL, Condition(None, "configured otherwise"))
    assert [each.conflict() for each in pair.both] == [None, "worker-1: configured otherwise"]
    assert pair.problem is None
