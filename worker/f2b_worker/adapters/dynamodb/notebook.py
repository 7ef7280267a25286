"""What an enforcer must not forget, in the ledger's table.

    pk                    sk                   what
    enforcer#<Region>     surge                since when the surge guard holds bans back, and when it was released
    enforcer#<Region>     foreign#<ARN>        the entries of one IP set that are not ours
    enforcer#<Region>     networks#<ARN>       the networks in it that bans of ours collapsed into
    enforcer#<Region>     swept                until when the ended bans had left each IP set
    enforcer#<Region>     sets                 how the IP sets were a moment ago, for commands

The guard is one item with an attribute for each writer, so that neither undoes what the other wrote.
A full set is 180 KB of IPv4 text or 430 KB of IPv6, and an item holds 400 KB: the entries are compressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import ODD, aws_errors, odd_answer, part_of
from f2b_worker.adapters.dynamodb.items import as_count, number, unreadable
from f2b_worker.adapters.dynamodb.zipped import unzipped, zipped
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.soundness import is_whole
from f2b_worker.domain.noted_sets import as_lines, as_numbers, from_lines, from_numbers
from f2b_worker.domain.plan.surge import held_back_from
from f2b_worker.errors import Unreadable
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports import Notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.noted_sets import NotedSets, Progress
    from f2b_worker.ports import EntryKind

_SURGE = "surge"
_SWEPT = "swept"
_SETS = "sets"
_READING = "reading the enforcer's notes"


class DynamoNotebook:
    """The notes of the enforcers of one Region; all answers are strongly consistent.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        region: Where WAF is reached.
        aside: Told of each note that cannot be read.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        region: str,
        aside: Callable[[Unreadable], None] = set_aside,
    ) -> None:
        self._client = client
        self._table = table
        self._partition = {"S": f"enforcer#{region}"}
        self._aside = aside

    def read(self) -> Notes:
        """Read everything; a note that cannot be read is named, and lost."""
        surge: tuple[int | None, int | None] = (None, None)
        entries: dict[str, dict[str, frozenset[str]]] = {"foreign": {}, "networks": {}}
        swept_ms: dict[str, int] = {}
        sets: NotedSets | None = None
        lost: set[str] = set()
        for item in self._items():
            try:
                kind, _, arn = item["sk"]["S"].partition("#")
                if kind == _SURGE:
                    surge = _surge(item)
                elif kind in entries:
                    entries[kind][arn] = _entries(kind, item)
                elif kind == _SWEPT:
                    swept_ms = _swept(item)
                elif kind == _SETS:
                    sets = _sets(item)
            except Unreadable as error:
                self._aside(error)
                # An enforcer does without it. Of all others, it begins again when one can be read again.
                if kind != _SETS:
                    lost.add(item["sk"]["S"])
            except ODD as error:
                raise odd_answer(_READING, error) from error
        from_ms, released_ms = surge
        return Notes(
            entries["foreign"],
            held_back_from(from_ms, released_ms),
            released_ms,
            entries["networks"],
            swept_ms,
            frozenset(lost),
            sets,
        )

    def _items(self) -> Iterator[Item]:
        with aws_errors(_READING):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                ConsistentRead=True,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": self._partition},
            )
            for page in pages:
                yield from part_of(page, "Items", _READING, list)

    def note_entries(self, kind: EntryKind, ip_set_id: str, entries: frozenset[str]) -> None:
        """Replace what was noted of one kind of entries in one set; none remove the note."""
        key = self._key(f"{kind}#{ip_set_id}")
        with aws_errors("noting entries of an IP set"):
            if entries:
                self._client.put_item(
                    TableName=self._table, Item=key | {"entries": {"B": zipped("\n".join(sorted(entries)))}}
                )
            else:
                self._client.delete_item(TableName=self._table, Key=key)

    def note_swept(self, swept_ms: Mapping[str, int]) -> None:
        """Replace what was noted of when the last ended ban had left each set."""
        times = {arn: {"N": str(at_ms)} for arn, at_ms in swept_ms.items()}
        with aws_errors("noting ended bans"):
            self._client.put_item(TableName=self._table, Item=self._key(_SWEPT) | {"swept_ms": {"M": times}})

    def note_sets(self, noted: NotedSets) -> None:
        """Replace what was noted of how the sets are."""
        item = self._key(_SETS) | {"lines": {"B": zipped("\n".join(as_lines(noted)))}}
        if noted.progress:
            # Not a line: who knows none of that kind could not read the others.
            item["progress"] = {"M": {name: number(each) for name, each in as_numbers(noted.progress).items()}}
        with aws_errors("noting how the IP sets are"):
            self._client.put_item(TableName=self._table, Item=item)

    def note_surge(self, held_back_from_ms: int | None) -> None:
        """Note from when on new bans are held back; None: no more."""
        if held_back_from_ms is None:
            self._update(UpdateExpression="REMOVE held_back_from_ms")
        else:
            self._update(UpdateExpression="SET held_back_from_ms = :ms", values=_times(held_back_from_ms))

    def note_release(self, now_ms: int) -> None:
        """Let in all bans that start up to *now_ms*: a surge noted from that time or earlier is over."""
        self._update(
            UpdateExpression="SET released_ms = :ms",
            # What is no time at all must not stand in the way of one.
            ConditionExpression="attribute_not_exists(released_ms) OR released_ms < :ms"
            " OR NOT attribute_type(released_ms, :number) OR released_ms > :latest",
            values={**_times(now_ms), **_NO_TIMES},
        )
        self._update(
            UpdateExpression="REMOVE held_back_from_ms",
            ConditionExpression="attribute_exists(held_back_from_ms) AND"
            " (NOT attribute_type(held_back_from_ms, :number) OR held_back_from_ms > :latest)",
            values=_NO_TIMES,
        )

    def _update(self, *, values: Mapping[str, Any] | None = None, **update: Any) -> None:
        given: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        with aws_errors("noting the surge guard"):
            try:
                self._client.update_item(TableName=self._table, Key=self._key(_SURGE), **update, **given)
            except self._client.exceptions.ConditionalCheckFailedException:
                return  # somebody has released later bans, too

    def _key(self, sort_key: str) -> dict[str, Any]:
        return {"pk": self._partition, "sk": {"S": sort_key}}


