"""The items of the ban log, one call each: who may write which, on which condition, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part, Snapshot, as_snapshot, part_name, snapshot_item
from f2b_worker.adapters.dynamodb.items import number, ttl
from f2b_worker.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.ports import Clock

DAY_MS = 24 * 60 * 60 * 1000
ENTRY_KEPT_MS = 14 * DAY_MS
"""For so long an entry is kept: two thousand times as long as any write may be late."""

PART_KEPT_MS = 15 * DAY_MS
"""For so long a part is kept. A base is written anew each day: no part that is pointed at becomes so old."""

READ_MAX = 100
"""So many items one BatchGetItem reads."""

_COUNTER = {"pk": {"S": "log"}, "sk": {"S": "seq"}}
_POINTER = {"pk": {"S": "log"}, "sk": {"S": "snapshot"}}
_NOT_THERE = "attribute_not_exists(pk)"
_READING = "reading the ban log"
_WRITING = "writing the ban log"


@dataclass(frozen=True, slots=True)
class Top:
    """What the counter says: the greatest number that was given away, and in which log."""

    epoch: str
    number: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands under one number.

    Attributes:
        id: Tells this write from every other; empty of a void.
        content: Changes, packed; empty of a void.
    """

    id: str = ""
    content: bytes = b""


class EpochChanged(Exception):
    """The log was begun anew.

    Attributes:
        epoch: Of the new one.
    """

    def __init__(self, epoch: str) -> None:
        super().__init__(epoch)
        self.epoch = epoch


class BanLogItems:
    """The ban log's items in one table.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        clock: Tells until when items are kept.
        is_strong: Whether counter and entries are read strongly, which costs twice as much. Who voids must.
    """

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock, *, is_strong: bool = True) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self.is_strong = is_strong

    def begin(self, epoch: str) -> None:
        """Make the counter, unless it is there."""
        item = _COUNTER | {"n": number(0), "epoch": {"S": epoch}}
        self._put_if_absent(item)

    def top(self) -> Top:
        """Read the counter.

        Raises:
            Missing: If it is not there.
        """
        with aws_errors(_READING):
            answer = self._client.get_item(TableName=self._table, Key=_COUNTER, ConsistentRead=self.is_strong)
        return self._as_top(answer.get("Item"))

    def _as_top(self, item: Any) -> Top:
        if not item:
            raise Missing(
                f"table {self._table}: the counter of the ban log (pk=log sk=seq) is not there; make it with:"
                " f2b-worker provision"
            )
        with odd_answers(_READING):
            return Top(item["epoch"]["S"], int(item["n"]["N"]))

    def reserve(self, epoch: str) -> int:
        """Take the next number.

        A lost answer costs a number, which the scribe voids.

        Raises:
            EpochChanged: If the log of this epoch takes no more.
        """
        with aws_errors("taking a number of the ban log"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_COUNTER,
                    UpdateExpression="ADD n :one",
                    ConditionExpression="epoch = :epoch",
                    ExpressionAttributeValues={":one": number(1), ":epoch": {"S": epoch}},
                    ReturnValues="UPDATED_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                raise EpochChanged(self._as_top(error.response.get("Item")).epoch) from error
        with odd_answers(_WRITING):
            return int(answer["Attributes"]["n"]["N"])

    def put(self, epoch: str, place: int, entry: Entry) -> str | None:
        """Write an entry, or a void, under a number, if nothing is there; answer the id of what is, else None.

        It is safe to call again after an error: a write that took effect is refused by itself.
        """
        key = _entry_key(epoch, place)
        item: Item = key | {"at_ms": number(self._clock.now_ms()), "ttl": self._ttl(ENTRY_KEPT_MS)}
        item |= {"id": {"S": entry.id}, "c": {"B": entry.content}} if entry.id else {"void": {"BOOL": True}}
        there = self._put_if_absent(item)
        return None if there is None else str(there.get("id", {}).get("S", ""))

    def _put_if_absent(self, item: Item) -> Item | None:
        with aws_errors(_WRITING):
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
        found: dict[int, Entry] = {}
        for batch in batches(places, READ_MAX):
            for item in self._read_some([_entry_key(epoch, place) for place in batch], strongly=self.is_strong):
                with odd_answers(_READING):
                    place = int(item["pk"]["S"].rpartition("#")[2])
                    found[place] = Entry(_text(item, "id"), _bytes(item))
        return found

    def _read_some(self, keys: list[Item], *, strongly: bool) -> list[Item]:
        asked: dict[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": strongly}}
        with aws_errors(_READING):
            answer = self._client.batch_get_item(RequestItems=asked)
        with odd_answers(_READING):
            return list(part_of(answer, "Responses", _READING).get(self._table, []))

    def snapshot(self) -> Snapshot | None:
        """Read which parts make the newest snapshot, strongly; None if there is none."""
        with aws_errors(_READING):
            answer = self._client.get_item(TableName=self._table, Key=_POINTER, ConsistentRead=True)
        item = answer.get("Item")
        return as_snapshot(item) if item else None

    def put_part(self, part_id: str, place: int, content: bytes) -> None:
        """Write one item of a part, whose id nobody else has."""
        item = _part_key(part_name(part_id, place)) | {"c": {"B": content}, "ttl": self._ttl(PART_KEPT_MS)}
        with aws_errors("writing a snapshot of the bans"):
            self._client.put_item(TableName=self._table, Item=item)

    def read_parts(self, parts: Iterable[Part]) -> dict[str, bytes]:
        """Read parts by their names; what is missing has gone, or was not read: AWS answers 1 MB a partition."""
        left = {name for part in parts for name in part.names}
        found: dict[str, bytes] = {}
        while left:
            before = len(left)
            for batch in batches(sorted(left), READ_MAX):
                keys = [_part_key(name) for name in batch]
                with odd_answers(_READING):
                    found.update((item["pk"]["S"], _bytes(item)) for item in self._read_some(keys, strongly=True))
            left.difference_update(found)
            if len(left) == before:
                break
        return found

    def point(self, snapshot: Snapshot, seen: Snapshot | None) -> bool:
        """Publish a snapshot in the place of the one that it was built on; tell whether it is published.

        It is safe to call again after an error.
        """
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(upto)"}
        if seen:
            condition = {
                "ConditionExpression": "epoch = :epoch AND upto = :seen",
                "ExpressionAttributeValues": {":epoch": {"S": seen.epoch}, ":seen": number(seen.upto)},
            }
        with aws_errors("publishing a snapshot of the bans"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_POINTER | snapshot_item(snapshot),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                there = error.response.get("Item")
                return bool(there) and as_snapshot(there) == snapshot
        return True

    def _ttl(self, kept_ms: int) -> dict[str, str]:
        return ttl(self._clock.now_ms() + kept_ms)


def _entry_key(epoch: str, place: int) -> Item:
    return {"pk": {"S": f"log#{epoch}#{place}"}, "sk": {"S": "log"}}


def _part_key(name: str) -> Item:
    return {"pk": {"S": name}, "sk": {"S": "part"}}


def _text(item: Mapping[str, Any], name: str) -> str:
    return str(item[name]["S"]) if name in item else ""


def _bytes(item: Mapping[str, Any]) -> bytes:
    return bytes(item["c"]["B"]) if "c" in item else b""
