"""The bans in the ledger's table, as the enforcer and the command line read them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import ODD, aws_errors, odd_answer, odd_answers, part_of
from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.acts.orders import DynamoStandingOrders
from f2b_worker.adapters.dynamodb.ban_log.follower import BanLogFollower
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
from f2b_worker.adapters.dynamodb.batch_reading import READ_MAX, read_items
from f2b_worker.adapters.dynamodb.items import (
    HISTORY_PREFIX,
    STATE_PREFIX,
    address_pk,
    as_last_ban,
    as_offender,
    as_past_ban,
    as_standing,
    state_key,
    version_of,
    who_of,
)
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.errors import F2bError, Unreadable
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports import StandingBan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
    from f2b_worker.ports import Clock

_READING = "reading the bans"


class DynamoBanBook:
    """The bans in one DynamoDB table.

    Args:
        client: A DynamoDB client.
        table: The table's name; `f2b provision` makes it.
        clock: This reader's own time.
        aside: Told of each item that cannot be read.

    Attributes:
        orders: What else is followed: it is told of by whoever follows the bans.
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
        self.orders = DynamoStandingOrders(client, table, aside=aside)

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

    def last_bans(self, whom: Collection[OffenderId]) -> dict[OffenderId, Ban | F2bError]:
        """Read the last bans of many, each with the infractions that it is backed by."""
        found: dict[OffenderId, Ban | F2bError] = {}
        for batch in batches(whom, READ_MAX):
            try:
                found |= self._last_bans(batch)
            except F2bError as error:
                found |= dict.fromkeys(batch, error)
        return found

    def _last_bans(self, batch: Sequence[OffenderId]) -> dict[OffenderId, Ban | F2bError]:
        keys = {who: state_key(who) for who in batch}
        items = read_items(self._client, self._table, keys.values(), _READING)
        found: dict[OffenderId, Ban | F2bError] = {}
        for who, key in keys.items():
            try:
                with self._told(), odd_answers(_READING):
                    ban = as_last_ban(items.get((key["pk"]["S"], key["sk"]["S"]), {}))
            except F2bError as error:
                found[who] = error
            else:
                found |= {who: ban} if ban else {}
        return found

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Have an item named that cannot be read, whatever becomes of it then."""
        try:
            yield
        except Unreadable as error:
            self._aside(error)
            raise

    def follow(self) -> BanLogFollower:
        """Follow the bans from now on: what was logged before a poll is known after it."""
        items = BanLogItems(self._client, self._table, self._clock)
        reader = BanLogReader(items, self._clock, aside=self._aside, looked=self.orders.look_again)
        return BanLogFollower(reader, self._clock)

    def standing(self) -> list[StandingBan]:
        """Read the last ban of every offender; one that ended more than 15 minutes ago may be left out.

        Raises:
            F2bError: If DynamoDB does not answer, or leaves something unread.
        """
        return self.follow().look()

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first."""
        bans: list[Ban] = []
        last: Ban | None = None
        for item in self._of_address(who.key):
            try:
                if item["sk"]["S"] == f"{STATE_PREFIX}{who.jail}":
                    last = as_last_ban(item)
                elif item["sk"]["S"].startswith(f"{HISTORY_PREFIX}{who.jail}#"):
                    bans.append(as_past_ban(item))
            except Unreadable as error:
                self._aside(error)
            except ODD as error:
                raise odd_answer(_READING, error) from error
        # A ban is put into the history before the next one stands in its place: it may be in both.
        return [*(ban for ban in bans if last is None or ban.start_ms != last.start_ms), *([last] if last else [])]

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail, ended ones included."""
        return list(self._readable(self._of_address(key, STATE_PREFIX)))

    def _readable(self, items: Iterable[Item]) -> Iterator[StandingBan]:
        """Read bans; one that cannot be read is told of, and named if its key says whose it is."""
        for item in items:
            try:
                standing = as_standing(item)
                if standing:
                    yield standing
            except Unreadable as error:
                self._aside(error)
                who = who_of(item)
                if who:
                    yield StandingBan(who, UNREADABLE)
            except ODD as error:
                raise odd_answer(_READING, error) from error

    def _of_address(self, key: str, prefix: str = "") -> Iterator[dict[str, Any]]:
        """Go through the items of one address."""
        condition, values = "pk = :pk", {":pk": {"S": address_pk(key)}}
        if prefix:
            condition, values = f"{condition} AND begins_with(sk, :prefix)", {**values, ":prefix": {"S": prefix}}
        with aws_errors(_READING):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                ConsistentRead=True,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
            for page in pages:
                yield from part_of(page, "Items", _READING, list)
