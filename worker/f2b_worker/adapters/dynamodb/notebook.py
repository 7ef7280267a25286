"""What an enforcer must not forget, in the ledger's table.

    pk                    sk                   what
    enforcer#<Region>     surge                since when the surge guard holds bans back, and when it was released
    enforcer#<Region>     foreign#<ARN>        the entries of one IP set that are not ours
    enforcer#<Region>     networks#<ARN>       the networks in it that bans of ours collapsed into
    enforcer#<Region>     swept                until when the ended bans had left each IP set

The guard is one item with an attribute for each writer, so that neither undoes what the other wrote.
A full set is 180 KB of IPv4 text or 430 KB of IPv6, and an item holds 400 KB: the entries are compressed.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.aws import aws_errors, part_of
from f2b_worker.domain.plan.surge import held_back_from
from f2b_worker.ports import Notes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.ports import EntryKind

_SURGE = "surge"
_SWEPT = "swept"


class DynamoNotebook:
    """The notes of the enforcers of one Region; all answers are strongly consistent.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        region: Where WAF is reached.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, region: str) -> None:
        self._client = client
        self._table = table
        self._partition = {"S": f"enforcer#{region}"}

    def read(self) -> Notes:
        """Read everything."""
        surge: dict[str, Any] = {}
        entries: dict[str, dict[str, frozenset[str]]] = {"foreign": {}, "networks": {}}
        swept_ms: dict[str, int] = {}
        with aws_errors("reading the enforcer's notes"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                ConsistentRead=True,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": self._partition},
            )
            for page in pages:
                for item in part_of(page, "Items", "reading the enforcer's notes"):
                    kind, _, arn = item["sk"]["S"].partition("#")
                    if kind == _SURGE:
                        surge = item
                    elif kind in entries:
                        entries[kind][arn] = _unpacked(item["entries"]["B"])
                    elif kind == _SWEPT:
                        swept_ms = {arn: int(each["N"]) for arn, each in item["swept_ms"]["M"].items()}
        released_ms = _number(surge, "released_ms")
        held_back_from_ms = held_back_from(_number(surge, "held_back_from_ms"), released_ms)
        return Notes(entries["foreign"], held_back_from_ms, released_ms, entries["networks"], swept_ms)

    def note_entries(self, kind: EntryKind, ip_set_id: str, entries: frozenset[str]) -> None:
        """Replace what was noted of one kind of entries in one set; none remove the note."""
        key = self._key(f"{kind}#{ip_set_id}")
        with aws_errors("noting entries of an IP set"):
            if entries:
                self._client.put_item(TableName=self._table, Item=key | {"entries": {"B": _packed(entries)}})
            else:
                self._client.delete_item(TableName=self._table, Key=key)

    def note_swept(self, swept_ms: Mapping[str, int]) -> None:
        """Replace what was noted of when the last ended ban had left each set."""
        times = {arn: {"N": str(at_ms)} for arn, at_ms in swept_ms.items()}
        with aws_errors("noting ended bans"):
            self._client.put_item(TableName=self._table, Item=self._key(_SWEPT) | {"swept_ms": {"M": times}})

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
            ConditionExpression="attribute_not_exists(released_ms) OR released_ms < :ms",
            values=_times(now_ms),
        )

    def _update(self, *, values: dict[str, Any] | None = None, **update: Any) -> None:
        given: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        with aws_errors("noting the surge guard"):
            try:
                self._client.update_item(TableName=self._table, Key=self._key(_SURGE), **update, **given)
            except self._client.exceptions.ConditionalCheckFailedException:
                return  # somebody has released later bans, too

    def _key(self, sort_key: str) -> dict[str, Any]:
        return {"pk": self._partition, "sk": {"S": sort_key}}


def _packed(entries: frozenset[str]) -> bytes:
    return zlib.compress("\n".join(sorted(entries)).encode())


def _unpacked(packed: bytes) -> frozenset[str]:
    return frozenset(zlib.decompress(packed).decode().split("\n"))


def _times(at_ms: int) -> dict[str, Any]:
    return {":ms": {"N": str(at_ms)}}


def _number(item: dict[str, Any], name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None
