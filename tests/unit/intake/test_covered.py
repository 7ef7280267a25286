"""An infraction in a known ban is done once it was heard that nobody had lifted that ban."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.intake.covered import UNHEARD_S
from f2b_worker.testing import MemoryActs
from tests.unit.intake.test_known_bans import WHO, Known

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import Offender

SHORTLY_S = 0.05


class Followed(Known):
    """A worker that asks what others did, once a second."""

    def __init__(self, bantime_ms: int = DAY_MS) -> None:
        super().__init__(bantime_ms)
        self.acts = MemoryActs(self.ledger)
        self.hear()

    def lift(self) -> dict[object, object]:
        """Have somebody lift the ban; answer what is told of it."""
        self.clock.advance(SHORTLY_S)
        self.acts.lift(Act("lift", self.clock.now_ms(), "ann", Verb.UNBAN), [WHO])
        self.clock.advance(SHORTLY_S)
        return dict(self.ledger.news())

    def offend(self) -> list[str]:
        """Have an infraction come that moves the end of the ban no further: the first of a step moves it."""
        self.clock.advance(SHORTLY_S)
        return self.step(self.hit())

    @property
    def stored(self) -> Offender:
        return self.ledger.offender(WHO)


@pytest.fixture
def followed() -> Followed:
    found = Followed()
    found.clock.advance(1)
    found.step(found.hit())
    found.clock.advance(10)
    found.hear()
    found.step()  # the end of the ban has moved: for a while no infraction moves it
    found.hear()
    found.step()
    assert found.inbox.left == set()
    found.ledger.recorded = found.ledger.commits = 0
    return found


def test_it_waits_until_news_of_after_it_were_heard_and_costs_nothing(followed: Followed) -> None:
    followed.offend()
    followed.step()
    assert len(followed.inbox.left) == 1
    followed.hear()
    followed.step()
    assert followed.inbox.left == set()
    assert followed.ledger.recorded == followed.ledger.commits == 0


def test_news_that_were_asked_for_before_it_came_are_not_enough(followed: Followed) -> None:
    asked_s = followed.clock.monotonic_s()
    followed.offend()
    followed.worker.hear({}, asked_s)
    followed.step()
    assert len(followed.inbox.left) == 1


def test_after_a_lift_that_was_not_heard_yet_it_counts(followed: Followed) -> None:
    news = followed.lift()
    followed.offend()
    assert len(followed.inbox.left) == 1
    followed.hear(news)  # type: ignore[arg-type]
    followed.step()
    assert followed.inbox.left == set()
    (hit,) = followed.stored.hits
    assert hit.at_ms > followed.stored.lifted_ms > 0


def test_enough_of_them_after_a_lift_ban_anew(followed: Followed) -> None:
    news = followed.lift()
    for _ in range(5):
        followed.offend()
    followed.hear(news)  # type: ignore[arg-type]
    followed.step()
    assert followed.inbox.left == set()
    assert followed.ban.count == 2


def test_one_that_moves_the_end_is_recorded_if_the_ban_was_lifted_meanwhile(followed: Followed) -> None:
    followed.lift()
    followed.clock.advance(3600)
    followed.step(followed.hit())
    followed.clock.advance(10)
    followed.step()  # the later end is refused, and what stands there tells of the lift
    followed.step()
    assert followed.inbox.left == set()
    assert len(followed.stored.hits) == 1


def test_without_news_the_ledger_is_asked_itself_after_a_while(followed: Followed) -> None:
    followed.lift()
    followed.offend()
    followed.clock.advance(UNHEARD_S)
    followed.step()
    assert followed.inbox.left == set()
    assert len(followed.stored.hits) == 1


def test_without_news_nothing_is_lost_where_the_ban_still_runs(followed: Followed) -> None:
    before = followed.stored.ban
    followed.offend()
    followed.clock.advance(UNHEARD_S)
    followed.step()
    assert followed.inbox.left == set()
    assert followed.stored.ban == before
    assert followed.ledger.recorded == 1


def test_those_of_many_turns_do_not_wait_for_each_other(followed: Followed) -> None:
    followed.offend()
    followed.hear()
    (later,) = followed.offend()
    assert followed.inbox.left == {later}


def test_a_stop_judges_what_waits_without_waiting_for_news(followed: Followed) -> None:
    followed.offend()
    stop = threading.Event()
    stop.set()
    followed.worker.finish()
    assert followed.inbox.left == set()
    assert followed.ledger.recorded == 1


def test_where_nobody_asks_for_news_it_is_done_at_once() -> None:
    alone = Known()
    alone.clock.advance(1)
    alone.step(alone.hit())
    alone.clock.advance(10)
    alone.step()
    alone.clock.advance(SHORTLY_S)
    alone.step(alone.hit())
    assert alone.inbox.left == set()


def test_a_ban_that_began_anew_meanwhile_judges_it(followed: Followed) -> None:
    followed.offend()
    anew = replace(followed.stored, ban=replace(followed.ban, start_ms=followed.clock.now_ms() + 1), revision=9)
    followed.hear({WHO: anew})
    followed.step()
    assert followed.inbox.left == set()
    assert followed.ledger.recorded == 1
