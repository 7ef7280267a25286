"""A DynamoDB table in memory: items by key, key conditions, what a write is charged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.canned.expressions import COMPARISONS, begins_with, refuse
from localstack.units import size_bytes, write_units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.canned.expressions import Item, Value

_BETWEEN = re.compile(r"(\S+)\s+BETWEEN\s+(\S+)\s+AND\s+(\S+)")
_KEY_PART = re.compile(r"(\S+)\s*(=|>=|>|<=|<)\s*(\S+)|begins_with\s*\(\s*(\S+?)\s*,\s*(\S+?)\s*\)")


class Table:
    """Items by key."""

    def __init__(self) -> None:
        self.partitions: dict[str, dict[str, tuple[Item, int]]] = {}

    def get(self, pk: str, sk: str) -> tuple[Item, int] | None:
        """Look an item up, with its size."""
        partition = self.partitions.get(pk)
        return partition.get(sk) if partition is not None else None

    def put(self, pk: str, sk: str, item: Item, old: tuple[Item, int] | None) -> int:
        """Store an item in the place of *old*; answer the write units."""
        new_bytes = size_bytes(item)
        self.partitions.setdefault(pk, {})[sk] = (item, new_bytes)
        return write_units(max(new_bytes, old[1]) if old else new_bytes)

    def delete(self, pk: str, sk: str) -> int:
        """Remove an item; answer the write units."""
        old = self.partitions.get(pk, {}).pop(sk, None)
        return write_units(old[1]) if old else 1

    def in_order(self, pk: str, *, forward: bool = True) -> Iterator[tuple[Item, int]]:
        """Go through one partition by sort key, the greatest first unless *forward*."""
        partition = self.partitions.get(pk, {})
        return (partition[sk] for sk in sorted(partition, reverse=not forward))


@dataclass(slots=True)
class Bounds:
    """A key condition: one partition, and what the sort key must be."""

    pk: str
    tests: list[tuple[str, Callable[[Value | None, Value | None], bool], Value]] = field(default_factory=list)

    @classmethod
    def of(cls, request: dict[str, Any]) -> Bounds:
        """Read the KeyConditionExpression."""
        names = request.get("ExpressionAttributeNames", {})
        values = request["ExpressionAttributeValues"]
        bounds = cls("")
        condition = _BETWEEN.sub(r"\1 >= \2 AND \1 <= \3", request["KeyConditionExpression"])
        for part in re.split(r"\s+AND\s+", condition):
            found = _KEY_PART.fullmatch(part.strip())
            if not found:
                raise refuse(request["KeyConditionExpression"])
            name, sign, value, prefixed, prefix = found.groups()
            bounds.enter(names.get(name or prefixed, name or prefixed), sign or "prefix", values[value or prefix])
        return bounds

    def enter(self, name: str, sign: str, value: Value) -> None:
        """Add one part of the condition."""
        if name == "pk":
            self.pk = value["S"]
        else:
            compare = begins_with if sign == "prefix" else COMPARISONS[sign]
            self.tests.append((name, compare, value))

    def hold(self, item: Item) -> bool:
        """Tell whether an item of the partition is asked for."""
        return all(compare(item.get(name), value) for name, compare, value in self.tests)
