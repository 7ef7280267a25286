"""Ended bans stay while something disturbs whoever would extend them, and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.plan.group import SPARED_FOR_S
from f2b_worker.enforcer.lifting import GRACE_S, LATE_S
from f2b_worker.errors import Unavailable
from tests.unit.enforcer.scene import UNBAN_LAG_S, A, B, C, Scene

if TYPE_CHECKING:
    from collections.abc import Callable


def take_over(scene: Scene) -> None:
    """Nobody enforces for a while, then another worker does."""
    scene.clock.advance(30)
    scene.restart()


def stand_still(scene: Scene) -> None:
    """The process is stopped, and goes on."""
    scene.clock.advance(30)


def lose_the_ledger(scene: Scene) -> None:
    """The ledger fails for a while."""
    scene.ledger.failure = Unavailable("no answer")
    scene.run(30)
    scene.ledger.failure = None


DISTURBANCES = [take_over, stand_still, lose_the_ledger]


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.pass_time(GRACE_S + 1)
    return scene


@pytest.mark.parametrize("disturb", DISTURBANCES)
def test_what_ended_in_a_disturbance_is_not_lifted_before_it_was_extended(
    scene: Scene, disturb: Callable[[Scene], None]
) -> None:
    scene.ban(A, seconds=20)
    scene.pass_time(10)
    disturb(scene)
    scene.ban(B)
    scene.pass_time(GRACE_S - 3)
    assert scene.v4.held == {A, B}
    scene.ban(A)
    scene.pass_time(SPARED_FOR_S + UNBAN_LAG_S)
    assert scene.v4.held == {A, B}


@pytest.mark.parametrize("disturb", DISTURBANCES)
def test_what_was_not_extended_goes_after_that(scene: Scene, disturb: Callable[[Scene], None]) -> None:
    scene.ban(A, seconds=20)
    scene.pass_time(10)
    disturb(scene)
    scene.pass_time(GRACE_S + 3)
    scene.ban(B)
    scene.pass_time(3)
    assert scene.v4.held == {B}


@pytest.mark.parametrize("disturb", DISTURBANCES)
def test_what_ends_after_it_goes_with_the_next_update(scene: Scene, disturb: Callable[[Scene], None]) -> None:
    scene.ban(A, seconds=44)
    scene.pass_time(10)
    disturb(scene)
    scene.pass_time(6)
    scene.ban(B)
    scene.pass_time(3)
    assert scene.v4.held == {B}


def test_nothing_is_spared_for_ever_although_one_disturbance_follows_the_other(scene: Scene) -> None:
    scene.ban(A, seconds=20)
    scene.pass_time(10)

    def disturb() -> None:
        scene.clock.advance(LATE_S + 1)

    scene.pass_time(10 + SPARED_FOR_S - 2 * LATE_S, every_s=8, do=disturb)
    scene.ban(B)
    scene.pass_time(3)
    assert scene.v4.held == {A, B}
    scene.pass_time(UNBAN_LAG_S + 3 * LATE_S, every_s=8, do=disturb)
    scene.ban(C)
    scene.pass_time(3)
    assert scene.v4.held == {B, C}


def test_a_ban_that_finds_no_room_else_takes_the_place_of_one_that_ended() -> None:
    scene = Scene(capacity=1)
    scene.ban(A, seconds=20)
    scene.pass_time(10)
    stand_still(scene)
    scene.ban(B)
    scene.pass_time(3)
    assert scene.v4.held == {B}


def test_an_address_of_the_allowlist_goes_at_once(scene: Scene) -> None:
    scene.settle(A, B)
    scene.clock.advance(30)
    scene.restart(A)
    scene.pass_time(3)
    assert scene.v4.held == {B}
