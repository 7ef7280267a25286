"""What one worker stored is known to all: it is not stored again."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.errors import F2bError, Unavailable
from f2b_worker.intake.colleagues import EVERY_S, MORE_S, follow_colleagues
from f2b_worker.intake.known_bans import KnownBans
from f2b_worker.testing import FakeClock, MemoryLedger
from tests.unit.intake.scene import OTHER_IP, Scene, who
from tests.unit.intake.test_known_bans import RESOLUTION_S, WHO, Known

if TYPE_CHECKING:
    from collections.abc import Mapping

STRANGER = who(OTHER_IP)
DAY_MS = 86_400_000


def stored_by_a_colleague(scene: Scene, whom: OffenderId, ban: Ban) -> Offender:
    answer = MemoryLedger.commit(scene.ledger, {whom: Decision(scene.ledger.offender(whom), ban)})[whom]
    assert isinstance(answer, Offender)
    return replace(answer, hits=frozenset())


@pytest.fixture
def known() -> Known:
    return Known()


def test_an_infraction_in_a_ban_that_a_colleague_stored_is_not_recorded(known: Known) -> None:
    start_ms = known.clock.now_ms()
    offender = stored_by_a_colleague(known, STRANGER, Ban(start_ms, start_ms + DAY_MS, 1, DAY_MS))
    known.hear({STRANGER: offender})
    known.clock.advance(1)
    known.step(known.hit(ip=OTHER_IP))
    known.clock.advance(RESOLUTION_S)
    known.step()
    assert known.ledger.recorded == 0
    assert known.ledger.banned()[STRANGER].extended == 1
    assert known.inbox.left == set()


def test_an_extension_that_a_colleague_stored_is_not_stored_again(known: Known) -> None:
    known.clock.advance(1)
    known.step(known.hit())
    longer = replace(known.ban, until_ms=known.ban.until_ms + 600_000, extended=1)
    offender = stored_by_a_colleague(known, WHO, longer)
    known.ledger.commits = 0
    known.hear({WHO: offender})
    known.step()
    known.hear()
    known.step()
    assert known.ledger.commits == 0
    assert known.inbox.left == set()


def test_an_older_state_of_what_is_known_changes_nothing(known: Known) -> None:
    before = known.ledger.offender(WHO)
    known.clock.advance(1)
    known.step(known.hit())
    known.clock.advance(RESOLUTION_S)
    known.step()
    known.ledger.commits = 0
    known.hear({WHO: before})
    known.step(known.hit())
    known.hear()
    known.step()
    assert known.ledger.commits == 0
    assert known.inbox.left == set()


def test_what_waits_is_recorded_if_a_colleague_banned_over_it(known: Known) -> None:
    known.clock.advance(1)
    known.step(known.hit())
    start_ms = known.clock.now_ms() + 1000
    offender = stored_by_a_colleague(known, WHO, Ban(start_ms, start_ms + DAY_MS, 2, DAY_MS))
    known.hear({WHO: offender})
    known.step()
    assert known.ledger.recorded == 1
    assert known.ban.start_ms == start_ms
    assert known.inbox.left == set()


class News(MemoryLedger):
    """A ledger that has news, or fails, as it is told."""

    def __init__(self, *answers: Mapping[OffenderId, Offender] | F2bError) -> None:
        super().__init__()
        self.answers = list(answers)
        self.more = [False] * len(answers)

    @property
    def has_more_news(self) -> bool:
        return self.more[len(self.more) - len(self.answers) - 1]

    def news(self) -> Mapping[OffenderId, Offender]:
        answer = self.answers.pop(0)
        if isinstance(answer, F2bError):
            raise answer
        return answer


class Clock(FakeClock):
    """Stops after so many waits."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.waits = waits
        self.waited_s: set[float] = set()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.waited_s.add(timeout_s)
        self.waits -= 1
        if self.waits < 0:
            event.set()
        return super().wait(event, timeout_s)


def test_it_is_asked_every_second_and_a_failure_is_told_once() -> None:
    heard: list[tuple[Mapping[OffenderId, Offender], float]] = []
    offender = {STRANGER: Offender(revision=1)}
    failure = Unavailable("no answer")
    ledger = News({}, failure, failure, offender, failure)
    clock = Clock(5)
    with capture_logs() as lines:
        follow_colleagues(ledger, lambda *told: heard.append(told), clock, threading.Event())
    assert heard == [({}, float("-inf")), ({}, 1.0), (offender, 4.0)]
    assert clock.waited_s == {EVERY_S}
    assert [line["event"] for line in lines] == ["colleagues_not_heard"] * 2
    assert ledger.answers == []


def test_many_news_are_heard_part_by_part_and_count_as_heard_with_the_last_one() -> None:
    heard: list[tuple[Mapping[OffenderId, Offender], float]] = []
    one, other = {STRANGER: Offender(revision=1)}, {WHO: Offender(revision=1)}
    ledger = News(one, other, {})
    ledger.more = [True, False, False]
    follow_colleagues(ledger, lambda *told: heard.append(told), Clock(3), threading.Event())
    unheard = float("-inf")
    assert heard == [({}, unheard), (one, unheard), (other, 1.0), ({}, 2 * EVERY_S + MORE_S)]


class TestKnownBans:
    def test_a_ban_is_answered_as_it_was_learned(self) -> None:
        known = KnownBans()
        for number, names in enumerate((("block",), ("block", "captcha"), ("block",))):
            ban = Ban(number, number + 7, 3, 7, 4, observed=number == 1, blocklists=names)
            known.learn(who(f"203.0.113.{number}"), Offender(ban=ban, revision=number + 1, lifted_ms=number))
            found = known.get(who(f"203.0.113.{number}"))
            assert found == (ban, number + 1, number)
            assert found.seen == Offender(ban=ban, revision=number + 1, lifted_ms=number)

    def test_half_of_the_most_are_known_at_least_and_no_more_than_the_most(self) -> None:
        known = KnownBans(most=10)
        everybody = [who(f"203.0.113.{number}") for number in range(100)]
        for number, each in enumerate(everybody):
            known.learn(each, Offender(ban=Ban(0, 9, 1, 9), revision=1))
            assert all(known.get(late) for late in everybody[max(0, number - 4) : number + 1])
            assert sum(known.get(each) is not None for each in everybody) <= 10

    def test_who_is_learned_again_stays(self) -> None:
        known = KnownBans(most=10)
        for number in range(100):
            known.learn(STRANGER, Offender(ban=Ban(0, number, 1, 9), revision=1))
            known.learn(who(f"203.0.113.{number}"), Offender(ban=Ban(0, 9, 1, 9), revision=1))
            found = known.get(STRANGER)
            assert found
            assert found.ban.until_ms == number

    def test_who_is_forgotten_or_not_banned_is_unknown(self) -> None:
        known = KnownBans(most=2)
        for seen in (Offender(ban=Ban(0, 9, 1, 9), revision=1), Offender()):
            known.learn(WHO, seen)
        assert known.get(WHO) is None
