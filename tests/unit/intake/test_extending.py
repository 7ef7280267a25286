"""Extensions of a second are stored together; what cannot wait goes before, and postpones nobody."""

from __future__ import annotations

import pytest

from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.intake.desk import Desk, Pile
from f2b_worker.intake.extending import EXTEND_EVERY_S, EXTENDED_SHARE, EXTENSIONS_AT_ONCE, Extending
from f2b_worker.intake.known_bans import KnownBan, KnownBans
from f2b_worker.testing import FakeClock

LENGTH_MS = 600_000


class Scene:
    """Piles on a desk, each of which only extends a ban."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.desk = Desk()
        self.extending = Extending(self.desk, self.clock, EXTEND_EVERY_S)

    def lay_out(self, name: str, *, ends_in_s: float = LENGTH_MS / 1000) -> OffenderId:
        who, now_ms = OffenderId("login", name), self.clock.now_ms()
        until_ms = now_ms + round(1000 * ends_in_s)
        known = KnownBans()
        known.learn(who, Offender(ban=Ban(until_ms - LENGTH_MS - 1, until_ms, 1, LENGTH_MS), revision=1))
        found: KnownBan | None = known.get(who)
        pile = self.desk.piles[who] = Pile(self.clock.monotonic_s(), found)
        pile.add([Hit(now_ms + 1, name)], [])
        assert pile.is_longer
        return who

    def store(self) -> list[OffenderId]:
        """Store what is due; answer whose that was."""
        due = self.extending.due()
        for who in due:
            del self.desk.piles[who]
        self.extending.have_stored(len(due))
        return due


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_first_goes_at_once_and_those_of_the_next_second_together(scene: Scene) -> None:
    first = scene.lay_out("first")
    assert scene.store() == [first]
    others = []
    for number in range(5):
        scene.clock.advance(EXTEND_EVERY_S / 8)
        others.append(scene.lay_out(f"{number}"))
        assert scene.store() == []
    assert scene.extending.due_in_s() == EXTEND_EVERY_S * 3 / 8
    scene.clock.advance(EXTEND_EVERY_S * 3 / 8)
    assert scene.store() == others


def test_a_ban_that_ends_soon_is_extended_at_once_and_postpones_nobody(scene: Scene) -> None:
    scene.lay_out("first")
    scene.store()
    waiting = scene.lay_out("waiting")
    for number in range(7):
        scene.clock.advance(EXTEND_EVERY_S / 8)
        urgent = scene.lay_out(f"urgent {number}", ends_in_s=1)
        assert scene.store() == [urgent]
    scene.clock.advance(EXTEND_EVERY_S / 8)
    assert scene.store() == [waiting]


def test_those_that_do_not_fit_into_one_turn_follow_in_the_next(scene: Scene) -> None:
    for number in range(EXTENSIONS_AT_ONCE + 7):
        scene.lay_out(f"{number}")
    assert len(scene.store()) == EXTENSIONS_AT_ONCE
    assert len(scene.store()) == 7
    scene.lay_out("late")
    assert scene.store() == []


def test_of_many_a_share_is_stored_in_one_turn_the_oldest_first_so_that_they_do_not_fill_the_memory(
    scene: Scene,
) -> None:
    crowd = [scene.lay_out(f"{number}") for number in range((EXTENSIONS_AT_ONCE + 50) * EXTENDED_SHARE)]
    assert scene.store() == crowd[: EXTENSIONS_AT_ONCE + 50]
