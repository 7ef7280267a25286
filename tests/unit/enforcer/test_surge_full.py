"""The surge guard at a takeover, where there was not room for all."""

from __future__ import annotations

import pytest

from f2b_worker.domain.noted_sets import NAMED_MAX
from f2b_worker.errors import Unavailable
from tests.unit.enforcer.scene import A, Scene

LIMIT, CAPACITY = 10, 5


def crowded(hours: int = 12) -> Scene:
    """Ban as many in each hour as the limit lets in, none of them neighbours, where there is room for few."""
    scene = Scene(limit=LIMIT, capacity=CAPACITY)
    for hour in range(hours):
        scene.ban(*(f"198.{18 + hour}.{host}.1/32" for host in range(LIMIT)), seconds=30 * 86_400)
        scene.pass_time(2)
        scene.clock.advance(3600)
    scene.pass_time(10)
    assert len(scene.v4.held) == CAPACITY
    return scene


# Few enough to be named in the note, and too many.
@pytest.mark.parametrize("hours", [NAMED_MAX // LIMIT, NAMED_MAX // LIMIT + 2])
def test_bans_that_found_no_room_are_no_surge_to_who_takes_over(hours: int) -> None:
    scene = crowded(hours)
    scene.restart()
    scene.pass_time(10)
    scene.ban(A)
    scene.pass_time(10)
    assert scene.notebook.read().held_back_from_ms is None
    assert A in scene.v4.held


def test_bans_that_nobody_knew_are_a_surge_to_who_takes_over_also_where_others_found_no_room() -> None:
    scene = crowded()
    scene.notebook.failure = Unavailable("no answer")
    scene.clock.advance(7200)
    scene.ban(*(f"198.51.{host}.1/32" for host in range(LIMIT + 1)), seconds=86_400, ago_s=6000)
    scene.pass_time(10)
    scene.notebook.failure = None
    scene.restart()
    scene.pass_time(10)
    scene.ban(A)
    scene.pass_time(10)
    assert scene.notebook.read().held_back_from_ms is not None
    assert A not in scene.v4.held
