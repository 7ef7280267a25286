"""Bans that cannot be read are asked for by turns, and no answer undoes what was told after the question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.enforcer import undated
from f2b_worker.enforcer.alarms import Alarms
from f2b_worker.enforcer.undated import ASK_EVERY_S, Undated
from f2b_worker.errors import Unavailable
from f2b_worker.ports import StandingBan
from f2b_worker.testing import FakeClock, MemoryLedger
from tests.unit.enforcer.scene import A, B, C

if TYPE_CHECKING:
    from collections.abc import Callable

JAIL = "default"
KEYS = [f"203.0.113.{last}/32" for last in range(1, 8)]


class Ledger(MemoryLedger):
    """A ledger that is asked for single keys, some of which fail."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.failing: set[str] = set()
        self.bans: dict[str, Ban] = {}

    def standing_of(self, key: str) -> list[StandingBan]:
        self.asked.append(key)
        if key in self.failing:
            raise Unavailable(f"{key} does not answer")
        return [StandingBan(OffenderId(JAIL, key), self.bans[key])] if key in self.bans else []


class Scene:
    """A roster of which some bans cannot be read, and who asks for them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger()
        self.roster = Roster(["block"], Networks(), keeps=lambda _list, _key: True)
        self.jobs: list[Callable[[], None]] = []
        self.undated = Undated(
            self.roster, self.ledger, alarms=Alarms(self.clock, "r"), clock=self.clock, aside=self.jobs.append
        )

    def tell(self, key: str, ban: Ban = UNREADABLE) -> None:
        self.roster.take_in(OffenderId(JAIL, key), ban, self.clock.now_ms())

    def ban(self, seconds: float) -> Ban:
        now_ms, length_ms = self.clock.now_ms(), round(1000 * seconds)
        return Ban(now_ms, now_ms + length_ms, 1, length_ms, blocklists=("block",))

    def answer(self) -> None:
        while self.jobs:
            self.jobs.pop()()

    def ask(self) -> list[str]:
        """Let it ask once, and take the answer; tell whom it asked for."""
        self.clock.advance(ASK_EVERY_S)
        asked = len(self.ledger.asked)
        self.undated.settle()
        self.answer()
        self.undated.settle()
        return self.ledger.asked[asked:]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(undated, "ASKED_AT_ONCE", 3)
    return Scene()


def test_each_key_has_its_turn_however_many_stay_unreadable(scene: Scene) -> None:
    for key in KEYS:
        scene.ledger.bans[key] = UNREADABLE
        scene.tell(key)
    asked = [scene.ask() for _ in range(4)]
    assert [key for keys in asked[:3] for key in keys] == KEYS
    assert asked[3] == KEYS[:3]


def test_a_key_that_fails_keeps_no_other_from_being_settled(scene: Scene) -> None:
    for key in KEYS[:3]:
        scene.tell(key)
    scene.ledger.failing = {KEYS[1]}
    scene.ask()
    assert list(scene.roster.undated) == [KEYS[1]]
    scene.ledger.failing = set()
    scene.ask()
    assert not scene.roster.undated


def test_a_ledger_that_is_away_is_left_alone_and_the_others_have_their_turn(scene: Scene) -> None:
    for key in KEYS:
        scene.tell(key)
    scene.ledger.failing = set(KEYS[:4])
    asked = [scene.ask() for _ in range(3)]
    assert asked == [KEYS[:2], KEYS[2:4], KEYS[4:]]
    assert set(scene.roster.undated) == scene.ledger.failing


def test_what_was_told_after_the_question_stands_whatever_is_answered(scene: Scene) -> None:
    scene.tell(A)
    scene.tell(B)
    scene.clock.advance(ASK_EVERY_S)
    scene.undated.settle()
    scene.answer()  # both are gone
    scene.tell(A)  # it is there again, and cannot be read
    scene.undated.settle()
    assert set(scene.roster.undated) == {A}
    assert set(scene.roster.wanted["block"]) == {A}


def test_a_ban_that_ended_since_the_question_stays_until_followers_told_up_to_then(scene: Scene) -> None:
    scene.tell(C)
    scene.ledger.bans[C] = scene.ban(ASK_EVERY_S + 1)
    scene.clock.advance(ASK_EVERY_S)
    scene.undated.settle()
    scene.answer()
    scene.clock.advance(5)  # somebody may have extended it meanwhile
    scene.undated.settle()
    assert scene.roster.wanted["block"] == {C: scene.ledger.bans[C].until_ms}
