"""A table with a worker, followers, a scribe and who repairs, and what may be lost of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
from f2b_worker.adapters.dynamodb.ban_log.repair import Repair
from f2b_worker.adapters.dynamodb.ban_log.scribe import EVERY_S, Scribe
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.dynamodb.states import States
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId
from f2b_worker.testing import FakeClock
from tests.canned_dynamodb import TABLE, Caller, CannedTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.errors import Unreadable
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
