from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.canned import scan
from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.ban_log.items import Entry
from f2b_worker.adapters.dynamodb.ban_log.scribe import EVERY_S
from f2b_worker.adapters.dynamodb.states import PAUSES_S
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.enforcer.following import FOLLOW_S, Following
from f2b_worker.errors import AccessDenied, Missing, Rejected, Unavailable, Unreadable
from tests.canned_dynamodb import TABLE, Caller, Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from f2b_worker.domain.judge.verdicts import OffenderId


from tests.unit.adapters.ban_log.repair_scene import (
    EPOCH,
    Scene,
    garble_pointer,
    lose_all,
    lose_counter,
    lose_pointer,
)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.ledger.close()


@pytest.mark.parametrize("damage", [lambda _: None, lose_counter, lose_pointer, garble_pointer, lose_all])
def test_meanwhile_enforcers_keep_what_they_know_and_say_so_and_workers_store_and_log(
    scene: Scene, damage: Callable[[Scene], None]
) -> None:
    who = scene.ban(1)
    scene.publish()
    roster = Roster(["block"], Networks())
    book = DynamoBanBook(Caller(scene.aws).client, TABLE, scene.clock)
    following = Following(book.follow(), roster, clock=scene.clock, aside=lambda work: work())
    following.follow(0.0, is_waiting=False)
    damage(scene)
    banned: list[OffenderId] = []
    said: list[str] = []

    def meanwhile() -> None:
        if not scene.repair.is_open:
            return
        if not banned:
            banned.append(scene.ban(2))
        scene.clock.advance(FOLLOW_S)
        try:
            following.follow(0.0, is_waiting=False)
        except (Unavailable, Missing, Unreadable) as error:
            said.append(str(error))
        assert set(roster.wanted["block"]) == {who.key}

    scene.caller.fare(before=meanwhile)
    scene.repair.run()
    scene.caller.fare()
    scene.clock.advance(FOLLOW_S)
    following.follow(0.0, is_waiting=False)

    assert said
    assert all("f2b repair" in each for each in said)
    assert set(roster.wanted["block"]) == {who.key, banned[0].key}
    assert not following.is_failing


def test_a_table_that_lost_its_snapshot_is_not_taken_for_one_without_bans(scene: Scene) -> None:
    scene.ban(1)
    lose_pointer(scene)

    with pytest.raises(Missing, match="f2b repair, which makes it anew from the bans"):
        scene.new()


def test_of_two_repairs_the_one_that_began_later_does_the_work(scene: Scene) -> None:
    who = scene.ban(1)
    other = scene.another(Caller(scene.aws))
    epochs: list[str] = []

    def meanwhile() -> None:
        if scene.repair.is_open and not epochs:
            epochs.append("")
            epochs[0] = other.run().epoch

    scene.caller.fare(before=meanwhile)
    with pytest.raises(Rejected, match="another repair began after this one, and does the work"):
        scene.repair.run()

    assert not scene.repair.is_open
    snapshot = scene.items.snapshot()
    assert snapshot
    assert snapshot.epoch == scene.items.top().epoch == epochs[0]
    assert scene.poll() == set(scene.new()) == {who}


def test_a_repair_that_slept_before_its_last_step_changes_nothing_of_what_a_later_one_made(scene: Scene) -> None:
    scene.ban(1)
    other = scene.another(Caller(scene.aws))
    seen: list[str] = []
    done: list[str] = []

    def note(operation: str, request: dict[str, Any]) -> None:
        seen.append(operation if operation == "Scan" else request.get("Key", {}).get("sk", {}).get("S", ""))

    def sleep() -> None:
        if scene.repair.is_open and seen.count("Scan") > 1 and seen[-1] == "seq" and not done:
            done.append("")
            done[0] = other.run().epoch

    scene.aws.watch = note
    scene.caller.fare(before=sleep)
    with pytest.raises(Rejected, match="another repair began after this one"):
        scene.repair.run()

    snapshot = scene.items.snapshot()
    assert snapshot
    assert snapshot.epoch == done[0]


