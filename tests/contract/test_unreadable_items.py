"""One stored item that is broken, in whatever way, costs nobody else anything: both stores, every kind."""

from __future__ import annotations

import json
import threading
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.lease import DynamoLease
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.sqlite.file import SqliteLease
from f2b_worker.adapters.sqlite.inbox import SqliteInbox
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.adapters.sqlite.notebook import SqliteNotebook
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.jails import Jail, Policy
from f2b_worker.domain.networks import Networks
from f2b_worker.enforcer import Enforcer, LedgerAdopter
from f2b_worker.intake.loop import Intake
from f2b_worker.testing import FakeClock, MemoryInbox, MemoryIpSet, MemoryIpSetFinder
from tests.contract.ledgers import KEPT_MS, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.ports import Lease, Notebook

REGION = "us-east-1"
BROKEN, KEPT, OTHER, FRESH = "203.0.113.1", "203.0.113.2", "203.0.113.3", "198.51.100.9"
FOREIGN = "192.0.2.1/32"
POLICY = Policy(jails={"recidive": Jail("recidive", recidive=True)})
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
ARN = "arn:aws:wafv2:us-east-1:000000000000:regional/ipset/f2b-ipv4/1"


class Stores(NamedTuple):
    """What is stored somewhere, as one process opens it."""

    ledger: DynamoLedger | SqliteLedger
    lease: Lease
    notebook: Notebook


class Fleet:
    """The loops of one worker over stores, with queue and IP set in memory, on a virtual clock."""

    def __init__(self, stores: Stores, ip_set: MemoryIpSet, clock: FakeClock) -> None:
        self.clock = clock
        self.ip_set = ip_set
        self.inbox = MemoryInbox(clock.now_ms())
        self.intake = Intake(self.inbox, stores.ledger, POLICY, clock, max_age_ms=None)
        blocklist = Blocklist("block", ("f2b",), collapse=Collapse(at_least=50, ipv4_prefix=24))
        self.enforcer = Enforcer(
            stores.ledger,
            MemoryIpSetFinder({"block": [ip_set]}),
            stores.lease,
            stores.notebook,
            blocklists=[blocklist],
            allowed=Networks(),
            clock=clock,
            region=REGION,
            max_new_bans_per_minute=100,
            adopter=LedgerAdopter(stores.ledger, lambda: POLICY, clock),
            aside=lambda work: work(),
        )

    def report(self, *ips: str) -> None:
        """Have infractions judged that ban each address, unless something about it cannot be read."""
        now_s = self.clock.now_ms() / 1000
        for ip in ips:
            items = [{"ip": ip, "at": now_s - n / 10, "id": f"{ip}{n}{now_s}"} for n in range(5)]
            self.inbox.put(json.dumps(items))
        self.intake.turn(self.inbox.receive(wait_s=0), threading.Event())
        assert self.intake.problem is None
        assert not self.inbox.in_flight

    def enforce(self, seconds: float) -> None:
        """Tick for so long; nothing may be raised."""
        ends_s = self.clock.monotonic_s() + seconds
        while self.clock.monotonic_s() < ends_s:
            self.clock.advance(max(self.enforcer.tick(), 0.2))


def lived(open_stores: Callable[[FakeClock, str], Stores], clock: FakeClock) -> MemoryIpSet:
    """Let a worker live until everything is stored that a worker stores, and die; answer its IP set."""
    ip_set = MemoryIpSet(4, [FOREIGN], "f2b-ipv4")
    first = Fleet(open_stores(clock, "first"), ip_set, clock)
    first.report(BROKEN, KEPT, OTHER)
    first.enforce(6)
    assert ip_set.held == {FOREIGN, *(f"{ip}/32" for ip in (BROKEN, KEPT, OTHER))}
    notebook = open_stores(clock, "first").notebook
    notebook.note_entries("networks", ip_set.id, frozenset({"192.0.2.0/24"}))
    notebook.note_surge(clock.now_ms() - 60_000)
    notebook.note_release(clock.now_ms() - 30_000)
    notebook.note_swept({ip_set.id: clock.now_ms() - 600_000})
    return ip_set


def takes_over(stores: Stores, ip_set: MemoryIpSet, clock: FakeClock) -> None:
    """Let the next worker do all that it can; whatever was broken, only that may suffer."""
    second = Fleet(stores, ip_set, clock)
    second.report(BROKEN, KEPT, FRESH)
    second.enforce(14)
    assert ip_set.held >= {FOREIGN, f"{KEPT}/32", f"{OTHER}/32", f"{FRESH}/32"}, "others are enforced"
    assert f"{BROKEN}/32" in ip_set.held, "what the set holds is not lifted"
    dead = [json.loads(letter.body) for letter in second.inbox.dead]
    assert {item["ip"] for letter in dead for item in letter} <= {BROKEN}
    assert {letter.reason for letter in second.inbox.dead} <= {"state_unreadable"}
    second.report("198.51.100.10")
    second.enforce(3)
    assert "198.51.100.10/32" in ip_set.held, "it goes on"


