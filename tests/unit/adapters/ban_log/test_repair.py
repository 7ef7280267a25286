from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.canned import scan
from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems, Entry
from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
from f2b_worker.adapters.dynamodb.ban_log.repair import Repair
from f2b_worker.adapters.dynamodb.ban_log.scribe import EVERY_S, Scribe
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.dynamodb.states import PAUSES_S, States
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, Hit, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.enforcer.following import FOLLOW_S, Following
from f2b_worker.errors import AccessDenied, Missing, Rejected, Unavailable, Unreadable
from f2b_worker.testing import FakeClock
from tests.canned_dynamodb import TABLE, Caller, CannedTable, Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from f2b_worker.ports import Follower

EPOCH = "e1"
HOUR_MS = 3_600_000


class Scene:
    """A worker's ledger, a follower from the beginning, a scribe, and who repairs."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.aws = CannedTable()
        self.told: list[Unreadable] = []
        self.items = BanLogItems(Caller(self.aws).client, TABLE, self.clock)
        self.items.begin(EPOCH)
        self.ledger = DynamoLedger(Caller(self.aws).client, TABLE, self.clock, kept_ms=60 * 24 * HOUR_MS)
        reader = BanLogReader(self.items, self.clock, lag_max=None, aside=self.told.append)
        self.scribe = Scribe(self.items, reader, self.clock)
        self.early = self.follow()
        self.known: dict[OffenderId, Ban] = {}
        self.caller = Caller(self.aws)
        self.repair = self.another(self.caller)

    def another(self, caller: Caller) -> Repair:
        """Make who repairs."""
        items = BanLogItems(caller.client, TABLE, self.clock)
        return Repair(items, States(caller.client, TABLE, self.clock, aside=self.told.append), self.clock)

    def follow(self) -> Follower:
        return DynamoBanBook(Caller(self.aws).client, TABLE, self.clock, aside=self.told.append).follow()

    def ban(self, last: int, *, length_ms: int = HOUR_MS) -> OffenderId:
        """Judge and log, as a worker does."""
        who = OffenderId("login", f"203.0.113.{last}/32")
        now_ms = self.clock.now_ms()
        (seen,) = self.ledger.record({who: [Hit(now_ms, str(last))]}).values()
        ban = Ban(now_ms, now_ms + length_ms, 1, length_ms)
        (stored,) = self.ledger.commit({who: Decision(seen, ban)}).values()  # type: ignore[arg-type]
        assert self.ledger.publish({who: stored}) == {}  # type: ignore[dict-item]
        return who

    def poll(self) -> set[OffenderId]:
        """Tell whom who followed from the beginning knows."""
        for _ in range(2):
            changes = self.early.poll()
            self.known = {} if changes.is_all else self.known
            self.known |= {each.who: each.ban for each in changes.bans}
        return set(self.known)

    def new(self) -> dict[OffenderId, Ban]:
        """Tell what who begins to follow now knows."""
        return {each.who: each.ban for each in self.follow().poll().bans}

    def publish(self) -> None:
        self.scribe.tick()
        self.clock.advance(EVERY_S)
        self.scribe.tick()

    def item(self, pk: str, sk: str) -> dict[str, Any]:
        found = self.aws.table.get(pk, sk)
        assert found
        return dict(found[0])

    def write(self, pk: str, sk: str, /, **attributes: Any) -> None:
        key: Any = {"pk": {"S": pk}, "sk": {"S": sk}}
        self.aws.table.put(pk, sk, key | attributes, None)

    def parts(self) -> list[str]:
        snapshot = self.items.snapshot()
        assert snapshot
        return [name for part in snapshot.parts for name in part.names]

    def ledgers_client(self) -> Any:
        return self.ledger._client


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.ledger.close()


def lose_counter(scene: Scene) -> None:
    scene.aws.table.delete("log", "seq")


def garble_number(scene: Scene) -> None:
    scene.write("log", "seq", epoch={"S": EPOCH}, n={"S": "many"})


def garble_epoch(scene: Scene) -> None:
    scene.write("log", "seq", epoch={"M": {}}, n={"N": "5"})


def lose_pointer(scene: Scene) -> None:
    scene.aws.table.delete("log", "snapshot")


def garble_pointer(scene: Scene) -> None:
    scene.write("log", "snapshot", epoch={"S": EPOCH}, upto={"N": "5"}, parts={"S": "none"})


def lose_parts(scene: Scene) -> None:
    for name in scene.parts():
        scene.aws.table.delete(name, "part")


def garble_parts(scene: Scene) -> None:
    for name in scene.parts():
        scene.write(name, "part", c={"B": b"\x07"})


def garble_entry(scene: Scene) -> None:
    scene.write(f"log#{EPOCH}#3", "log", id={"S": "x"}, c={"B": b"\x01nothing"})


def lose_all(scene: Scene) -> None:
    for pk in [pk for pk in scene.aws.table.partitions if pk.startswith(("log", "part#"))]:
        del scene.aws.table.partitions[pk]


def restore(scene: Scene) -> None:
    """Let the log be what it was, while entries with those numbers are on their way."""
    scene.write("log", "seq", epoch={"S": EPOCH}, n={"N": "1"})
    lose_parts(scene)


def forget_entries(scene: Scene) -> None:
    """No scribe for weeks: what the log said has expired."""
    for number in range(1, 4):
        scene.aws.table.delete(f"log#{EPOCH}#{number}", "log")
    lose_pointer(scene)


DAMAGES: list[Callable[[Scene], None]] = [
    lambda _: None,
    lose_counter,
    garble_number,
    garble_epoch,
    lose_pointer,
    garble_pointer,
    lose_parts,
    garble_parts,
    garble_entry,
    lose_all,
    restore,
    forget_entries,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_was_lost_of_the_log_everybody_knows_all_bans_afterwards_and_learns_of_new_ones(
    scene: Scene, damage: Callable[[Scene], None]
) -> None:
    before = {scene.ban(1), scene.ban(2)}
    scene.publish()
    before.add(scene.ban(3))
    assert scene.poll() == before
    damage(scene)

    done = scene.repair.run()

    assert (done.bans, done.states, done.unreadable) == (3, 3, 0)
    assert scene.items.top().epoch == done.epoch
    assert not scene.repair.is_open
    assert set(scene.new()) == scene.poll() == before
    later = scene.ban(4)
    assert set(scene.new()) == scene.poll() == before | {later}
    scene.publish()
    scene.scribe.tick()
    assert set(scene.new()) == scene.poll() == before | {later}


def test_a_log_that_is_begun_anew_gives_its_own_numbers_and_none_of_the_one_before(scene: Scene) -> None:
    scene.ban(1)
    epoch = scene.repair.run().epoch
    scene.ban(2)

    assert list(scene.items.read(epoch, [1])) == [1]
    with pytest.raises(Exception, match=epoch):
        scene.items.reserve(EPOCH)


def test_bans_that_ended_long_ago_are_left_out_and_those_that_ended_just_now_are_not(scene: Scene) -> None:
    scene.ban(1, length_ms=1000)
    scene.clock.advance(KEPT_AFTER_END_MS / 1000)
    just = scene.ban(2, length_ms=1000)
    running = scene.ban(3)
    scene.clock.advance(2.0)

    done = scene.repair.run()

    assert (done.bans, done.states) == (2, 3)
    assert set(scene.new()) == {just, running}


def test_offenders_without_a_ban_and_whatever_else_the_table_holds_are_no_bans(scene: Scene) -> None:
    stranger = OffenderId("login", "203.0.113.9/32")
    scene.ledger.record({stranger: [Hit(scene.clock.now_ms(), "a")]})
    who = scene.ban(1)
    scene.write(f"ip#{who.key}", "h#login#000000000000001", start_ms={"N": "1"})
    scene.write("lease#scribe", "lease", version={"N": "1"})
    scene.write("enforcer#us-east-1", "s#urge", ban={"S": "?"})

    done = scene.repair.run()

    assert (done.bans, done.states, done.unreadable) == (1, 2, 0)
    assert set(scene.new()) == {who}


@pytest.mark.parametrize(
    "broken",
    [
        {"ban": {"S": "?"}},
        {"ban": {"M": {}}},
        {"rev": {"S": "?"}},
        {"rev": {"N": "0"}},
        {"rev": {"N": "1"}, "ban": None},
        {"rev": None},
    ],
)
def test_a_state_that_cannot_be_read_is_named_and_counted_and_nobody_lifts_its_ban(
    scene: Scene, broken: dict[str, Any]
) -> None:
    who, other = scene.ban(1), scene.ban(2)
    state = scene.item(f"ip#{who.key}", "s#login")
    changed = {name: value for name, value in (state | broken).items() if value is not None}
    scene.write(f"ip#{who.key}", "s#login", **changed)

    done = scene.repair.run()

    assert (done.bans, done.states, done.unreadable) == (1, 2, 1)
    assert [error.item for error in scene.told] == [f"ip#{who.key} s#login"]
    assert scene.new()[who] is UNREADABLE
    assert scene.new()[other] is not UNREADABLE


def test_a_ban_that_cannot_be_read_counts_again_once_it_can_and_is_logged_as_it_is(scene: Scene) -> None:
    who = scene.ban(1)
    state = scene.item(f"ip#{who.key}", "s#login")
    scene.write(f"ip#{who.key}", "s#login", **state | {"ban": {"S": "?"}})
    scene.repair.run()
    scene.poll()
    scene.write(f"ip#{who.key}", "s#login", **state)

    another = DynamoLedger(scene.ledgers_client(), TABLE, scene.clock, kept_ms=HOUR_MS)
    another.publish({who: another.offender(who)})
    another.close()

    scene.poll()
    assert scene.known[who] is not UNREADABLE
    assert scene.new()[who] is not UNREADABLE


def test_a_state_whose_key_does_not_say_whose_it_is_is_named_and_counted(scene: Scene) -> None:
    scene.write("ip#203.0.113.1/32", "s#", rev={"N": "1"})

    assert scene.repair.run().unreadable == 1
    assert [error.item for error in scene.told] == ["ip#203.0.113.1/32 s#"]


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
    assert all("f2b-worker repair" in each for each in said)
    assert set(roster.wanted["block"]) == {who.key, banned[0].key}
    assert not following.is_failing


def test_a_table_that_lost_its_snapshot_is_not_taken_for_one_without_bans(scene: Scene) -> None:
    scene.ban(1)
    lose_pointer(scene)

    with pytest.raises(Missing, match="f2b-worker repair, which makes it anew from the bans"):
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
