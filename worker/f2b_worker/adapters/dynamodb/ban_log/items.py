"""The items of the ban log, one call each: who may write which, on which condition, and how it is read."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.ban_log.counter import COUNTER, READING, WRITING, BanLogCounter
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part, Snapshot, as_snapshot, part_name, snapshot_item
from f2b_worker.adapters.dynamodb.items import number, ttl
from f2b_worker.errors import Missing, Throttled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.ports import Clock

DAY_MS = 24 * 60 * 60 * 1000
ENTRY_KEPT_MS = 14 * DAY_MS
"""For so long an entry is kept: two thousand times as long as any write may be late."""

PART_KEPT_MS = 15 * DAY_MS
"""For so long a part is kept. A base is written anew each day: no part that is pointed at becomes so old."""

NOBODY = "?"
"""Stands for the id of an entry that does not tell it."""

READ_MAX = 100
"""So many items one BatchGetItem reads."""

PAUSES_S = (0.05, 0.1, 0.2, 0.4)
"""Between tries to read what DynamoDB leaves unread; one that brought something is followed by another at once."""

_POINTER = {"pk": {"S": "log"}, "sk": {"S": "snapshot"}}
_NOT_THERE = "attribute_not_exists(pk)"


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands under one number.

    Attributes:
        id: Tells this write from every other; empty of a void.
        content: Changes, packed; empty of a void.
    """

    id: str = ""
    content: bytes = b""


