"""A table in which every kind of item stands, written by the adapters as a fleet would write it.

The file is never written again once a release has its format: later versions read it for ever. A later format, or
more that this one holds, gets a file beside it.
"""

from __future__ import annotations

import base64
import json
import secrets
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.scribe import open_scribe
from f2b_worker.adapters.dynamodb.lease import DynamoLease
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.dynamodb.schema import KNOWN, DynamoSchema
from f2b_worker.adapters.dynamodb.tally import DynamoTally
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, MINUTE_MS, Jail, Window
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId, judge
from f2b_worker.domain.noted_sets import NotedGroup, NotedSet, NotedSets, Progress
from f2b_worker.domain.tally import BanSheets, Counted, Kind, Sheet, hour_of
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.ban_log.scribe import Scribe

FILE = Path(__file__).parent / "golden" / "table-format-2.json"
TABLE = "f2b"
KEPT_MS = 60 * DAY_MS
BEGIN_MS = 1_795_000_000_000
EPOCH = "5f0c91aa"

LOGIN = Jail("login", (Window(3, 10 * MINUTE_MS),), increment=True)
ADMIN = Jail("admin", (Window(2, 10 * MINUTE_MS),), bantime_ms=FOREVER_MS, blocklists=("block", "strict"))
TRIAL = Jail("trial", (Window(2, 10 * MINUTE_MS),), observed=True)

REPEATER = OffenderId("login", "203.0.113.7/32")
NETWORK = OffenderId("admin", "2001:db8:1:2::/64")
TRIED = OffenderId("trial", "203.0.113.7/32")
WAITING = OffenderId("login", "198.51.100.9/32")
LIFTED = OffenderId("login", "192.0.2.5/32")
MANY = tuple(OffenderId("login", f"192.0.2.{each}/32") for each in range(1, 6))

BY_HAND_WHO = OffenderId("manual", "198.51.100.0/24")
ANN = "arn:aws:sts::123456789012:assumed-role/operator/ann"
HOUR_MS = 60 * MINUTE_MS

IP_SET = "arn:aws:wafv2:us-east-1:123456789012:regional/ipset/f2b-v4-1/3f1c"
ENFORCES = "block (f2b-v4-1 f2b-v6-1 REGIONAL keep)"


class Fleet:
    """Whoever writes to one table, at one time.

    Args:
        client: A client of an empty table.
        clock: The time, which passes as it is told.
    """

    def __init__(self, client: DynamoDBClient, clock: FakeClock) -> None:
        self.clock = clock
        self._client = client
        self._infractions = count(1)
        self.log = BanLogItems(client, TABLE, clock)
        self.ledger = DynamoLedger(client, TABLE, clock, kept_ms=KEPT_MS)
        self.scribe: Scribe = open_scribe(client, TABLE, clock)
        self.acts = DynamoActs(client, TABLE, clock)
        self.notebook = DynamoNotebook(client, TABLE, region="us-east-1")

    def lease(self, name: str, owner: str, enforces: str = "") -> DynamoLease:
        return DynamoLease(self._client, TABLE, name=name, owner=owner, clock=self.clock, enforces=enforces)

    def provision(self) -> None:
        DynamoSchema(self._client, TABLE).mark(KNOWN.written)
        self.log.begin(EPOCH)

    def report(self, jail: Jail, *offenders: OffenderId, weight: int = 1) -> None:
        """Judge an infraction of each offender, in one turn."""
        now_ms = self.clock.now_ms()
        hits = {who: [Hit(now_ms, f"q{next(self._infractions):02d}/0", weight)] for who in offenders}
        known = self._all_well(self.ledger.record(hits))
        decisions = {
            who: Decision.on(known[who], changed)
            for who in offenders
            if (changed := judge(known[who], hits[who], jail, key=who.key).changed)
        }
        known |= self._all_well(self.ledger.commit(decisions))
        assert self.ledger.publish(known) == {}
        self.clock.advance(1)

    def _all_well(self, answers: Any) -> dict[OffenderId, Offender]:
        assert all(isinstance(each, Offender) for each in answers.values()), answers
        return dict(answers)

    def act(self, verb: Verb, *what: str, reason: str) -> Act:
        """Say that somebody does something now."""
        return Act(secrets.token_hex(8), self.clock.now_ms(), ANN, verb, what, reason=reason)

    def lift(self, who: OffenderId) -> None:
        """End a ban now: no infraction up to now counts any more."""
        self.acts.lift(self.act(Verb.UNBAN, who.key, reason="a customer of ours"), [who])
        self.clock.advance(1)

    def publish(self) -> None:
        """Let the scribe make a snapshot: ten minutes after the one before it is due."""
        self.scribe.tick()
        self.clock.advance(601)
        self.scribe.tick()


