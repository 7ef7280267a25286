"""The allowlist of run time and the control of the workers, as they stand in the ledger's table."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, part_of
from f2b_worker.adapters.dynamodb.acts.items import (
    ALLOW_PK,
    CONTROL_PK,
    PAUSE_PREFIX,
    RELOAD_SK,
    as_allow_entry,
    as_pause,
    as_reload,
)
from f2b_worker.domain.acts.control import Control, Pause
from f2b_worker.domain.acts.soundness import what_is_left
from f2b_worker.errors import Unreadable
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.acts.allowlist import AllowEntry

_READING = "reading allowlist and control"


class DynamoStandingOrders:
    """What a worker follows beside the bans, in one table.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        aside: Told of each item that cannot be read.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, *, aside: Callable[[Unreadable], None] = set_aside
    ) -> None:
        self._client = client
        self._table = table
        self._aside = aside
        self._numbers = count(2)
        self._mark = 1

    def mark(self) -> int:
        """Tell a number that is another one whenever allowlist or control may have changed; it makes no call."""
        return self._mark

    def look_again(self) -> None:
        """Take it that they may have changed: the ban log says so, or what it said is in a snapshot."""
        self._mark = next(self._numbers)

    def allowlist(self) -> list[AllowEntry]:
        """Read the allowlist, by network; an entry that cannot be read is named, and has no end."""
        found: list[AllowEntry | None] = []
        for item in self._items(ALLOW_PK):
            try:
                found.append(as_allow_entry(item))
            except Unreadable as error:
                self._aside(error)
                found.append(what_is_left(item["sk"].get("S")))
        return [entry for entry in found if entry]

    def control(self) -> Control:
        """Read what all workers obey; what cannot be read is named, and counts for nothing."""
        pauses: dict[str, Pause] = {}
        generation, asked_ms = 0, None
        for item in self._items(CONTROL_PK):
            name = item["sk"]["S"]
            try:
                if name == RELOAD_SK:
                    generation, asked_ms = as_reload(item)
                elif name.startswith(PAUSE_PREFIX):
                    pauses[name.removeprefix(PAUSE_PREFIX)] = as_pause(item)
            except Unreadable as error:
                self._aside(error)
        return Control(pauses, generation, asked_ms)

    def _items(self, pk: str) -> Iterator[Item]:
        return query(
            self._client,
            _READING,
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
        )


def query(client: DynamoDBClient, doing: str, **asked: Any) -> Iterator[Item]:
    """Go through all pages of a strong Query."""
    start: Any = {}
    while True:
        with aws_errors(doing):
            page = client.query(ConsistentRead=True, **asked, **start)
        yield from part_of(page, "Items", doing, list)
        if not page.get("LastEvaluatedKey"):
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
