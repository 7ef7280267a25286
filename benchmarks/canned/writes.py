"""Writes of the canned DynamoDB, prepared before any is done: a transaction does all of them, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.canned.expressions import Item, actions_of, condition_of, names_in
from benchmarks.canned.kinds import kind_of
from localstack.units import write_units

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from benchmarks.canned.table import Table
    from benchmarks.canned.tables import Request


@dataclass(slots=True)
class Write:
    """One write, ready to be done if its condition holds.

    Attributes:
        after: What stands there then; None where the item goes.
        holds: Whether its condition does.
        kind: What it is for, see kinds.py.
    """

    table: Table
    pk: str
    sk: str
    old: tuple[Item, int] | None
    after: Item | None
    holds: bool
    kind: str

    def units(self) -> int:
        """What it costs if its condition fails."""
        return write_units(self.old[1]) if self.old else 1

    def updated(self) -> Item:
        """The attributes that it changes, as they are then."""
        before, after = self.old[0] if self.old else {}, self.after or {}
        return {name: value for name, value in after.items() if before.get(name) != value}

    def do(self) -> int:
        """Do it; answer what it costs."""
        if self.after is None:
            return self.table.delete(self.pk, self.sk)
        return self.table.put(self.pk, self.sk, self.after, self.old)


class Writes:
    """Prepares writes of one item each.

    Args:
        find: Looks a table up by name.
    """

    def __init__(self, find: Callable[[str], Table]) -> None:
        self._find = find

    def put(self, request: Request) -> Write:
        """Prepare a whole new item."""
        item: Item = request["Item"]
        return self._prepared(request, item, lambda _: item, item)

    def update(self, request: Request) -> Write:
        """Prepare a change by an update expression."""
        names = request.get("ExpressionAttributeNames", {})
        values = request.get("ExpressionAttributeValues", {})

        def changed(before: Item) -> Item:
            after: Item = before | request["Key"]
            for action in actions_of(request["UpdateExpression"]):
                action(before, after, names, values)
            return after

        return self._prepared(request, request["Key"], changed, names_in(request["UpdateExpression"]))

    def delete(self, request: Request) -> Write:
        """Prepare to remove an item."""
        return self._prepared(request, request["Key"], lambda _: None)

    def check(self, request: Request) -> Write:
        """Prepare to look at a condition alone."""
        return self._prepared(request, request["Key"], lambda before: before)

    def _prepared(
        self, request: Request, key: Item, change: Callable[[Item], Item | None], written: Container[str] = ()
    ) -> Write:
        table = self._find(request["TableName"])
        pk, sk = key_of(key)
        old = table.get(pk, sk)
        before = old[0] if old else {}
        condition = request.get("ConditionExpression")
        holds = condition is None or condition_of(condition)(
            before, request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        )
        return Write(table, pk, sk, old, change(before) if holds else None, holds, kind_of(pk, sk, written))


def key_of(item: Item) -> tuple[str, str]:
    """Tell both parts of an item's key."""
    return item["pk"]["S"], item["sk"]["S"]
