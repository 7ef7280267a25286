"""The bans in the ledger's table, as the enforcer and the command line read them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

from f2b_worker.adapters.answers import ODD, aws_errors, odd_answer, odd_answers, part_of
from f2b_worker.adapters.dynamodb.items import (
    HISTORY_PREFIX,
    STATE,
    as_offender,
    as_past_ban,
    as_standing,
    offender_pk,
    standing_who,
    state_key,
    version_of,
)
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.errors import Unreadable
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports import Changes, StandingBan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
    from f2b_worker.ports import Clock

SHARDS = 4
"""One partition takes 1,000 writes a second; the enforcer asks each one for changes every second."""

_READING = "reading the bans"
_OVERLAP_MS = 5_000
_LOOK_BACK_MS = 305_000


class DynamoBanBook:
    """The bans in one DynamoDB table.

    Args:
        client: A DynamoDB client; many bans are read in a fifth of the time by one made with `plain_queries`.
        table: The table's name; `f2b-worker provision` makes it.
        clock: This follower's own time.
        aside: Told of each item that cannot be read.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        clock: Clock,
        *,
        aside: Callable[[Unreadable], None] = set_aside,
    ) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._aside = aside

    def offender(self, who: OffenderId) -> Offender:
        """Read what is remembered of one offender; a stranger is an offender without a past.

        Raises:
            Unreadable: If it is there and cannot be read.
        """
        doing = f"reading {who.key} in {who.jail}"
        with aws_errors(doing):
            answer = self._client.get_item(TableName=self._table, Key=state_key(who), ConsistentRead=True)
        with self._told(), odd_answers(doing):
            item = answer.get("Item", {})
            version_of(item)
            return as_offender(item)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Have an item named that cannot be read, whatever becomes of it then."""
        try:
            yield
        except Unreadable as error:
            self._aside(error)
            raise

    def standing(self) -> Iterator[StandingBan]:
        """Read the last ban of every offender, ended ones that are still remembered included."""
        for shard in range(SHARDS):
            pages = self._query(KeyConditionExpression="pk = :pk", values={":pk": {"S": f"bans#{shard}"}})
            yield from self._readable(pages)

    def _readable(self, items: Iterable[Item]) -> Iterator[StandingBan]:
        """Read bans; one that cannot be read is told of, and named if its key says whose it is."""
        for item in items:
            try:
                yield as_standing(item)
            except Unreadable as error:
                self._aside(error)
                who = standing_who(item)
                if who:
                    yield StandingBan(who, UNREADABLE)
            except ODD as error:
                raise odd_answer(_READING, error) from error

    def changes(self, cursor: int) -> Changes:
        """Read the bans that were stored since *cursor*, some of them perhaps again; 0 reads all.

        The cursor is this follower's own time. Writers whose clocks are up to five seconds slow are seen at once.
        A ban that does not say when it was changed is not in the index, so all are read from the table itself.
        """
        now_ms = self._clock.now_ms()
        # A clock that was put back left a cursor in the future, before which others store.
        changed = self._changed_since(min(cursor, now_ms) - _OVERLAP_MS) if cursor else self.standing()
        return Changes(changed, now_ms)

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
            yield from self._readable(pages)

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first.

        How far the last one was extended stands beside the history, in the offender's state, which also outlives
        the history of a ban that was extended for months.
        """
        items = self._query(KeyConditionExpression="pk = :pk", values={":pk": {"S": offender_pk(who)}})
        last: Ban | None = None
        bans: list[Ban] = []
        for item in items:
            try:
                if item["sk"]["S"] == STATE:
                    last = as_offender(item).ban
                elif item["sk"]["S"].startswith(HISTORY_PREFIX):
                    bans.append(as_past_ban(item))
            except Unreadable as error:
                self._aside(error)
            except ODD as error:
                raise odd_answer(_READING, error) from error
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
        return list(self._readable(items))

    def _query(self, *, values: dict[str, Any], **query: Any) -> Iterator[dict[str, Any]]:
        with aws_errors(_READING):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table, ConsistentRead=True, ExpressionAttributeValues=values, **query
            )
            for page in pages:
                yield from part_of(page, "Items", _READING, list)


def partition_of(key: str) -> str:
    """Name the partition that holds the last bans of *key*."""
    return f"bans#{crc32(key.encode()) % SHARDS}"
