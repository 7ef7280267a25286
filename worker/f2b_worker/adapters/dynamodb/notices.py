"""How far each target of notices was told, in the ledger's table, and whence the news come: the ban log.

pk        sk           what
notices   <target>     up to which number of the log the target was told
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
from f2b_worker.adapters.dynamodb.items import as_count, number, ttl, unreadable
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.domain.ban_log.cursor import Cursor
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports.notices import Heard, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part, Snapshot
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Clock

KEPT_MS = 60 * DAY_MS
"""A place that nobody moved for so long is of a target that is gone, or of a fleet that bans nobody."""

READ_BACK_MAX = 5_000
"""So many numbers before its place a target reads again, to know what it was told."""

_PK = {"S": "notices"}


class DynamoPlaces:
    """The places in one table.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        clock: Tells until when they are kept.
        aside: Told of each that cannot be read.
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

    def read(self, target: str) -> Place | None:
        """Read the place of a target, strongly."""
        key: Any = {"pk": _PK, "sk": {"S": target}}
        with aws_errors("reading how far notices were told"):
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item = answer.get("Item")
        if not item:
            return None
        try:
            return _as_place(item)
        except MISSHAPEN:
            self._aside(unreadable("notices", key, "its place"))
            return None

    def keep(self, target: str, place: Place) -> None:
        """Keep it in the place of the one before."""
        item: dict[str, Any] = {
            "pk": _PK,
            "sk": {"S": target},
            "log": {"S": place.log},
            "number": number(place.number),
            "seen": {"L": [number(each) for each in place.seen]},
            "at_ms": number(place.at_ms),
            "conditions": {"L": [{"S": each} for each in place.conditions]},
            "ttl": ttl(self._clock.now_ms() + KEPT_MS),
        }
        with aws_errors("noting how far notices were told"):
            self._client.put_item(TableName=self._table, Item=item)


def _as_place(item: Any) -> Place:
    return Place(
        log=str(item["log"]["S"]),
        number=as_count(item["number"]),
        seen=tuple(as_count(each) for each in item["seen"]["L"]),
        at_ms=as_count(item["at_ms"]),
        conditions=tuple(str(each["S"]) for each in item["conditions"]["L"]),
    )


class DynamoNews:
    """Follows the ban log number by number, so that no ban is only seen as it is later.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        clock: Tells since when a number is missing.
    """

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._items = BanLogItems(client, table, clock)
        # What cannot be read the workers tell, which follow the same log.
        self._reader = BanLogReader(self._items, clock, lag_max=None, aside=_leave)
        self._cursor: Cursor | None = None
        self._is_certain = False

    def begin(self, place: Place | None, now_ms: int) -> tuple[Place, Iterable[Change]]:
        """Go on from a place, or from now on; answer what was told before it."""
        top = self._items.top(strongly=True)
        if place is None:
            place = Place(top.epoch, top.number, at_ms=now_ms)
        self._cursor = Cursor(place.log, place.number, frozenset(place.seen))
        known: Iterable[Change] = ()
        self._is_certain = False
        if place.log == top.epoch and place.number <= top.number:
            known = self._known_at(place)
        return place, known

    def poll(self) -> Iterator[Heard]:
        """Read what came since, piece by piece."""
        assert self._cursor, "begin is called first"
        for reading in self._reader.readings(self._cursor):
            is_certain = self._is_certain and not reading.is_anew
            yield Heard(reading.changes(), _place_of(reading.cursor), is_certain, reading.is_anew)
            self._cursor = reading.cursor
            self._is_certain = self._is_certain or reading.is_anew

    def _known_at(self, place: Place) -> Iterable[Change]:
        """Read all bans as they were at a place, as far as a snapshot from before it is still there."""
        snapshot = self._items.snapshot()
        parts = _parts_before(snapshot, place) if snapshot and snapshot.epoch == place.log else ()
        upto = parts[-1].upto if parts else 0
        first = max(upto, place.number - READ_BACK_MAX)
        places = (*range(first + 1, place.number + 1), *place.seen)
        known = self._reader.past(place.log, parts, places)
        self._is_certain = bool(parts) and first == upto and known is not None
        if known is None:
            known = self._reader.past(place.log, (), places)
        return known or ()


def _parts_before(snapshot: Snapshot, place: Place) -> tuple[Part, ...]:
    """Choose the parts that tell nothing from after a place; they are in their order, the base first."""
    return tuple(part for part in snapshot.parts if part.upto <= place.number)


def _place_of(cursor: Cursor) -> Place:
    return Place(cursor.epoch, cursor.number, tuple(sorted(cursor.seen)))


def _leave(error: Unreadable) -> None:
    del error
