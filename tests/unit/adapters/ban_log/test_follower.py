"""Who follows the log is told everything at first, each offender once, and after that what is newer."""

from __future__ import annotations

import pytest

from f2b_worker.adapters.dynamodb.ban_log.follower import BanLogFollower
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Change
from f2b_worker.ports import Changes, StandingBan
from tests.unit.adapters.ban_log.test_reader_and_scribe import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def follower(scene: Scene) -> BanLogFollower:
    return BanLogFollower(scene.reader, scene.clock)


def bans(*changes: Change) -> list[StandingBan]:
    return sorted((StandingBan(each.who, each.ban) for each in changes), key=lambda each: each.who)


def told(changes: Changes) -> list[StandingBan]:
    return sorted(changes.bans, key=lambda each: each.who)


def test_a_start_tells_each_offender_once_as_base_deltas_and_tail_make_it(
    scene: Scene, follower: BanLogFollower
) -> None:
    scene.log(scene.change(1), scene.change(2), scene.change(3))
    scene.publish()
    in_delta = scene.change(2, 2, ends_in_ms=10**9)
    scene.log(in_delta, scene.change(4))
    scene.publish()
    in_tail = scene.change(3, 2, ends_in_ms=10**9)
    scene.log(in_tail, scene.change(4, 1))

    changes = follower.poll()

    assert changes.is_all
    found = told(changes)
    assert [each.who.key for each in found] == [f"203.0.113.{last}/32" for last in (1, 2, 3, 4)]
    assert found[1:3] == bans(in_delta, in_tail)


def test_an_older_state_in_the_tail_does_not_undo_what_the_base_tells(
    scene: Scene, follower: BanLogFollower
) -> None:
    newest = scene.change(1, 7)
    scene.log(newest)
    scene.publish()
    scene.log(scene.change(1, 6, ends_in_ms=1000))
    assert told(follower.poll()) == bans(newest)


def test_what_ended_long_ago_is_not_told_at_the_start(scene: Scene, follower: BanLogFollower) -> None:
    running = scene.change(2)
    scene.log(scene.change(1, ends_in_ms=1000), running)
    scene.publish()
    scene.clock.advance(KEPT_AFTER_END_MS / 1000 + 2)
    assert told(follower.poll()) == bans(running)


def test_each_further_poll_tells_what_is_newer_and_nothing_twice(scene: Scene, follower: BanLogFollower) -> None:
    first = scene.change(1)
    scene.log(first)
    assert told(follower.poll()) == bans(first)
    later, other = scene.change(1, 2, ends_in_ms=10**9), scene.change(2)
    scene.log(later, other)
    scene.log(first)
    assert told(follower.poll()) == bans(later, other)
    assert told(follower.poll()) == []
