"""What people do by hand to the bans in the ledger's table."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors
from f2b_worker.adapters.dynamodb.acts.items import (
    LOOK_ALLOW,
    LOOK_CONTROL,
    MARK_PREFIX,
    RELOAD_KEY,
    allow_item,
    allow_key,
    as_act,
    audit_item,
    audit_key,
    mark_item,
    mark_key,
    months,
    pause_item,
    pause_key,
)
from f2b_worker.adapters.dynamodb.acts.offenders import Banning, Lifting, OffenderActs
from f2b_worker.adapters.dynamodb.acts.orders import DynamoStandingOrders, query
from f2b_worker.adapters.dynamodb.acts.reading import PAUSES_S, Reading
from f2b_worker.adapters.dynamodb.acts.transactions import Transactions
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.packing import pack
from f2b_worker.adapters.dynamodb.items import STATE_PREFIX, address_pk, name_of, number, who_of
from f2b_worker.adapters.dynamodb.patience import patiently
from f2b_worker.domain.acts.act import ACTS_KEPT_MS, AUDIT_DAYS_MAX, Act
from f2b_worker.domain.acts.control import Pause
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.errors import Unavailable, Unreadable
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.acts.allowlist import AllowEntry
    from f2b_worker.domain.acts.control import Control
    from f2b_worker.domain.acts.hand_bans import Order
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
    from f2b_worker.errors import F2bError
    from f2b_worker.ports import Clock

ENTRIES_AT_ONCE = 48
"""So many entries of the allowlist one transaction changes: two items each, of 100, beside log and audit."""

_ROUNDS = 20
_NOT_THERE = "attribute_not_exists(pk)"


class DynamoActs:
    """What people do to the bans in one DynamoDB table.

    Args:
        client: A DynamoDB client; it is used from a few threads at once.
        table: The ledger's table.
        clock: Paces what is tried again.
        kept_ms: For how long an act is remembered.
        stop: Ends a pause between two tries.
        aside: Told of each item that cannot be read.
    """

    def __init__(  # noqa: PLR0913
        self,
        client: DynamoDBClient,
        table: str,
        clock: Clock,
        *,
        kept_ms: int = ACTS_KEPT_MS,
        stop: threading.Event | None = None,
        aside: Callable[[Unreadable], None] = set_aside,
    ) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._kept_ms = kept_ms
        self._aside = aside
        stop = self._stop = stop or threading.Event()
        items = BanLogItems(client, table, clock)
        self._reading = Reading(client, table, clock, stop)
        self._transactions = Transactions(client, items, clock, stop)
        self._orders = DynamoStandingOrders(client, table, aside=aside)
        self._offenders = OffenderActs(
            client,
            table,
            clock,
            reading=self._reading,
            transactions=lambda: Transactions(client, items, clock, stop),
            kept_ms=kept_ms,
            aside=aside,
        )

    def close(self) -> None:
        """Let the threads end."""
        self._offenders.close()

    def jails_of(self, key: str) -> list[OffenderId]:
        """Find in which jails anything is remembered of one address key."""
        states = self._of_address(key, STATE_PREFIX, forward=True)
        return [who for item in states if (who := who_of(item))]

    def lift(
        self, act: Act, whom: Iterable[OffenderId], *, forget: bool = False
    ) -> dict[OffenderId, Ban | F2bError | None]:
        """End the running bans of *whom*, and spend infractions up to now."""
        return self._offenders.apply(act, whom, Lifting(act, forget=forget))

    def ban(self, act: Act, orders: Mapping[OffenderId, Order]) -> dict[OffenderId, Offender | F2bError]:
        """Carry out bans by hand."""
        return self._offenders.apply(act, orders, Banning(act, orders))

    def allow(self, act: Act, entries: Sequence[AllowEntry]) -> None:
        """Put entries on the allowlist."""
        writes = {entry.network: {"Put": self._of_table(Item=allow_item(entry))} for entry in entries}
        self._change_allowlist(act, writes, "adding to the allowlist")

    def disallow(self, act: Act, networks: Iterable[str]) -> frozenset[str]:
        """Take networks off the allowlist; answer those that were there."""
        asked = list(networks)
        there = {entry.network for entry in self.allowlist()}.intersection(asked)
        writes = {
            network: {"Delete": self._of_table(Key=allow_key(network))} if network in there else {}
            for network in asked
        }
        return self._change_allowlist(act, writes, "taking off the allowlist")

    def _change_allowlist(self, act: Act, writes: Mapping[str, Item], doing: str) -> frozenset[str]:
        """Change entries, those with an empty write only if they were changed by this act before; answer which."""
        changed: set[str] = set()
        networks = list(writes)
        for first in range(0, max(1, len(networks)), ENTRIES_AT_ONCE):
            part = {network: writes[network] for network in networks[first : first + ENTRIES_AT_ONCE]}
            changed |= self._change_entries(act, part, doing)
        return frozenset(changed)

    def _change_entries(self, act: Act, writes: Mapping[str, Item], doing: str) -> set[str]:
        for _ in range(_ROUNDS):
            marks = self._reading.items([mark_key(act, network) for network in writes])
            done = {network for network in writes if name_of(mark_key(act, network)) in marks}
            left = {network: write for network, write in writes.items() if write and network not in done}
            puts = [self._new(mark_item(act, network, self._kept_ms)) for network in left]
            content = pack((), (LOOK_ALLOW,)) if left else None
            audit = {"Put": self._of_table(Item=audit_item(act, self._kept_ms))}
            if self._transactions.write([*puts, *left.values(), audit], content, doing):
                return done | left.keys()
        raise Unavailable(f"{doing}: it changed each time")

    def allowlist(self) -> list[AllowEntry]:
        """Read the allowlist, by network."""
        return self._orders.allowlist()

    def pause(self, act: Act, blocklist: str, until_ms: int | None) -> None:
        """Have nothing written to a blocklist for a time."""
        item = pause_item(blocklist, Pause(act.at_ms, until_ms, act.by, act.reason))
        self._once(act, lambda: {"Put": self._of_table(Item=item)}, "pausing")

    def resume(self, act: Act, blocklist: str) -> bool:
        """End a pause; tell whether there was one."""
        key = pause_key(blocklist)

        def delete() -> Item | None:
            is_there = bool(self._reading.items([key]))
            return {"Delete": self._of_table(Key=key)} if is_there else None

        return self._once(act, delete, "resuming")

    def reload(self, act: Act) -> int:
        """Ask all workers to read their files again."""
        update = self._of_table(
            Key=RELOAD_KEY,
            UpdateExpression="SET at_ms = :at ADD generation :one",
            ExpressionAttributeValues={":one": number(1), ":at": number(act.at_ms)},
        )
        self._once(act, lambda: {"Update": update}, "asking for a reload")
        return patiently(self.control, self._clock, self._stop, PAUSES_S).generation

    def _once(self, act: Act, prepare: Callable[[], Item | None], doing: str) -> bool:
        """Change the control once for an act, if there is anything to change; tell whether it did, at the time."""
        for _ in range(_ROUNDS):
            found = self._reading.items([audit_key(act)])
            if found:
                (audit,) = found.values()
                return "changed" in audit
            write = prepare()
            changed: Item = {"changed": {"BOOL": True}} if write else {}
            audit_put = self._new(audit_item(act, self._kept_ms) | changed)
            content = pack((), (LOOK_CONTROL,)) if write else None
            if self._transactions.write([audit_put, *([write] if write else [])], content, doing):
                return bool(write)
        raise Unavailable(f"{doing}: it changed each time")

    def control(self) -> Control:
        """Read what all workers obey."""
        return self._orders.control()

    def note(self, act: Act) -> None:
        """Remember an act that was done elsewhere."""
        with aws_errors("noting an act"):
            self._client.put_item(TableName=self._table, Item=audit_item(act, self._kept_ms))

    def audit(self, since_ms: int, until_ms: int | None = None) -> Iterator[Act]:
        """Go through the acts of a time, the newest first."""
        now_ms = self._clock.now_ms()
        last_ms = now_ms + DAY_MS if until_ms is None else until_ms
        # Longer ago nothing is kept, whoever did it, but for the months' ends.
        first_ms = max(since_ms, min(now_ms, last_ms) - (AUDIT_DAYS_MAX + 31) * DAY_MS, 0)
        for pk in months(first_ms, last_ms):
            bounds = {":from": {"S": f"{first_ms:015d}"}, ":to": {"S": f"{last_ms:015d}~"}}
            yield from self._acts("pk = :pk AND sk BETWEEN :from AND :to", {":pk": {"S": pk}, **bounds})

    def acts_on(self, key: str) -> list[Act]:
        """Read the acts about one address key or network, the newest first."""
        found = self._readable(self._of_address(key, MARK_PREFIX, forward=False))
        return list({act.id: act for act in found}.values())

    def _of_address(self, key: str, prefix: str, *, forward: bool) -> Iterator[Item]:
        condition = "pk = :pk AND begins_with(sk, :prefix)"
        values = {":pk": {"S": address_pk(key)}, ":prefix": {"S": prefix}}
        return self._query(condition, values, forward=forward)

    def _acts(self, condition: str, values: Item) -> Iterator[Act]:
        return self._readable(self._query(condition, values, forward=False))

    def _query(self, condition: str, values: Item, *, forward: bool) -> Iterator[Item]:
        return query(
            self._client,
            "reading the acts",
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ScanIndexForward=forward,
        )

    def _readable(self, items: Iterable[Item]) -> Iterator[Act]:
        for item in items:
            try:
                yield as_act(item)
            except Unreadable as error:
                self._aside(error)

    def _new(self, item: Item) -> Item:
        return {"Put": self._of_table(Item=item, ConditionExpression=_NOT_THERE)}

    def _of_table(self, **asked: Any) -> Item:
        return {"TableName": self._table, **asked}
