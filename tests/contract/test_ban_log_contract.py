"""The ban log does on a real emulator what it does on the canned DynamoDB, on which the rest is tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.ban_log.counter import EpochChanged, Top
from f2b_worker.adapters.dynamodb.ban_log.items import READ_MAX, BanLogItems, Entry
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part, Snapshot
from f2b_worker.adapters.dynamodb.items import ban_item, history_key, state_key
from f2b_worker.adapters.dynamodb.states import States
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.errors import Missing, Rejected
from tests.canned_dynamodb import Caller, CannedTable
from tests.contract.ledgers import TABLE

if TYPE_CHECKING:
    from f2b_worker.testing import FakeClock

EPOCH = "e1"
ENTRY = Entry("w7", b"\x01changes")


@pytest.fixture(params=["canned", "emulated"])
def items(request: pytest.FixtureRequest, clock: FakeClock) -> BanLogItems:
    client = Caller(CannedTable()).client if request.param == "canned" else request.getfixturevalue("dynamodb")
    return BanLogItems(client, TABLE, clock)


@pytest.fixture
def begun(items: BanLogItems) -> BanLogItems:
    items.begin(EPOCH)
    return items


def test_a_table_without_a_counter_says_so(items: BanLogItems) -> None:
    items._client.delete_item(TableName=TABLE, Key={"pk": {"S": "log"}, "sk": {"S": "seq"}})
    with pytest.raises(Missing, match="the counter of the ban log"):
        items.top()
    with pytest.raises(Missing, match="the counter of the ban log"):
        items.reserve(EPOCH)


def test_numbers_are_given_away_once_and_in_order(begun: BanLogItems) -> None:
    assert [begun.reserve(EPOCH) for _ in range(3)] == [1, 2, 3]
    assert begun.top() == Top(EPOCH, 3)


def test_a_log_is_not_begun_twice(begun: BanLogItems) -> None:
    begun.reserve(EPOCH)

    begun.begin("e2")

    assert begun.top() == Top(EPOCH, 1)


def test_a_number_of_another_epoch_is_refused_and_the_epoch_named(begun: BanLogItems) -> None:
    with pytest.raises(EpochChanged) as refused:
        begun.reserve("e0")
    assert refused.value.epoch == EPOCH


def test_an_entry_is_written_once_and_who_comes_later_hears_whose_it_is(begun: BanLogItems) -> None:
    assert begun.put(EPOCH, 1, ENTRY) is None
    assert begun.put(EPOCH, 1, Entry("w8", b"")) == "w7"
    assert begun.put(EPOCH, 1, Entry()) == "w7"
    assert begun.put(EPOCH, 2, Entry()) is None
    assert begun.put(EPOCH, 2, ENTRY) == ""

    assert begun.read(EPOCH, [1, 2, 3]) == {1: ENTRY, 2: Entry()}


def test_more_numbers_than_one_call_takes_are_read(begun: BanLogItems) -> None:
    for place in range(1, READ_MAX + 3):
        begun.put(EPOCH, place, Entry(f"w{place}", b"\x01"))

    assert len(begun.read(EPOCH, range(1, READ_MAX + 3))) == READ_MAX + 2


def part(part_id: str, after: int, upto: int, items: int = 1) -> Part:
    return Part(part_id, items, after, upto, bytes=10, made_ms=1)


def test_a_snapshot_is_published_once_from_the_one_it_builds_on(begun: BanLogItems) -> None:
    first = Snapshot(EPOCH, 5, (part("a", 0, 5),), bans=3)
    second = Snapshot(EPOCH, 9, (*first.parts, part("b", 5, 9)), bans=4)
    nothing = begun.snapshot()
    assert nothing
    assert (nothing.epoch, nothing.upto, nothing.base.names) == (EPOCH, 0, []), "a table begins with no ban"

    assert begun.point(first, nothing)
    assert begun.point(first, nothing), "a lost answer was a yes"
    assert not begun.point(Snapshot(EPOCH, 6, (part("c", 0, 6),), bans=3), nothing)
    assert begun.point(second, first)
    assert not begun.point(Snapshot(EPOCH, 7, (part("d", 0, 7),), bans=3), first)

    assert begun.snapshot() == second


def test_parts_are_read_by_name_and_one_that_has_gone_is_left_out(begun: BanLogItems) -> None:
    begun.put_part("a", 0, b"one")
    begun.put_part("a", 1, b"two")

    found = begun.read_parts([part("a", 0, 5, items=2), part("b", 5, 9)])

    assert found == {"part#a#0": b"one", "part#a#1": b"two"}


def test_a_log_without_a_counter_is_not_begun_where_there_is_a_snapshot(begun: BanLogItems) -> None:
    begun._client.delete_item(TableName=TABLE, Key={"pk": {"S": "log"}, "sk": {"S": "seq"}})

    with pytest.raises(Missing, match="if the table has bans, with f2b repair"):
        begun.begin("e2")

    snapshot = begun.snapshot()
    assert snapshot
    assert snapshot.epoch == EPOCH


@pytest.mark.parametrize(
    ("counter", "ended"),
    [
        ({"epoch": {"S": "e1"}, "n": {"N": "7"}}, Top("e1", 7)),
        ({"epoch": {"S": "e1"}}, None),
        ({"epoch": {"L": []}, "n": {"S": "many"}}, None),
        ({"n": {"N": "7"}}, None),
        (None, None),
    ],
)
def test_a_log_is_begun_anew_over_whatever_its_counter_holds(
    begun: BanLogItems, counter: dict[str, Any] | None, ended: Top | None
) -> None:
    key: Any = {"pk": {"S": "log"}, "sk": {"S": "seq"}}
    if counter is None:
        begun._client.delete_item(TableName=TABLE, Key=key)
    else:
        begun._client.put_item(TableName=TABLE, Item=key | counter)

    assert begun.begin_anew("e2") == ended
    assert begun.reserve("e2") == 1
    assert begun.begin_anew("e2") == ended, "a lost answer was a yes"
    assert begun.top() == Top("e2", 1)
    with pytest.raises(EpochChanged):
        begun.reserve("e1")


def test_of_two_who_begin_the_log_anew_at_once_one_is_refused(begun: BanLogItems) -> None:
    seen = begun._counter(strongly=True)["epoch"]
    begun.begin_anew("e2")

    with pytest.raises(EpochChanged):
        begun._replace_counter("e3", seen)

    assert begun.top() == Top("e2", 0)


@pytest.mark.parametrize(
    "there", [None, {}, {"epoch": {"S": "e1"}, "upto": {"S": "?"}}, {"epoch": {"NULL": True}, "parts": {"L": []}}]
)
def test_the_first_snapshot_of_an_epoch_replaces_any_pointer_but_one_that_came_meanwhile(
    begun: BanLogItems, there: dict[str, Any] | None
) -> None:
    key: Any = {"pk": {"S": "log"}, "sk": {"S": "snapshot"}}
    if there is not None:
        begun._client.put_item(TableName=TABLE, Item=key | there)
    seen = begun.pointer()
    first = Snapshot("e2", 0, (part("a", 0, 0),), bans=3)

    assert begun.replace_pointer(first, seen)
    assert begun.replace_pointer(first, seen), "a lost answer was a yes"
    assert not begun.replace_pointer(Snapshot("e3", 0, (part("b", 0, 0),), bans=3), seen)
    assert begun.snapshot() == first
    begun._client.delete_item(TableName=TABLE, Key=key)
    assert begun.replace_pointer(first, begun.pointer())


@pytest.mark.parametrize("n", [{"S": "many"}, {"NULL": True}])
def test_a_counter_that_cannot_be_read_says_so(begun: BanLogItems, n: dict[str, Any]) -> None:
    key: Any = {"pk": {"S": "log"}, "sk": {"S": "seq"}}
    begun._client.put_item(TableName=TABLE, Item=key | {"n": n, "epoch": {"S": EPOCH}})

    for ask in (begun.top, lambda: begun.reserve(EPOCH)):
        with pytest.raises(Rejected, match=r"the counter of the ban log .* cannot be read; run f2b repair"):
            ask()


def test_all_states_are_read_and_nothing_else(begun: BanLogItems, clock: FakeClock) -> None:
    client = begun._client
    running, ended = Ban(0, clock.now_ms(), 1, 1000), Ban(0, 1000, 1, 1000)
    banned = {OffenderId("login", f"203.0.113.{last}/32"): running for last in range(1, 60)}
    long_ago = OffenderId("login", "198.51.100.1/32")
    for who, ban in [*banned.items(), (long_ago, ended)]:
        item = state_key(who) | {"ban": {"M": ban_item(ban)}, "rev": {"N": "3"}, "hits": {"SS": ["1:a"]}}
        client.put_item(TableName=TABLE, Item=item)
    client.put_item(TableName=TABLE, Item=history_key(long_ago, ended) | ban_item(ended))
    client.put_item(TableName=TABLE, Item=state_key(OffenderId("b", "198.51.100.2/32")) | {"v": {"N": "1"}})
    told: list[int] = []

    states = States(client, TABLE, clock)
    states.look()
    found = states.read(clock.now_ms(), told.append)

    assert (found.states, found.unreadable) == (61, 0)
    assert sorted(found.changes) == sorted(Change(who, ban, 3) for who, ban in banned.items())
    assert sum(told) == 64, "the log's counter and snapshot, and a ban of the history"


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"id": {"S": "w7"}},
        {"id": {"S": "w7"}, "c": {"S": "text"}},
        {"id": {"N": "7"}, "c": {"B": b"x"}},
        {"c": {"B": b"x"}},
        {"void": {"BOOL": True}, "c": {"B": b"x"}},
    ],
)
def test_an_entry_that_is_broken_is_taken_for_no_void(begun: BanLogItems, broken: dict[str, Any]) -> None:
    key = {"pk": {"S": f"log#{EPOCH}#1"}, "sk": {"S": "log"}}
    begun._client.put_item(TableName=TABLE, Item=key | broken)
    (entry,) = begun.read(EPOCH, [1]).values()
    assert entry.id, "its content is read, or it is named as broken"
    assert entry.content == broken.get("c", {}).get("B", b"")