STRANGE = st.sampled_from(
    [
        {"S": "x"},
        {"S": ""},
        {"N": "5"},
        {"N": "-1"},
        {"N": "1.5"},
        {"N": "9" * 38},
        {"N": "1" + "0" * 30},
        {"NULL": True},
        {"BOOL": True},
        {"L": []},
        {"L": [{"N": "1"}]},
        {"M": {}},
        {"M": {"a": {"S": "b"}}},
        {"SS": ["x"]},
        {"SS": [":"]},
        {"NS": ["1"]},
        {"B": b"x"},
    ]
)


class Damage(NamedTuple):
    """What becomes of one attribute of one item; the numbers choose among what is there."""

    item: int
    attribute: int
    how: str
    value: Any
    within: bool


WAYS = ("drop", "retype", "truncate", "add")
NUMBERS = st.integers(0, 99)
DAMAGES = st.builds(Damage, NUMBERS, NUMBERS, st.sampled_from(WAYS), STRANGE, st.booleans())


def truncated(value: Item) -> Item:
    """Cut an attribute's text, bytes or collection in half."""
    ((kind, content),) = value.items()
    if kind == "M":
        return {kind: dict(list(content.items())[: len(content) // 2])}
    if kind == "SS":
        return {kind: [each[: len(each) // 2] or "-" for each in content]}
    if kind == "L":
        return {kind: content[: len(content) // 2]}
    return {kind: content[: len(content) // 2] or "0"} if kind != "BOOL" else {kind: not content}


def damage(item: Item, what: Damage) -> Item:
    """Break an item, or the map in it."""
    broken = deepcopy(item)
    names = sorted(broken.keys() - {"pk", "sk"})
    name = names[what.attribute % len(names)]
    place = broken
    if what.within and set(broken[name]) == {"M"} and broken[name]["M"]:
        place = broken[name]["M"]
        names = sorted(place)
        name = names[what.attribute % len(names)]
    if what.how == "drop":
        del place[name]
    elif what.how == "retype":
        place[name] = what.value
    elif what.how == "truncate":
        place[name] = truncated(place[name])
    else:
        place["a later version's"] = what.value
    return broken


def is_of_broken(item: Item) -> bool:
    """Tell whether an item is of the one offender that may suffer, or of nobody's."""
    text = item["pk"]["S"] + item["sk"]["S"]
    return BROKEN in text or not any(ip in text for ip in (KEPT, OTHER))


@pytest.fixture
def dynamo_stores(dynamodb: DynamoDBClient) -> Callable[[FakeClock, str], Stores]:
    def open_stores(clock: FakeClock, owner: str) -> Stores:
        BanLogItems(dynamodb, TABLE, clock).begin("e1")
        lease = DynamoLease(dynamodb, TABLE, name=f"enforcer/{REGION}", owner=owner, clock=clock)
        ledger = DynamoLedger(dynamodb, TABLE, clock, kept_ms=KEPT_MS)
        return Stores(ledger, lease, DynamoNotebook(dynamodb, TABLE, region=REGION))

    return open_stores


def contents(client: DynamoDBClient) -> list[Item]:
    items: list[Item] = [dict(each) for each in client.scan(TableName=TABLE, ConsistentRead=True)["Items"]]
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def put_back(client: DynamoDBClient, items: list[Item]) -> None:
    there = contents(client)
    keys = [(each["pk"], each["sk"]) for each in items]
    for each in there:
        if (each["pk"], each["sk"]) not in keys:
            client.delete_item(TableName=TABLE, Key={name: each[name] for name in ("pk", "sk")})
    for each in items:
        if each not in there:
            client.put_item(TableName=TABLE, Item=each)


def test_a_table_with_one_broken_item_serves_everybody_else(
    dynamodb: DynamoDBClient, dynamo_stores: Callable[[FakeClock, str], Stores]
) -> None:
    clock = FakeClock()
    held = lived(dynamo_stores, clock).held
    whole = contents(dynamodb)
    # Without counter or pointer nobody who starts can tell what is missing: that waits until it is repaired.
    may_break = [item for item in whole if is_of_broken(item) and item["sk"]["S"] not in {"seq", "snapshot"}]
    assert {item["sk"]["S"].partition("#")[0] for item in may_break} >= {
        "s", "log", "lease", "foreign", "networks", "surge", "swept",
    }  # fmt: skip

    @QUICK
    @given(DAMAGES)
    def serves(what: Damage) -> None:
        put_back(dynamodb, whole)
        item = damage(may_break[what.item % len(may_break)], what)
        dynamodb.put_item(TableName=TABLE, Item=item)
        # Whoever takes the release out of a note leaves a surge, which holds back what it should.
        if DynamoNotebook(dynamodb, TABLE, region=REGION).read().held_back_from_ms is not None:
            return
        ip_set = MemoryIpSet(4, held, "f2b-ipv4")
        later = FakeClock()
        later.advance(clock.monotonic_s() - later.monotonic_s())
        takes_over(dynamo_stores(later, "second"), ip_set, later)

    serves()


INSERT = "INSERT INTO inbox (body, sent_at_ms) VALUES (?, ?)"
VALUES = st.sampled_from(
    ["x", "", "[]", "{}", "null", "5", "NaN", "[1, 2", '["a", 5]', "[[1, 2], [3]]", b"\xff\xfe", b"[]", 0, -1,
     2**62, 1.5, "[1e400]", '[[99999999999999999999, "x"]]', '{"a": "b"}', "[" * 500]
)  # fmt: skip
TABLES = {
    "offenders": ("hits", "ban", "revision", "changed", "kept_until_day", "key", "jail"),
    "history": ("start_ms", "ban", "evidence", "kept_until_day"),
    "notes": ("content", "name"),
}
CELLS = [(table, column) for table, columns in TABLES.items() for column in columns]
_WHOSE = {"offenders": f"key = '{BROKEN}/32'", "history": f"key = '{BROKEN}/32'"}


@pytest.mark.parametrize("column", ["body", "sent_at_ms"])
@pytest.mark.parametrize("value", [b"\xff\xfe", "x", 5, 2**62, 1.5, -1])
def test_a_message_of_the_state_file_that_is_broken_is_received_with_the_others(
    state: StateFile, column: str, value: object
) -> None:
    clock = FakeClock()
    rows = [("broken", clock.now_ms()), ("whole", clock.now_ms())]
    state.writer.do("storing", lambda connection: connection.executemany(INSERT, rows))
    query = f"UPDATE inbox SET {column} = ? WHERE body = 'broken'"
    state.writer.do("breaking", lambda connection: connection.execute(query, (value,)))
    inbox = SqliteInbox(state, clock)
    received = inbox.receive(wait_s=0)
    assert [each.body for each in received][1:] == ["whole"]
    assert all(type(each.body) is str and type(each.sent_at_ms) is int for each in received)
    inbox.delete(received)
    assert inbox.overload() is None


def test_a_state_file_with_one_broken_row_serves_everybody_else(tmp_path: Path) -> None:
    opened: list[StateFile] = []
    path = tmp_path / "f2b.db"

    def open_stores(clock: FakeClock, _owner: str) -> Stores:
        state = opened[-1]
        notebook = SqliteNotebook(state.reader(), state.safe_writer, region=REGION)
        return Stores(SqliteLedger(state, clock, kept_ms=KEPT_MS), SqliteLease(), notebook)

    clock = FakeClock()
    opened.append(StateFile(path))
    held = lived(open_stores, clock).held
    opened[-1].close()
    whole = path.read_bytes()

    @QUICK
    @given(st.sampled_from(CELLS), st.integers(0, 9), VALUES, st.booleans())
    def serves(cell: tuple[str, str], row: int, value: object, cut: bool) -> None:
        for each in tmp_path.glob("f2b.db-*"):
            each.unlink()
        path.write_bytes(whole)
        opened.append(StateFile(path))
        table, column = cell

        def break_it(connection: Any) -> None:
            rows = connection.execute(
                f"SELECT {column} FROM {table} WHERE {_WHOSE.get(table, '1')} LIMIT 1 OFFSET ?",
                (row % 4 if table == "notes" else 0,),
            ).fetchall()
            for (before,) in rows:
                now = before[: len(before) // 2] if cut and isinstance(before, str) else value
                connection.execute(
                    f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {column} IS ? AND {_WHOSE.get(table, '1')}",
                    (now, before),
                )

        opened[-1].writer.do("breaking", break_it)
        notebook = SqliteNotebook(opened[-1].reader(), opened[-1].safe_writer, region=REGION)
        if notebook.read().held_back_from_ms is not None:
            opened[-1].close()
            return
        later = FakeClock()
        later.advance(clock.monotonic_s() - later.monotonic_s())
        try:
            takes_over(open_stores(later, "second"), MemoryIpSet(4, held, "f2b-ipv4"), later)
        finally:
            opened[-1].close()

    serves()
