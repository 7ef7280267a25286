"""The numbers over time, in the ledger's table.

    pk              sk             what
    tally#<day>     <hour>#<name>  what one process counted in one hour; under the name `bans`, of all bans in it
    tally           bans           what became of bans in the hour that is not over, and up to where that is known

Each process writes its own items, as a whole: to write one twice changes nothing. What became of bans is one item,
so that the numbers and the place in the log up to which they count change together, or not at all.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers
from f2b_worker.adapters.dynamodb.items import as_count, number, ttl, unreadable
from f2b_worker.adapters.dynamodb.zipped import unzipped, zipped
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.domain.tally import BANS, HOUR_MS, KEPT_MS, BanSheets, Counted, Noted, Sheet, hour_of, sheet_of
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item

_KEY = {"pk": {"S": "tally"}, "sk": {"S": BANS}}
_READING = "reading the numbers over time"
_STORING = "storing the numbers over time"


class DynamoTally:
    """The numbers over time in one table.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def note(self, name: str, sheet: Sheet) -> None:
        """Store what one process counted in one hour, in the place of what it stored of that hour before."""
        moment = _moment(sheet.hour_ms)
        item: Item = {
            "pk": {"S": _day_pk(moment)},
            "sk": {"S": f"{moment:%H}#{name}"},
            "numbers": _numbers(sheet),
            "ttl": ttl(sheet.hour_ms + HOUR_MS + KEPT_MS),
        }
        with aws_errors(_STORING):
            self._client.put_item(TableName=self._table, Item=item)

    def note_bans(self, counted: BanSheets) -> bool:
        """Store what was counted of bans, unless somebody else stored something meanwhile."""
        with aws_errors(_STORING):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_item_of_bans(counted),
                    **_condition(counted.version - 1),
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def bans(self) -> BanSheets | None:
        """Read strongly what was counted of bans; None if nobody ever did, or it cannot be read."""
        with aws_errors(_READING):
            answer = self._client.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True)
        item: Item = answer.get("Item", {})
        if not item:
            return None
        try:
            return _as_bans(item)
        except MISSHAPEN:
            set_aside(unreadable("tally", item, "numbers"))
            return None

    def read(self, first_ms: int, last_ms: int) -> list[Noted]:
        """Read what was noted of these hours, one query a day; what cannot be read is left out."""
        return [noted for item in self._items(first_ms, last_ms) if (noted := _as_noted(item))]

    def _items(self, first_ms: int, last_ms: int) -> Iterator[Item]:
        first, last = _moment(hour_of(first_ms)), _moment(last_ms)
        day = first.replace(hour=0)
        while day <= last:
            begin, end = max(first, day), min(last, day + timedelta(hours=23))
            yield from self._of_day(
                _day_pk(day), f"{begin:%H}#", f"{end:%H}$"
            )  # $ follows # in every order of texts
            day += timedelta(days=1)

    def _of_day(self, pk: str, begin: str, end: str) -> Iterator[Item]:
        with aws_errors(_READING), odd_answers(_READING):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk BETWEEN :begin AND :end",
                ExpressionAttributeValues={":pk": {"S": pk}, ":begin": {"S": begin}, ":end": {"S": end}},
            )
            for page in pages:
                yield from page.get("Items", [])


def _condition(seen: int) -> Any:
    if not seen:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {"ConditionExpression": "v = :seen", "ExpressionAttributeValues": {":seen": number(seen)}}


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _day_pk(moment: datetime) -> str:
    return f"tally#{moment:%Y-%m-%d}"


def _numbers(sheet: Sheet) -> Item:
    return {"B": zipped(sheet.as_text())}


def _sheet_of(hour_ms: int, value: Any) -> Sheet:
    return sheet_of(hour_ms, unzipped(bytes(value["B"])))


def _as_noted(item: Item) -> Noted | None:
    try:
        hour, _, name = item["sk"]["S"].partition("#")
        day = item["pk"]["S"].removeprefix("tally#")
        moment = datetime.fromisoformat(f"{day}T{hour}:00:00+00:00")
        return Noted(name, _sheet_of(int(moment.timestamp()) * 1000, item["numbers"]))
    except MISSHAPEN:
        set_aside(unreadable("tally", item, "numbers"))
        return None


def _item_of_bans(counted: BanSheets) -> Item:
    upto = counted.upto
    item: Item = {
        **_KEY,
        "epoch": {"S": upto.epoch},
        "n": number(upto.number),
        "heard_ms": number(upto.heard_ms),
        "ended_ms": number(upto.ended_ms),
        "hour_ms": number(counted.sheet.hour_ms),
        "numbers": _numbers(counted.sheet),
        "by": {"S": counted.by},
        "v": number(counted.version),
    }
    if counted.before is not None:
        item |= {"before_ms": number(counted.before.hour_ms), "before": _numbers(counted.before)}
    return item


def _as_bans(item: Item) -> BanSheets:
    upto = Counted(item["epoch"]["S"], *(as_count(item[name]) for name in ("n", "heard_ms", "ended_ms")))
    before = _sheet_of(as_count(item["before_ms"]), item["before"]) if "before" in item else None
    sheet = _sheet_of(as_count(item["hour_ms"]), item["numbers"])
    return BanSheets(upto, sheet, before, item["by"]["S"], as_count(item["v"]))