class BanLogItems(BanLogCounter):
    """The ban log's items in one table.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        clock: Tells until when items are kept.
        is_strong: Whether counter and entries are read strongly, which costs twice as much. Who voids must.
    """

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock, *, is_strong: bool = True) -> None:
        super().__init__(client, table, is_strong=is_strong)
        self._clock = clock
        self._never = threading.Event()

    def begin(self, epoch: str) -> None:
        """Make the counter, and a snapshot of nothing, unless either is there.

        So a table whose snapshot is not there has lost it, and nobody takes that for a table without bans.

        Raises:
            Missing: If there is a snapshot, and no counter.
        """
        nothing = Snapshot(epoch, 0, (Part(epoch, 0, 0, 0, 0, self._clock.now_ms()),), 0)
        counter = COUNTER | {"n": number(0), "epoch": {"S": epoch}}
        puts = [
            {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": _NOT_THERE}}
            for item in (counter, _POINTER | snapshot_item(nothing))
        ]
        with aws_errors(WRITING):
            try:
                self._client.transact_write_items(TransactItems=puts)  # type: ignore[arg-type]
            except self._client.exceptions.TransactionCanceledException as error:
                if not _is_refused(error):
                    raise
        self.top()

    def put(self, epoch: str, place: int, entry: Entry) -> str | None:
        """Write an entry, or a void, under a number, if nothing is there; answer the id of what is, else None.

        It is safe to call again after an error: a write that took effect is refused by itself.
        """
        there = self._put_if_absent(self._entry_item(epoch, place, entry))
        return None if there is None else str(there.get("id", {}).get("S", ""))

    def entry_put(self, epoch: str, place: int, entry: Entry) -> Item:
        """Make the member of a transaction that writes an entry under a number, if nothing is there."""
        return {
            "Put": {
                "TableName": self._table,
                "Item": self._entry_item(epoch, place, entry),
                "ConditionExpression": _NOT_THERE,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _entry_item(self, epoch: str, place: int, entry: Entry) -> Item:
        item: Item = _entry_key(epoch, place)
        item |= {"at_ms": number(self._clock.now_ms()), "ttl": self._ttl(ENTRY_KEPT_MS)}
        return item | (
            {"id": {"S": entry.id}, "c": {"B": entry.content}} if entry.id else {"void": {"BOOL": True}}
        )

    def _put_if_absent(self, item: Item) -> Item | None:
        with aws_errors(WRITING):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression=_NOT_THERE,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                there: Any = error.response.get("Item", {})
                return dict(there)
        return None

    def read(self, epoch: str, places: Iterable[int]) -> dict[int, Entry]:
        """Read what stands under these numbers; what is not in the answer was not there, or was not read."""
        return self.look_for(epoch, places)[0]

    def look_for(self, epoch: str, places: Iterable[int]) -> tuple[dict[int, Entry], frozenset[int]]:
        """Read what stands under these numbers; tell which DynamoDB left unread. The others are not there."""
        found: dict[int, Entry] = {}
        unread: set[int] = set()
        for batch in batches(places, READ_MAX):
            keys = [_entry_key(epoch, place) for place in batch]
            items, left = self._read_some(keys, strongly=self.is_strong)
            with odd_answers(READING):
                found.update((_place_of(item), _as_entry(item)) for item in items)
                unread.update(map(_place_of, left))
        return found, frozenset(unread)

    def _read_some(self, keys: list[Item], *, strongly: bool) -> tuple[list[Item], list[Item]]:
        """Read items; answer them, and the keys that are still unread after some patience."""
        items: list[Item] = []
        pauses_s = iter(PAUSES_S)
        while keys:
            found, left = self._read_once(keys, strongly=strongly)
            items += found
            if len(left) == len(keys):
                pause_s = next(pauses_s, None)
                if pause_s is None:
                    break
                self._clock.wait(self._never, pause_s)
            keys = left
        return items, keys

    def _read_once(self, keys: list[Item], *, strongly: bool) -> tuple[list[Item], list[Item]]:
        asked: dict[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": strongly}}
        with aws_errors(READING):
            answer = self._client.batch_get_item(RequestItems=asked)
        with odd_answers(READING):
            unprocessed: Any = answer.get("UnprocessedKeys", {})
            left = unprocessed.get(self._table, {}).get("Keys", [])
            return list(part_of(answer, "Responses", READING).get(self._table, [])), list(left)

    def snapshot(self) -> Snapshot | None:
        """Read which parts make the newest snapshot, strongly; None if that was lost."""
        item = self.pointer()
        return as_snapshot(item) if item else None

    def pointer(self) -> Item:
        """Read the pointer to the snapshot as it is, strongly; it is empty if it was lost."""
        with aws_errors(READING):
            answer = self._client.get_item(TableName=self._table, Key=_POINTER, ConsistentRead=True)
        return part_of({"Item": {}, **answer}, "Item", READING, dict)  # type: ignore[no-any-return]

    def without_snapshot(self) -> Missing:
        """Make the error for a table whose pointer was lost."""
        return Missing(
            f"table {self._table}: the snapshot of the bans (pk=log sk=snapshot) is not there; run f2b"
            " repair, which makes it anew from the bans"
        )

    def put_part(self, part_id: str, place: int, content: bytes) -> None:
        """Write one item of a part, whose id nobody else has."""
        item = _part_key(part_name(part_id, place)) | {"c": {"B": content}, "ttl": self._ttl(PART_KEPT_MS)}
        with aws_errors("writing a snapshot of the bans"):
            self._client.put_item(TableName=self._table, Item=item)

    def read_parts(self, parts: Iterable[Part]) -> dict[str, bytes]:
        """Read parts by their names; what is missing has gone.

        Raises:
            Throttled: If DynamoDB leaves some unread again and again.
        """
        found: dict[str, bytes] = {}
        names = sorted(name for part in parts for name in part.names)
        for batch in batches(names, READ_MAX):
            items, left = self._read_some([_part_key(name) for name in batch], strongly=True)
            if left:
                raise Throttled(f"{READING}: DynamoDB leaves {len(left)} items of the snapshot unread")
            with odd_answers(READING):
                found.update((item["pk"]["S"], _content(item)) for item in items)
        return found

    def point(self, snapshot: Snapshot, seen: Snapshot) -> bool:
        """Publish a snapshot in the place of the one that it was built on; tell whether it is published.

        It is safe to call again after an error.
        """
        there = self._put_pointer(
            snapshot, "epoch = :epoch AND upto = :upto", {":epoch": {"S": seen.epoch}, ":upto": number(seen.upto)}
        )
        return there is None or (bool(there) and as_snapshot(there) == snapshot)

    def replace_pointer(self, snapshot: Snapshot, there: Item) -> bool:
        """Publish the first snapshot of an epoch in the place of whatever pointer is there; tell if it is.

        It is safe to call again after an error.

        Args:
            snapshot: What is published.
            there: The pointer as it was read: of another epoch, broken, or empty.
        """
        names = ("epoch", "upto")
        conditions = [f"{name} = :{name}" if name in there else f"attribute_not_exists({name})" for name in names]
        values = {f":{name}": there[name] for name in names if name in there}
        now = self._put_pointer(snapshot, " AND ".join(conditions), values)
        # Its answer may have been lost, and its scribe may have gone on from there.
        return now is None or now.get("epoch") == {"S": snapshot.epoch}

    def _put_pointer(self, snapshot: Snapshot, condition: str, values: Item) -> Item | None:
        """Write the pointer on a condition; answer what is there if that does not hold."""
        with aws_errors("publishing a snapshot of the bans"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_POINTER | snapshot_item(snapshot),
                    ConditionExpression=condition,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **({"ExpressionAttributeValues": values} if values else {}),  # type: ignore[arg-type]
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                there: Any = error.response.get("Item", {})
                return dict(there)
        return None

    def _ttl(self, kept_ms: int) -> dict[str, str]:
        return ttl(self._clock.now_ms() + kept_ms)


def _is_refused(error: ClientError) -> bool:
    """Tell whether a transaction was cancelled since a condition did not hold; a conflict, for one, passes.

    The code is ConditionalCheckFailed; some emulators append Exception to it.
    """
    reasons: Any = error.response.get("CancellationReasons", [])
    with odd_answers(WRITING):
        return any(str(each.get("Code", "")).startswith("ConditionalCheckFailed") for each in reasons)


def _entry_key(epoch: str, place: int) -> Item:
    return {"pk": {"S": f"log#{epoch}#{place}"}, "sk": {"S": "log"}}


def _place_of(key: Item) -> int:
    return int(key["pk"]["S"].rpartition("#")[2])


def _part_key(name: str) -> Item:
    return {"pk": {"S": name}, "sk": {"S": "part"}}


def _as_entry(item: Mapping[str, Any]) -> Entry:
    """Read an entry; only what says so is a void, so that whatever is broken in another one is noticed."""
    if "void" in item and "c" not in item:
        return Entry()
    written_by = item.get("id", {}).get("S")
    return Entry(written_by or NOBODY, _content(item))


def _content(item: Mapping[str, Any]) -> bytes:
    """Read what an item holds; what is none, and is packed by nobody, is empty."""
    content = item.get("c", {}).get("B")
    return bytes(content) if isinstance(content, bytes) else b""