def _entries(kind: str, item: Item) -> frozenset[str]:
    try:
        return frozenset(unzipped(item["entries"]["B"]).split("\n"))
    except MISSHAPEN as error:
        raise unreadable(kind, item, "entries") from error


def _surge(item: Item) -> tuple[int | None, int | None]:
    """Read since when bans are held back, and when they were last released; one is nothing without the other."""
    return _time(_SURGE, item, "held_back_from_ms"), _time(_SURGE, item, "released_ms")


def _time(kind: str, item: Item, name: str) -> int | None:
    try:
        return _as_time(item[name]) if name in item else None
    except MISSHAPEN as error:
        raise unreadable(kind, item, name) from error


def _swept(item: Item) -> dict[str, int]:
    try:
        return {arn: _as_time(each) for arn, each in item["swept_ms"]["M"].items()}
    except MISSHAPEN as error:
        raise unreadable(_SWEPT, item, "swept_ms") from error


def _sets(item: Item) -> NotedSets:
    try:
        noted = from_lines(unzipped(item["lines"]["B"]).split("\n"))
    except MISSHAPEN as error:
        raise unreadable(_SETS, item, "lines") from error
    return noted._replace(progress=_progress(item))


def _progress(item: Item) -> Progress | None:
    if "progress" not in item:
        return None
    try:
        return from_numbers({name: as_count(each) for name, each in item["progress"]["M"].items()})
    except MISSHAPEN as error:
        raise unreadable(_SETS, item, "progress") from error


def _as_time(value: Item) -> int:
    at_ms = int(value["N"])
    if not is_whole(at_ms, -FOREVER_MS, FOREVER_MS):
        raise ValueError("time")
    return at_ms


_NO_TIMES: Mapping[str, Any] = {":number": {"S": "N"}, ":latest": {"N": str(FOREVER_MS)}}


def _times(at_ms: int) -> dict[str, Any]:
    return {":ms": {"N": str(at_ms)}}
