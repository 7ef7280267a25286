"""What stands in a table of format 2 is read for ever, and docs/table.md shows it as it is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.repair import Repair
from f2b_worker.adapters.dynamodb.schema import KNOWN, DynamoSchema
from f2b_worker.adapters.dynamodb.states import States
from f2b_worker.adapters.dynamodb.tally import DynamoTally
from f2b_worker.adapters.dynamodb.zipped import unzipped
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.control import Control, Pause
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.domain.judge.verdicts import BY_HAND, Ban, Hit, Offender
from f2b_worker.domain.schema import Schema
from f2b_worker.domain.tally import Noted
from f2b_worker.ports import Notes, StandingBan
from f2b_worker.testing import FakeClock
from tests.contract.golden_table import (
    ANN,
    BEGIN_MS,
    BY_HAND_WHO,
    ENFORCES,
    EPOCH,
    FILE,
    HOUR_MS,
    IP_SET,
    LIFTED,
    LOGIN,
    MANY,
    NETWORK,
    REPEATER,
    TABLE,
    TRIED,
    WAITING,
    Fleet,
    as_items,
    as_text,
    bans_counted,
    infractions_counted,
    items_of,
    sets_noted,
    write_golden_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import Changes

PAGE = Path(__file__).parents[2] / "docs" / "table.md"
END_MS = BEGIN_MS + 1_627_000
"""A moment after the last item was written."""

FIRST_BAN = Ban(
    start_ms=BEGIN_MS + 1000,
    until_ms=BEGIN_MS + 721_000,
    count=1,
    length_ms=600_000,
    extended=2,
    evidence=(Hit(BEGIN_MS, "q01/0"), Hit(BEGIN_MS + 1000, "q02/0", 2)),
)
SECOND_BAN = Ban(
    start_ms=BEGIN_MS + 1_000_000,
    until_ms=BEGIN_MS + 2_320_000,
    count=2,
    length_ms=1_200_000,
    extended=1,
    evidence=(
        Hit(BEGIN_MS + 998_000, "q08/0"),
        Hit(BEGIN_MS + 999_000, "q09/0"),
        Hit(BEGIN_MS + 1_000_000, "q10/0"),
    ),
)
FOR_EVER = Ban(BEGIN_MS + 94_000, FOREVER_MS, 1, FOREVER_MS, blocklists=("block", "strict"))
OBSERVED = Ban(BEGIN_MS + 96_000, BEGIN_MS + 696_000, 1, 600_000, observed=True)
OF_MANY = Ban(BEGIN_MS + 1_606_000, BEGIN_MS + 2_206_000, 1, 600_000)
BANNED_BY_HAND = Ban(BEGIN_MS + 1_623_000, BEGIN_MS + 1_623_000 + 30 * DAY_MS, 1, 30 * DAY_MS, origin=BY_HAND)
OFFENDERS = {
    REPEATER: Offender(ban=replace(SECOND_BAN, evidence=()), revision=4),
    NETWORK: Offender(ban=FOR_EVER, revision=1),
    TRIED: Offender(ban=OBSERVED, revision=1),
    WAITING: Offender(hits=frozenset({Hit(BEGIN_MS + 1_001_000, "q11/0")})),
    **dict.fromkeys(MANY, Offender(ban=OF_MANY, revision=1)),
    LIFTED: Offender(
        hits=frozenset({Hit(BEGIN_MS + 1_608_000, "q28/0")}),
        ban=replace(OF_MANY, until_ms=BEGIN_MS + 1_606_999),
        revision=2,
        lifted_ms=BEGIN_MS + 1_607_000,
    ),
    BY_HAND_WHO: Offender(ban=BANNED_BY_HAND, revision=1),
}
BANS = {who: offender.ban for who, offender in OFFENDERS.items() if offender.ban and offender.ban != OBSERVED}
"""The observed one ended more than 15 minutes ago: who follows the log need not know it any more."""


@pytest.fixture
def golden() -> list[dict[str, Any]]:
    return as_items(FILE.read_text("utf-8"))


@pytest.fixture
def table(dynamodb: DynamoDBClient, golden: list[dict[str, Any]]) -> DynamoDBClient:
    """A client of a table that holds the golden items, and nothing else."""
    for item in golden:
        dynamodb.put_item(TableName=TABLE, Item=item)
    return dynamodb


@pytest.fixture
def fleet(table: DynamoDBClient) -> Iterator[Fleet]:
    """Whoever comes to the golden table."""
    fleet = Fleet(table, FakeClock(END_MS))
    yield fleet
    fleet.ledger.close()


def bans_of(changes: Changes) -> dict[OffenderId, Ban]:
    return {each.who: each.ban for each in changes.bans}


def test_every_kind_of_item_is_written_as_the_golden_table_has_it(
    dynamodb: DynamoDBClient, golden: list[dict[str, Any]]
) -> None:
    write_golden_table(dynamodb)

    assert readable(as_items(as_text(items_of(dynamodb)))) == readable(golden)


def test_the_golden_table_has_the_format_that_is_written_now(table: DynamoDBClient) -> None:
    assert DynamoSchema(table, TABLE).read() == KNOWN.written == Schema(version=2, readable_from=2)


def test_whoever_starts_knows_all_bans_from_snapshot_and_log(fleet: Fleet) -> None:
    changes = fleet.ledger.follow().poll()

    assert changes.is_all
    assert bans_of(changes) == BANS


def test_whoever_follows_goes_on_after_the_golden_log(fleet: Fleet) -> None:
    follower = fleet.ledger.follow()
    follower.poll()

    for _ in range(3):
        fleet.report(LOGIN, WAITING)

    assert bans_of(follower.poll()).keys() == {WAITING}


def test_a_worker_hears_from_the_golden_log_what_its_colleagues_stored(fleet: Fleet) -> None:
    """From the snapshot and from what was logged since, but for what ended long ago."""
    heard = {who: each.ban for who, each in fleet.ledger.news().items()}

    assert heard == BANS


def test_every_state_of_the_golden_table_is_read_whole(fleet: Fleet) -> None:
    assert {who: fleet.ledger.offender(who) for who in OFFENDERS} == OFFENDERS


@pytest.mark.parametrize("offenders", [(WAITING, REPEATER), tuple(OFFENDERS)], ids=["few", "many"])
def test_hits_and_bans_are_added_to_golden_states(fleet: Fleet, offenders: tuple[OffenderId, ...]) -> None:
    """Alone or in batches, by a worker that has not seen them yet."""
    fleet.report(LOGIN, *offenders)

    after = fleet.ledger.offender(WAITING)
    assert after.hits == {*OFFENDERS[WAITING].hits, *after.hits}
    assert len(after.hits) == 2
    assert fleet.ledger.offender(REPEATER).revision > 4


def test_the_last_bans_of_an_address_in_all_jails_are_read(fleet: Fleet) -> None:
    assert list(fleet.ledger.standing_of("203.0.113.7/32")) == [
        StandingBan(REPEATER, replace(SECOND_BAN, evidence=())),
        StandingBan(TRIED, OBSERVED),
    ]


def test_a_golden_history_is_read_with_its_evidence(fleet: Fleet) -> None:
    assert fleet.ledger.history(REPEATER) == [FIRST_BAN, SECOND_BAN]


def test_golden_notes_are_read(fleet: Fleet) -> None:
    assert fleet.notebook.read() == Notes(
        foreign={IP_SET: frozenset({"198.51.100.200/32", "198.51.100.64/26"})},
        held_back_from_ms=BEGIN_MS + 1_622_000,
        released_ms=BEGIN_MS + 1_563_000,
        networks={IP_SET: frozenset({"192.0.2.0/24"})},
        swept_ms={IP_SET: BEGIN_MS + 1_618_000},
        sets=sets_noted(BEGIN_MS + 1_623_000),
    )


def test_golden_numbers_over_time_are_read(table: DynamoDBClient) -> None:
    tally = DynamoTally(table, TABLE)
    assert tally.bans() == bans_counted()
    assert list(tally.read(BEGIN_MS, BEGIN_MS)) == [Noted("worker-a/17/c0ffee01", infractions_counted())]


def test_golden_acts_allowlist_and_control_are_read(fleet: Fleet) -> None:
    at_ms = BEGIN_MS + 1_624_000
    assert fleet.acts.allowlist() == [
        AllowEntry("198.51.100.7/32", None, "our office", ANN, at_ms),
        AllowEntry("203.0.113.128/25", at_ms + DAY_MS, "", ANN, at_ms),
    ]
    pause = Pause(at_ms + 1000, at_ms + 1000 + HOUR_MS, ANN, "too strict")
    assert fleet.acts.control() == Control({"strict": pause}, 1, at_ms + 2000)
    verbs = [act.verb for act in fleet.acts.audit(0)]
    assert verbs == [Verb.RELOAD, Verb.PAUSE, Verb.ALLOW, Verb.BAN, Verb.UNBAN]
    (lift,) = fleet.acts.acts_on(LIFTED.key)
    assert lift == Act(lift.id, BEGIN_MS + 1_607_000, ANN, Verb.UNBAN, (LIFTED.key,), "", "a customer of ours", 1)


def test_a_golden_act_that_is_applied_again_changes_nothing(fleet: Fleet) -> None:
    (lift,) = fleet.acts.acts_on(LIFTED.key)
    assert fleet.acts.lift(lift, [LIFTED]) == {LIFTED: OF_MANY}
    assert fleet.ledger.offender(LIFTED) == OFFENDERS[LIFTED]


@pytest.mark.parametrize("name", ["scribe", "enforcer/us-east-1"])
def test_a_golden_lease_is_respected_and_taken_over_when_it_stands_still(fleet: Fleet, name: str) -> None:
    lease = fleet.lease(name, "worker-c/17/c0ffee03", "block (others REGIONAL keep)")

    assert not lease.hold()
    assert lease.otherwise == (ENFORCES if name != "scribe" else "")
    fleet.clock.advance(20)
    assert lease.hold()


def test_a_scribe_goes_on_from_the_golden_snapshot(fleet: Fleet) -> None:
    fleet.scribe.tick()
    fleet.publish()

    snapshot = fleet.log.snapshot()
    assert snapshot
    assert (snapshot.epoch, snapshot.upto) == (EPOCH, 14)
    assert bans_of(fleet.ledger.follow().poll()) == BANS


def test_a_golden_table_is_repaired_from_its_states(fleet: Fleet, table: DynamoDBClient) -> None:
    repaired = Repair(BanLogItems(table, TABLE, fleet.clock), States(table, TABLE, fleet.clock), fleet.clock).run()

    assert (repaired.states, repaired.unreadable) == (len(OFFENDERS), 0)
    assert bans_of(fleet.ledger.follow().poll()) == BANS


def test_the_page_of_the_table_shows_golden_items_only(golden: list[dict[str, Any]]) -> None:
    shown = [each for each in examples() if "pk" in each]

    assert shown
    assert [each for each in as_items(json.dumps(shown)) if each not in golden] == []


def test_the_page_of_the_table_shows_every_kind_of_item(golden: list[dict[str, Any]]) -> None:
    assert kinds(examples()) == kinds(golden)


def test_the_page_of_the_table_shows_what_is_packed_as_it_is() -> None:
    """Below an item with columns, or with compressed text, stands what is in it."""
    shown = examples()
    below = [
        (item, after)
        for item, after in zip(shown, [*shown[1:], {}], strict=True)
        if "pk" in item and packed_in(item)
    ]

    assert below
    for item, after in below:
        assert unpacked(packed_in(item)) == after, item["pk"]


def examples() -> list[Any]:
    """Read the examples of the page."""
    blocks = re.findall(r"^```json\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [json.loads(block) for block in blocks]


def kinds(items: Iterable[Any]) -> set[tuple[str, ...]]:
    """Name the kinds of items by how their keys begin, and by what they have."""
    return {
        (
            re.split("[#/]", item["pk"]["S"])[0],
            item["pk"]["S"] if item["pk"]["S"].startswith("lease#") else "",
            "" if item["pk"]["S"].startswith("audit#") else item["sk"]["S"].partition("#")[0],
            *sorted({"ban", "hits", "lifted_ms", "void"} & item.keys()),
        )
        for item in items
        if "pk" in item
    }


def readable(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the bytes of items apart: how well they are compressed is no matter of the format."""
    return [
        {name: {"unpacked": unpacked(value["B"])} if "B" in value else value for name, value in item.items()}
        for item in items
    ]


def packed_in(item: dict[str, Any]) -> bytes:
    (found,) = as_items(json.dumps([item]))
    return next((bytes(value["B"]) for value in found.values() if "B" in value), b"")


def unpacked(packed: bytes) -> Any:
    """Read columns, or compressed text line by line, with nothing of ours but the compression."""
    if packed[:1] == b"\x01":
        return json.loads(unzipped(packed[1:]))
    text = unzipped(packed)
    return json.loads(text) if text.startswith("{") else text.split("\n")
