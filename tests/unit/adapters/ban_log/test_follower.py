"""Who follows the log is told everything at first, each offender once, and after that what is newer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.ban_log import follower as following
from f2b_worker.adapters.dynamodb.ban_log import reader as reading
from f2b_worker.adapters.dynamodb.ban_log.follower import BanLogFollower
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Change
from f2b_worker.errors import Throttled, Unavailable
from f2b_worker.ports import Changes, StandingBan
from tests.canned_dynamodb import TABLE, Fate
from tests.unit.adapters.ban_log.test_reader_and_scribe import EPOCH, TRIES, Scene


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
    scene.log(newest._replace(ban=replace(newest.ban, until_ms=newest.ban.start_ms + 1000), revision=6))
    assert told(follower.poll()) == bans(newest)


def test_a_ban_of_an_item_that_was_gone_is_told_though_its_revision_begins_anew(
    scene: Scene, follower: BanLogFollower
) -> None:
    scene.log(scene.change(1, 7))
    follower.poll()
    scene.clock.advance(1)
    another = scene.change(1, 1, ends_in_ms=10**9)
    scene.log(another)
    assert told(follower.poll()) == bans(another)
    assert told(BanLogFollower(scene.reader, scene.clock).poll()) == bans(another)


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


class TestWhatWasLoggedBeforeAPoll:
    def test_is_all_told_by_it_however_many_numbers_that_are(
        self, scene: Scene, follower: BanLogFollower, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "NUMBERS_MAX", 3)
        follower.poll()
        scene.items.reserve(EPOCH)  # a hole among them
        changes = [scene.change(last) for last in range(1, 12)]
        for each in changes:
            scene.log(each)

        news = follower.poll()

        assert told(news) == bans(*changes)
        assert news.is_complete

    def test_is_all_told_by_it_also_where_it_goes_on_from_a_snapshot(
        self, scene: Scene, follower: BanLogFollower
    ) -> None:
        scene.scribe.tick()
        scene.log(*(scene.change(last) for last in range(1, 200)))
        scene.publish()
        follower.poll()
        longer = [scene.change(1, revision, ends_in_ms=10**9 + revision) for revision in range(2, 10)]
        for each in longer[:-1]:
            scene.log(each)
        assert scene.publish().deltas
        scene.log(longer[-1])

        news = follower.poll()

        assert told(news) == bans(longer[-1])
        assert (news.is_all, news.is_complete) == (False, True)

    def test_is_told_by_the_next_poll_where_dynamodb_leaves_it_unread(
        self, scene: Scene, follower: BanLogFollower
    ) -> None:
        follower.poll()
        one = scene.change(1)
        scene.log(one)
        scene.caller.fare([Fate.DONE, *[Fate.UNREAD] * TRIES])

        news = follower.poll()

        assert (told(news), news.is_complete) == ([], False)
        news = follower.poll()
        assert (told(news), news.is_complete) == (bans(one), True)

    def test_is_told_by_the_next_poll_where_dynamodb_fails_in_the_midst_of_it(
        self, scene: Scene, follower: BanLogFollower, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "NUMBERS_MAX", 1)
        follower.poll()
        one, other = scene.change(1), scene.change(2)
        scene.log(one)
        scene.log(other)
        scene.caller.fare([Fate.DONE, Fate.DONE, Fate.UNHEARD])

        news = follower.poll()

        assert (told(news), news.is_complete) == (bans(one), False)
        news = follower.poll()
        assert (told(news), news.is_complete) == (bans(other), True)

    def test_is_told_by_and_by_where_it_is_a_long_backlog(
        self, scene: Scene, follower: BanLogFollower, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "NUMBERS_MAX", 2)
        monkeypatch.setattr(following, "ENTRIES_MAX", 3)
        follower.poll()
        changes = [scene.change(last) for last in range(1, 7)]
        for each in changes:
            scene.log(each)

        polls = [follower.poll() for _ in range(2)]

        assert [each.is_complete for each in polls] == [False, True]
        assert [each for poll in polls for each in told(poll)] == bans(*changes)

    def test_is_told_by_no_start_that_lacks_some_of_it(self, scene: Scene, follower: BanLogFollower) -> None:
        one = scene.change(1)
        scene.log(one)
        for fates in ([Fate.UNREAD] * TRIES, [Fate.UNHEARD]):
            scene.caller.fare([Fate.DONE, Fate.DONE, *fates])
            with pytest.raises((Throttled, Unavailable)):
                follower.poll()
        news = follower.poll()
        assert (told(news), news.is_all) == (bans(one), True)


def test_who_has_to_begin_anew_reads_each_part_once(scene: Scene, follower: BanLogFollower) -> None:
    scene.scribe.tick()
    follower.poll()
    for last in range(1, 10):
        scene.log(scene.change(last))
    scene.publish()
    read: list[str] = []

    def watch(operation: str, request: dict[str, Any]) -> None:
        if operation == "BatchGetItem":
            read.extend(key["pk"]["S"] for key in request["RequestItems"][TABLE]["Keys"])

    scene.aws.watch = watch

    assert follower.poll().is_all
    assert [name.partition("#")[0] for name in read] == ["part"]


def test_a_start_comes_to_its_end_while_others_log_on(scene: Scene, follower: BanLogFollower) -> None:
    one = scene.change(1)
    scene.log(one)
    later = (scene.change(1, revision) for revision in range(2, 100))
    scene.caller.fare((), lambda: scene.log(next(later)))

    changes = follower.poll()

    assert changes.is_all
    assert changes.is_complete
    assert [each.who for each in told(changes)] == [one.who]


def test_a_list_of_all_bans_is_refused_while_dynamodb_leaves_some_unread(scene: Scene) -> None:
    scene.log(scene.change(1))
    book = DynamoBanBook(scene.caller.client, TABLE, scene.clock)
    scene.caller.fare([Fate.UNREAD] * 10_000)
    with pytest.raises(Throttled, match="unread"):
        book.standing()
