"""The bans in the ledger's table, as the enforcer and the command line read them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

from f2b_worker.adapters.aws import aws_errors, part_of
from f2b_worker.adapters.dynamodb.items import (
    STATE,
    as_ban,
    as_offender,
    as_standing,
    offender_pk,
    state_key,
)
from f2b_worker.ports import Changes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
    from f2b_worker.ports import Clock, StandingBan

SHARDS = 4
"""One partition takes 1,000 writes a second; the enforcer asks each one for changes every second."""

_OVERLAP_MS = 5_000
_LOOK_BACK_MS = 305_000


class DynamoBanBook:
    """The bans in one DynamoDB table.

    Args:
        client: A DynamoDB client; many bans are read in a fifth of the time by one made with `plain_queries`.
        table: The table's name; `f2b-worker provision` makes it.
        clock: This follower's own time.
    """

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def offender(self, who: OffenderId) -> Offender:
        """Read what is remembered of one offender; a stranger is an offender without a past."""
        return as_offender(self._read_state(who))

    def _read_state(self, who: OffenderId) -> Item:
        with aws_errors(f"reading {who.key} in {who.jail}"):
            answer = self._client.get_item(TableName=self._table, Key=state_key(who), ConsistentRead=True)
        return answer.get("Item", {})

    def standing(self) -> Iterator[StandingBan]:
        """Read the last ban of every offender, ended ones that are still remembered included."""
        for shard in range(SHARDS):
            pages = self._query(KeyConditionExpression="pk = :pk", values={":pk": {"S": f"bans#{shard}"}})
            for item in pages:
                yield as_standing(item)

    def changes(self, cursor: int) -> Changes:
        """Read the bans that were stored since *cursor*, some of them perhaps again; 0 reads all.

        The cursor is this follower's own time. Writers whose clocks are up to five seconds slow are seen at once.
        """
        now_ms = self._clock.now_ms()
        # A clock that was put back left a cursor in the future, before which others store.
        return Changes(self._changed_since(min(cursor, now_ms) - _OVERLAP_MS), now_ms)

    def late_changes(self, cursor: int) -> Iterator[StandingBan]:
        """Read those that writers stored whose clocks are up to five minutes slow, and much else again."""
        return self._changed_since(cursor - _LOOK_BACK_MS)

    def _changed_since(self, since_ms: int) -> Iterator[StandingBan]:
        for shard in range(SHARDS):
            pages = self._query(
                IndexName="changes",
                KeyConditionExpression="pk = :pk AND changed_ms >= :since",
                values={":pk": {"S": f"bans#{shard}"}, ":since": {"N": str(max(0, since_ms))}},
            )
            for item in pages:
                yield as_standing(item)

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first.

        How far the last one was extended stands beside the history, in the offender's state, which also outlives
        the history of a ban that was extended for months.
        """
        items = list(self._query(KeyConditionExpression="pk = :pk", values={":pk": {"S": offender_pk(who)}}))
        last = next((as_offender(item).ban for item in items if item["sk"]["S"] == STATE), None)
        bans = [as_ban(item) for item in items if item["sk"]["S"] != STATE]
        if last:
            evidence = bans.pop().evidence if bans and bans[-1].start_ms == last.start_ms else ()
            bans.append(replace(last, evidence=evidence))
        return bans

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail, ended ones included."""
        items = self._query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            values={":pk": {"S": partition_of(key)}, ":prefix": {"S": f"{key}#"}},
        )
        return [as_standing(item) for item in items]

    def _query(self, *, values: dict[str, Any], **query: Any) -> Iterator[dict[str, Any]]:
        with aws_errors("reading the bans"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table, ConsistentRead=True, ExpressionAttributeValues=values, **query
            )
            for page in pages:
                yield from part_of(page, "Items", "reading the bans")


def partition_of(key: str) -> str:
    """Name the partition that holds the last bans of *key*."""
    return f"bans#{crc32(key.encode()) % SHARDS}"