def test_of_two_repairs_that_begin_at_the_same_moment_one_is_refused(scene: Scene) -> None:
    scene.ban(1)
    other = scene.another(Caller(scene.aws))
    begun: list[bool] = []

    def meanwhile() -> None:
        begun.append(True)
        if len(begun) == 5:  # between the look at the counter and its change
            other.run()

    scene.caller.fare(before=meanwhile)
    with pytest.raises(Rejected, match="another repair began at the same moment"):
        scene.repair.run()

    assert not scene.repair.is_open
    assert len(scene.new()) == 1


def test_a_scribe_of_the_log_before_that_publishes_late_does_no_harm(scene: Scene) -> None:
    who = scene.ban(1)
    scene.scribe.tick()
    scene.clock.advance(EVERY_S)
    snapshot = scene.items.snapshot()
    assert snapshot
    published: list[bool] = []

    def meanwhile() -> None:
        if scene.repair.is_open and len(published) < 3:
            newer = [scene.items.snapshot(), scene.items.snapshot()]
            assert newer[0]
            late = type(newer[0])(EPOCH, newer[0].upto + 1, newer[0].parts, 1)
            published.append(scene.items.point(late, newer[0]))

    scene.caller.fare(before=meanwhile)
    epoch = scene.repair.run().epoch

    assert published == [True] * 3
    after = scene.items.snapshot()
    assert after
    assert after.epoch == epoch
    assert not scene.items.point(type(after)(EPOCH, 9, after.parts, 1), snapshot)
    assert set(scene.new()) == {who}


def test_a_number_of_the_log_before_that_nobody_has_used_yet_is_of_no_use_any_more(scene: Scene) -> None:
    scene.ban(1)
    late = scene.items.reserve(EPOCH)

    scene.repair.run()

    assert scene.items.put(EPOCH, late, Entry("act", b"")) == ""


def test_nothing_is_changed_where_something_is_not_allowed(scene: Scene) -> None:
    who = scene.ban(1)
    for number in range(3):
        calls: list[int] = []

        def refuse(calls: list[int] = calls, number: int = number) -> None:
            calls.append(1)
            if len(calls) > number:
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Scan")

        scene.caller.fare(before=refuse)
        with pytest.raises(AccessDenied):
            scene.repair.run()

    assert not scene.repair.is_open
    assert scene.items.top().epoch == EPOCH
    assert set(scene.new()) == {who}


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNHEARD, Fate.THROTTLED, Fate.LATE])
@pytest.mark.parametrize("number", range(3, 25))
def test_an_answer_that_is_lost_costs_a_pause(scene: Scene, fate: Fate, number: int) -> None:
    who = scene.ban(1)
    scene.items.reserve(EPOCH)
    scene.caller.fare([Fate.DONE] * number + [fate])

    done = scene.repair.run()
    scene.aws.land()

    assert done.bans == 1
    assert scene.items.top().epoch == done.epoch
    assert set(scene.new()) == scene.poll() == {who}


def test_a_table_that_does_not_answer_is_an_error_that_says_that_the_repair_is_open(scene: Scene) -> None:
    scene.ban(1)

    def fail() -> None:
        if scene.repair.is_open:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "away"}}, "Scan")

    scene.caller.fare(before=fail)
    with pytest.raises(Unavailable, match="away"):
        scene.repair.run()

    assert scene.repair.is_open
    assert scene.clock.monotonic_s() >= sum(PAUSES_S)
    scene.caller.fare()
    assert scene.another(scene.caller).run().bans == 1
    assert len(scene.new()) == 1


def test_a_large_table_is_read_page_by_page_in_segments_and_each_state_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "PAGE_BYTES", 2000)
    banned = {scene.ban(last) for last in range(1, 200)}
    told: list[int] = []

    done = scene.repair.run(told.append)

    assert (done.bans, done.states) == (199, 199)
    assert len(told) > 20
    assert sum(told) == sum(map(len, scene.aws.table.partitions.values())) - len(scene.parts())
    assert set(scene.new()) == banned