def write_golden_table(client: DynamoDBClient) -> None:
    """Fill an empty table: what is random in life is counted here."""
    numbers = count(1)
    with mock.patch.object(secrets, "token_hex", lambda size: f"{next(numbers):0{2 * size}x}"):
        _write(Fleet(client, FakeClock(BEGIN_MS)), client)


def _write(fleet: Fleet, client: DynamoDBClient) -> None:
    fleet.provision()
    _ban_and_extend(fleet)
    fleet.publish()  # the base
    _ban_again(fleet)
    fleet.publish()  # a delta, after a void
    _ban_many_and_lift(fleet)
    _hold_leases(fleet)
    _take_notes(fleet)
    _act(fleet)
    _count(DynamoTally(client, TABLE))
    fleet.ledger.close()
    fleet.acts.close()


def _ban_and_extend(fleet: Fleet) -> None:
    fleet.scribe.tick()
    for weight in (1, 2):
        fleet.report(LOGIN, REPEATER, weight=weight)
    fleet.clock.advance(90)
    fleet.report(LOGIN, REPEATER)  # its end moves by two steps
    for _ in range(2):
        fleet.report(ADMIN, NETWORK)
    for _ in range(2):
        fleet.report(TRIAL, TRIED)


def _ban_again(fleet: Fleet) -> None:
    fleet.clock.advance(300)
    for _ in range(3):
        fleet.report(LOGIN, REPEATER)
    fleet.log.reserve(EPOCH)  # somebody who died before it wrote
    fleet.report(LOGIN, WAITING)
    fleet.report(LOGIN, REPEATER)


