"""Reading the last ban of every offender: a Scan of the whole table, in segments side by side."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.dynamodb.items import ADDRESS_PREFIX, STATE_PREFIX, as_offender, unreadable, who_of
from f2b_worker.adapters.dynamodb.patience import patiently
from f2b_worker.adapters.threads import Threads
from f2b_worker.domain.ban_log.changes import Change, is_remembered
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.errors import Unreadable
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.ports import Clock

SEGMENTS = 8
"""So many calls are under way at once: a core takes in 8,000 read units a second, of the 12,000 of a new table."""

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0, 5.0)
"""Between the tries of one page."""

_READING = "reading all states"
_ALL_STATES: Any = {
    # Strongly: what was stored before the Scan began must be in it, and no other read has a bound.
    "ConsistentRead": True,
    "FilterExpression": "begins_with(pk, :address) AND begins_with(sk, :state)",
    "ProjectionExpression": "pk, sk, ban, rev, lifted_ms",
    "ExpressionAttributeValues": {":address": {"S": ADDRESS_PREFIX}, ":state": {"S": STATE_PREFIX}},
}


@dataclass(slots=True)
class Found:
    """What was read.

    Attributes:
        changes: The last bans, without those that ended long ago; of what cannot be read UNREADABLE.
        states: How many states there are.
        unreadable: How many of them cannot be read.
    """

    changes: list[Change] = field(default_factory=list)
    states: int = 0
    unreadable: int = 0

    def add(self, other: Found) -> None:
        """Take in what was found elsewhere."""
        self.changes += other.changes
        self.states += other.states
        self.unreadable += other.unreadable


class States:
    """All states in one table.

    Args:
        client: A DynamoDB client for `SEGMENTS` threads.
        table: The ledger's table.
        clock: Paces what is tried again.
        aside: Told of each item that cannot be read, from any thread.
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
        self._over = threading.Event()
        self._lock = threading.Lock()

    def items(self) -> int:
        """Tell how many items the table had when DynamoDB counted them, within the last six hours."""
        with aws_errors(_READING):
            answer = self._client.describe_table(TableName=self._table)
        return int(part_of(answer, "Table", _READING, dict).get("ItemCount", 0))

    def look(self) -> None:
        """See that the table can be read at all.

        Raises:
            F2bError: If not.
        """
        self._page({"Limit": 1})

    def read(self, complete_ms: float, told: Callable[[int], object]) -> Found:
        """Read the last bans, without those that had ended for long at *complete_ms*.

        Args:
            complete_ms: See `Bans.remembered`.
            told: Is told of how many more items were read, whatever they are.

        Raises:
            F2bError: If DynamoDB does not answer for a while.
        """
        threads = Threads(SEGMENTS, "scan")
        try:
            reading = [threads.submit(self._segment, each, complete_ms, told) for each in range(SEGMENTS)]
            found = Found()
            for each in reading:
                found.add(each.result())
        finally:
            self._over.set()
            threads.shutdown(wait=False)
        return found

    def _segment(self, segment: int, complete_ms: float, told: Callable[[int], object]) -> Found:
        found = Found()
        place: Any = {"Segment": segment, "TotalSegments": SEGMENTS}
        try:
            while not self._over.is_set():
                page = patiently(lambda: self._page(place), self._clock, self._over, PAUSES_S)
                with odd_answers(_READING):
                    self._take(page, found, complete_ms)
                with self._lock:
                    told(int(page.get("ScannedCount", 0)))
                if not page.get("LastEvaluatedKey"):
                    return found
                place["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        except BaseException:
            self._over.set()  # what the others find is of no use
            raise
        return found

    def _page(self, place: Any) -> Any:
        with aws_errors(_READING):
            return self._client.scan(TableName=self._table, **_ALL_STATES, **place)

    def _take(self, page: Any, found: Found, complete_ms: float) -> None:
        for item in part_of(page, "Items", _READING, list):
            found.states += 1
            try:
                change = as_change(item)
            except Unreadable as error:
                self._aside(error)
                found.unreadable += 1
                change = _unreadable_change(item)
            if change and is_remembered(change.ban, complete_ms):
                found.changes.append(change)


def as_change(item: Item) -> Change | None:
    """Read the last ban of a state as the ban log tells it; None if there has been none.

    Raises:
        Unreadable: If something in it is not what a worker writes.
    """
    who = who_of(item)
    if who is None:
        raise unreadable("offender", item, "sk")
    offender = as_offender(item)
    if offender.ban is None:
        return None
    if not offender.revision:
        raise unreadable("offender", item, "rev")
    return Change(who, offender.ban, offender.revision, offender.lifted_ms)


def _unreadable_change(item: Item) -> Change | None:
    """Say that nobody may take this ban for ended; whatever can be read is newer."""
    who = who_of(item)
    return Change(who, UNREADABLE, 1) if who else None
