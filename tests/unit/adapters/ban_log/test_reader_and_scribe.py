from __future__ import annotations

import pytest

from f2b_worker.adapters.dynamodb.ban_log import scribe as scribing
from f2b_worker.adapters.dynamodb.ban_log.items import PAUSES_S, BanLogItems, Entry
from f2b_worker.adapters.dynamodb.ban_log.packing import pack
from f2b_worker.adapters.dynamodb.ban_log.reader import HOLE_S, BanLogReader, Reading
from f2b_worker.adapters.dynamodb.ban_log.scribe import EVERY_S, Scribe
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part, Snapshot
from f2b_worker.adapters.dynamodb.ban_log.writer import BanLogWriter
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Bans, Change
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.errors import Throttled, Unavailable, Unreadable
from f2b_worker.testing import FakeClock
from tests.canned_dynamodb import TABLE, Caller, CannedTable, Fate

EPOCH = "e1"
TRIES = len(PAUSES_S) + 1
DAY_S = 86_400.0
YEAR_MS = 365 * 86_400_000


class Scene:
    """A writer, a reader and a scribe of one log."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.aws = CannedTable()
        self.told: list[Unreadable] = []
        self.items = BanLogItems(Caller(self.aws).client, TABLE, self.clock)
        self.items.begin(EPOCH)
        self.writer = BanLogWriter(self.items, self.clock)
        self.caller = Caller(self.aws)
        self.reader = self.reader_of(self.caller)
        self.scribe = Scribe(self.items, self.reader_of(Caller(self.aws), lag_max=None), self.clock)

    def reader_of(self, caller: Caller, *, lag_max: int | None = 5, is_strong: bool = True) -> BanLogReader:
        items = BanLogItems(caller.client, TABLE, self.clock, is_strong=is_strong)
        return BanLogReader(items, self.clock, lag_max=lag_max, aside=self.told.append)

    def change(self, last: int, revision: int = 1, *, ends_in_ms: int = YEAR_MS) -> Change:
        now_ms = self.clock.now_ms()
        return Change(
            OffenderId("login", f"203.0.113.{last}/32"), Ban(now_ms, now_ms + ends_in_ms, 1, 1000), revision
        )

    def log(self, *changes: Change) -> None:
        assert self.writer.append(changes, read_s=self.clock.monotonic_s())

    def publish(self) -> Snapshot:
        """Let the scribe see what is new, and let the time come for a snapshot."""
        self.scribe.tick()
        self.clock.advance(EVERY_S)
        self.scribe.tick()
        snapshot = self.items.snapshot()
        assert snapshot
        return snapshot

    def known(self, reading: Reading) -> dict[OffenderId, Change]:
        bans = Bans()
        bans.take_in(reading.changes())
        return bans.newest


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_scribe_tells_what_it_has_learned_and_knows_all(scene: Scene) -> None:
    one, other = scene.change(1), scene.change(2)
    scene.log(one)
    assert scene.scribe.tick().is_all
    told = scene.scribe.tick()
    assert (told.is_all, [each.who for each in told.bans]) == (False, [one.who])
    scene.log(other, scene.change(1, 2))
    assert {each.who for each in scene.scribe.tick().bans} == {one.who, other.who}
    assert list(scene.scribe.tick().bans) == []
    assert {each.who for each in scene.scribe.standing()} == {one.who, other.who}


def test_who_starts_reads_the_snapshot_and_then_what_came_since(scene: Scene) -> None:
    one, other, third = scene.change(1), scene.change(2), scene.change(3)
    scene.scribe.tick()
    scene.log(one)
    scene.log(other)
    scene.publish()
    scene.log(third)

    started = scene.reader.start()
    followed = scene.reader.follow(started.cursor)

    assert started.is_anew
    assert scene.known(started) == {one.who: one, other.who: other}
    assert scene.known(followed) == {third.who: third}


def test_an_idle_follower_costs_one_read_of_the_counter(scene: Scene) -> None:
    cursor = scene.reader.follow(scene.reader.start().cursor).cursor
    before = scene.aws.dynamodb.tally.read_units

    scene.reader.follow(cursor)

    assert scene.aws.dynamodb.tally.read_units - before == 1


def test_an_entry_above_a_hole_is_known_at_once(scene: Scene) -> None:
    cursor = scene.reader.start().cursor
    scene.items.reserve(EPOCH)
    scene.log(scene.change(1))

    reading = scene.reader.follow(cursor)

    assert list(reading.entries) == [2]
    assert reading.cursor.number == 0


def test_a_hole_is_filled_when_it_has_been_one_for_long(scene: Scene) -> None:
    scene.scribe.tick()
    scene.items.reserve(EPOCH)
    scene.scribe.tick()
    scene.clock.advance(HOLE_S - 0.1)
    scene.scribe.tick()
    assert scene.items.read(EPOCH, [1]) == {}

    scene.clock.advance(0.1)
    scene.scribe.tick()

    assert scene.items.read(EPOCH, [1]) == {1: Entry()}
    assert scene.reader.follow(scene.reader.start().cursor).cursor.number == 1


def test_who_is_far_behind_reads_the_deltas_and_keeps_what_it_knows(scene: Scene) -> None:
    scene.scribe.tick()
    for last in range(1, 20):
        scene.log(scene.change(last))
    scene.publish()
    cursor = scene.reader.follow(scene.reader.start().cursor).cursor
    new = [scene.change(1, revision) for revision in range(2, 9)]
    for change in new:
        scene.log(change)
    snapshot = scene.publish()

    reading = scene.reader.follow(cursor)

    assert len(snapshot.deltas) == 1
    assert not reading.is_anew
    assert scene.known(reading) == {new[-1].who: new[-1]}
    assert reading.cursor.number == snapshot.upto


def test_who_is_behind_the_base_begins_with_nothing(scene: Scene) -> None:
    scene.scribe.tick()
    cursor = scene.reader.start().cursor
    for last in range(1, 10):
        scene.log(scene.change(last))
    scene.publish()

    assert scene.reader.follow(cursor).is_anew


def test_an_eventually_consistent_counter_that_is_behind_takes_nobody_back(scene: Scene) -> None:
    reader = scene.reader_of(Caller(scene.aws), is_strong=False)
    scene.aws.remember()
    scene.log(scene.change(1))
    cursor = scene.reader.follow(scene.reader.start().cursor).cursor

    reading = reader.follow(cursor)

    assert not reading.is_anew
    assert reading.cursor.number == 1


def begin_anew(scene: Scene) -> None:
    """Let another log take the place of the one that is there, with a snapshot of nothing."""
    pointer = scene.items.pointer()
    scene.items.begin_anew("e2")
    assert scene.items.replace_pointer(Snapshot("e2", 0, (Part("e2", 0, 0, 0, 0, 0),), 0), pointer)


def test_a_stale_answer_of_the_counter_right_after_a_repair_is_no_repair_that_goes_on(scene: Scene) -> None:
    reader = scene.reader_of(Caller(scene.aws), is_strong=False)
    scene.aws.remember()
    begin_anew(scene)

    started = reader.start()
    followed = reader.follow(started.cursor)

    assert started.cursor.epoch == followed.cursor.epoch == "e2"
    assert not followed.is_anew


def test_a_repair_between_the_reading_of_counter_and_pointer_is_no_repair_that_goes_on(scene: Scene) -> None:
    steps = [lambda: None, lambda: begin_anew(scene)]
    scene.caller.fare((), lambda: steps.pop(0)() if steps else None)

    assert scene.reader.start().cursor.epoch == "e2"


def test_deltas_are_made_one_when_they_are_many(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribing, "DELTAS_MAX", 2)
    scene.scribe.tick()
    scene.log(*(scene.change(last) for last in range(1, 200)))
    scene.publish()
    for revision in range(2, 5):
        scene.log(scene.change(1, revision))
        snapshot = scene.publish()

    assert len(snapshot.parts) == 2
    assert snapshot.deltas[0].after == snapshot.base.upto
    assert scene.known(scene.reader.start())[scene.change(1).who].revision == 4


def test_a_base_is_made_anew_when_the_deltas_are_half_as_large_and_forgets_what_ended_long_ago(
    scene: Scene,
) -> None:
    scene.scribe.tick()
    scene.log(scene.change(1, ends_in_ms=1000))
    first = scene.publish()
    scene.clock.advance(KEPT_AFTER_END_MS / 1000)
    scene.log(scene.change(2))
    second = scene.publish()
    scene.log(scene.change(3))
    third = scene.publish()

    assert (len(first.parts), len(second.parts), len(third.parts)) == (1, 2, 1)
    assert [who.key for who in scene.known(scene.reader.start())] == ["203.0.113.2/32", "203.0.113.3/32"]


def test_a_base_is_written_anew_each_day_though_nothing_changes(scene: Scene) -> None:
    scene.scribe.tick()
    scene.log(scene.change(1))
    first = scene.publish()
    scene.clock.advance(DAY_S)

    scene.scribe.tick()

    second = scene.items.snapshot()
    assert second
    assert second.upto == first.upto
    assert second.base.id != first.base.id


def test_of_two_scribes_the_slower_one_goes_on_from_the_others_snapshot(scene: Scene) -> None:
    other = Scribe(scene.items, scene.reader_of(Caller(scene.aws), lag_max=None), scene.clock)
    for each in (scene.scribe, other):
        each.tick()
    scene.log(scene.change(1))
    published = scene.publish()
    for _ in range(3):
        other.tick()

    assert scene.items.snapshot() == published
    scene.log(scene.change(2))
    scene.clock.advance(EVERY_S)
    for _ in range(2):
        other.tick()
    snapshot = scene.items.snapshot()
    assert snapshot
    assert snapshot.upto == 2


def test_an_entry_and_a_part_that_cannot_be_read_are_named_and_skipped(scene: Scene) -> None:
    scene.scribe.tick()
    scene.items.put(EPOCH, scene.items.reserve(EPOCH), Entry("broken", b"\x01nothing"))
    scene.log(scene.change(1))
    snapshot = scene.publish()
    assert [error.item for error in scene.told] == [f"log#{EPOCH}#1 log"]

    scene.items.put_part(snapshot.base.id, 0, b"\x02")
    started = scene.reader.start()

    assert scene.known(started) == {}
    assert scene.told[-1].item == f"part#{snapshot.base.id}#0 part"
    assert "f2b repair" in str(scene.told[-1])


def test_a_snapshot_of_which_a_part_is_gone_is_no_start(scene: Scene) -> None:
    scene.scribe.tick()
    scene.log(scene.change(1))
    snapshot = scene.publish()
    scene.aws.table.delete(f"part#{snapshot.base.id}#0", "part")

    with pytest.raises(Unavailable, match="each snapshot was gone"):
        scene.reader.start()


def test_a_snapshot_of_which_a_part_stays_unread_is_not_taken_for_one_that_is_gone(scene: Scene) -> None:
    scene.scribe.tick()
    one = scene.change(1)
    scene.log(one)
    scene.publish()
    scene.caller.fare([Fate.UNREAD] * (2 + TRIES))

    with pytest.raises(Throttled, match="leaves 1 items of the snapshot unread"):
        scene.reader.start()

    scene.caller.fare([Fate.DONE, Fate.DONE, *[Fate.UNREAD] * (TRIES - 1)])
    assert scene.known(scene.reader.start()) == {one.who: one}


def test_a_log_begun_anew_without_a_snapshot_of_it_keeps_followers_where_they_are(scene: Scene) -> None:
    scene.scribe.tick()
    scene.log(scene.change(1))
    scene.publish()
    cursor = scene.reader.start().cursor
    counter = {"pk": {"S": "log"}, "sk": {"S": "seq"}, "n": {"N": "1"}, "epoch": {"S": "e2"}}
    scene.aws.table.put("log", "seq", counter, None)

    with pytest.raises(Unavailable, match="is being repaired"):
        scene.reader.follow(cursor)


def test_keys_that_dynamodb_leaves_unread_are_read_next(scene: Scene) -> None:
    cursor = scene.reader.start().cursor
    for last in range(1, 5):
        scene.log(scene.change(last))
    scene.caller.fare([Fate.DONE, Fate.HALF])

    reading = scene.reader.follow(cursor)

    assert list(reading.entries) == [1, 2, 3, 4]
    assert not reading.unread


def test_keys_that_dynamodb_leaves_unread_again_and_again_are_no_holes(scene: Scene) -> None:
    cursor = scene.reader.start().cursor
    for last in range(1, 5):
        scene.log(scene.change(last))
    scene.items.reserve(EPOCH)
    scene.caller.fare([Fate.DONE, Fate.HALF, *[Fate.UNREAD] * TRIES])

    reading = scene.reader.follow(cursor)

    assert list(reading.entries) == [1, 2, 3]
    assert reading.unread == {4, 5}
    assert not reading.cursor.missing_since_s
    assert not scene.reader.follow(reading.cursor).unread


def test_looks_reach_every_follower(scene: Scene) -> None:
    cursor = scene.reader.start().cursor
    scene.items.put(EPOCH, scene.items.reserve(EPOCH), Entry("act", pack([], ["allow"])))

    assert scene.reader.follow(cursor).looks == {"allow"}