def _ban_many_and_lift(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.report(LOGIN, *MANY)
    fleet.lift(LIFTED)
    fleet.report(LOGIN, LIFTED)  # whoever judges it next tells everybody


def _hold_leases(fleet: Fleet) -> None:
    assert fleet.lease("scribe", "worker-a/17/c0ffee01").hold()
    holder = fleet.lease("enforcer/us-east-1", "worker-a/17/c0ffee01", ENFORCES)
    for _ in range(3):
        assert holder.hold()
        fleet.clock.advance(2)
    heir = fleet.lease("enforcer/us-east-1", "worker-b/17/c0ffee02", ENFORCES)
    for _ in range(4):
        heir.hold()
        fleet.clock.advance(2)
    assert heir.is_next


def _take_notes(fleet: Fleet) -> None:
    now_ms = fleet.clock.now_ms()
    fleet.notebook.note_entries("foreign", IP_SET, frozenset({"198.51.100.200/32", "198.51.100.64/26"}))
    fleet.notebook.note_entries("networks", IP_SET, frozenset({"192.0.2.0/24"}))
    fleet.notebook.note_swept({IP_SET: now_ms - 5000})
    fleet.notebook.note_release(now_ms - 60_000)
    fleet.notebook.note_surge(now_ms - 1000)
    fleet.notebook.note_sets(sets_noted(now_ms))


def sets_noted(now_ms: int) -> NotedSets:
    """How an enforcer saw its IP sets: two bans wait, and the sets of IPv6 lack too many to name them."""
    v4 = (NotedSet("f2b-v4-1", 10_000, now_ms - 3000), NotedSet("f2b-v4-2", 17, now_ms - 800))
    v6 = (NotedSet("f2b-v6-1", 9000, now_ms - 41_000),)
    groups = (
        NotedGroup("block", 4, v4, ("198.51.100.1/32", "203.0.113.0/24"), ("198.51.100.9/32",)),
        NotedGroup("block", 6, v6, None),
    )
    return NotedSets(now_ms - 500, now_ms - 700, groups, Progress(12, now_ms - 9000, now_ms - 800, 1840))


def _act(fleet: Fleet) -> None:
    ban = fleet.act(Verb.BAN, BY_HAND_WHO.key, reason="a scanner")
    fleet.acts.ban(ban, {BY_HAND_WHO: Order(ban.at_ms + 30 * DAY_MS)})
    fleet.clock.advance(1)
    office, guest = "198.51.100.7/32", "203.0.113.128/25"
    allow = fleet.act(Verb.ALLOW, office, guest, reason="ticket 4711")
    entries = [
        AllowEntry(office, None, "our office", ANN, allow.at_ms),
        AllowEntry(guest, allow.at_ms + DAY_MS, "", ANN, allow.at_ms),
    ]
    fleet.acts.allow(allow, entries)
    fleet.clock.advance(1)
    fleet.acts.pause(
        fleet.act(Verb.PAUSE, "strict", reason="too strict"), "strict", fleet.clock.now_ms() + HOUR_MS
    )
    fleet.clock.advance(1)
    fleet.acts.reload(fleet.act(Verb.RELOAD, reason="new jails"))


def infractions_counted() -> Sheet:
    """What one worker judged in the hour in which all began."""
    sheet = Sheet(hour_of(BEGIN_MS))
    for minute, number in ((0, 4), (1, 1), (6, 3)):
        sheet.add(Kind.INFRACTIONS, "login", BEGIN_MS + minute * MINUTE_MS, number)
    sheet.add(Kind.INFRACTIONS, "admin", BEGIN_MS + MINUTE_MS, 2)
    return sheet


def bans_counted() -> BanSheets:
    """What became of all bans in that hour, and in the one before."""
    sheet = Sheet(hour_of(BEGIN_MS))
    sheet.add(Kind.BANS, "login", BEGIN_MS, 2)
    sheet.add(Kind.UNBANS, "login", BEGIN_MS + 12 * MINUTE_MS)
    before = Sheet(sheet.hour_ms - HOUR_MS)
    before.add(Kind.BANS, "manual", sheet.hour_ms - 1)
    upto = Counted(EPOCH, 9, BEGIN_MS + 12 * MINUTE_MS, BEGIN_MS + 12 * MINUTE_MS)
    return BanSheets(upto, sheet, before, "0badcafe", 1)


def _count(tally: DynamoTally) -> None:
    tally.note("worker-a/17/c0ffee01", infractions_counted())
    assert tally.note_bans(bans_counted())


def items_of(client: DynamoDBClient) -> list[dict[str, Any]]:
    """Read all items of a table, in the order of their keys."""
    pages = client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    items: list[dict[str, Any]] = [dict(item) for page in pages for item in page["Items"]]
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def as_text(items: Iterable[dict[str, Any]]) -> str:
    """Write items as `aws dynamodb` shows them, one a line."""
    lines = (json.dumps(_sorted(item), default=_base64) for item in items)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _sorted(item: dict[str, Any]) -> dict[str, Any]:
    """Put the key first, and what is a set in order."""
    key = {"pk": item["pk"], "sk": item["sk"]}
    rest = {name: item[name] for name in sorted(item) if name not in key}
    return key | {name: {"SS": sorted(each["SS"])} if "SS" in each else each for name, each in rest.items()}


def _base64(value: object) -> str:
    assert isinstance(value, bytes), value
    return base64.b64encode(value).decode()


def as_items(text: str) -> list[dict[str, Any]]:
    """Read what `as_text` wrote."""
    items: list[dict[str, Any]] = json.loads(text, object_hook=_with_bytes)
    return items


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    return {"B": base64.b64decode(value["B"])} if value.keys() == {"B"} else value
