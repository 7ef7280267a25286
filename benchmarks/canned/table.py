"""A DynamoDB table in memory: items by key, the local index `changes`, key conditions, what a write is charged."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.canned.expressions import COMPARISONS, refuse
from localstack.units import size_bytes, write_units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.canned.expressions import Item, Value

_KEY_PART = re.compile(r"(\S+)\s*(=|>=|>|<=|<)\s*(\S+)|begins_with\s*\(\s*(\S+?)\s*,\s*(\S+?)\s*\)")


class Table:
    """Items by key, and the local index."""

    def __init__(self) -> None:
        self.partitions: dict[str, dict[str, tuple[Item, int]]] = {}
        self.changed: dict[str, list[tuple[int, str]]] = {}

    def get(self, pk: str, sk: str) -> tuple[Item, int] | None:
        """Look an item up, with its size."""
        partition = self.partitions.get(pk)
        return partition.get(sk) if partition is not None else None

    def put(self, pk: str, sk: str, item: Item, old: tuple[Item, int] | None) -> int:
        """Store an item in the place of *old*; answer the write units."""
        new_bytes = size_bytes(item)
        self.partitions.setdefault(pk, {})[sk] = (item, new_bytes)
        units = write_units(max(new_bytes, old[1]) if old else new_bytes)
        if "changed_ms" in item:
            return units + self._index(pk, sk, item, old, units)
        return units

    def _index(self, pk: str, sk: str, item: Item, old: tuple[Item, int] | None, units: int) -> int:
        moved = old is None or old[0].get("changed_ms") != item["changed_ms"]
        if moved:
            insort(self.changed.setdefault(pk, []), (int(item["changed_ms"]["N"]), sk))
        return units * 2 if moved and old and "changed_ms" in old[0] else units

    def delete(self, pk: str, sk: str) -> int:
        """Remove an item; answer the write units."""
        old = self.partitions.get(pk, {}).pop(sk, None)
        return write_units(old[1]) if old else 1

    def in_order(self, pk: str) -> Iterator[tuple[Item, int]]:
        """Go through one partition by sort key."""
        partition = self.partitions.get(pk, {})
        return (partition[sk] for sk in sorted(partition))

    def changed_since(self, pk: str, since_ms: int) -> Iterator[tuple[Item, int]]:
        """Go through one partition by the index, from *since_ms* on."""
        entries = self.changed.get(pk, [])
        partition = self.partitions.get(pk, {})
        for changed_ms, sk in entries[bisect_left(entries, (since_ms, "")) :]:
            found = partition.get(sk)
            if found and found[0].get("changed_ms") == {"N": str(changed_ms)}:
                yield found  # else the entry is of a state that has been replaced since


@dataclass(slots=True)
class Bounds:
    """A key condition: one partition, and what the sort key must be."""

    pk: str
    least: int = 0
    index_key: tuple[str, ...] = ()
    tests: list[tuple[str, Callable[[Value | None, Value | None], bool], Value]] = field(default_factory=list)

    @classmethod
    def of(cls, request: dict[str, Any]) -> Bounds:
        """Read the KeyConditionExpression."""
        names = request.get("ExpressionAttributeNames", {})
        values = request["ExpressionAttributeValues"]
        bounds = cls("", index_key=("changed_ms",) if "IndexName" in request else ())
        for part in re.split(r"\s+AND\s+", request["KeyConditionExpression"]):
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
        elif name == "changed_ms" and sign == ">=":
            self.least = int(value["N"])
        else:
            compare = _begins_with if sign == "prefix" else COMPARISONS[sign]
            self.tests.append((name, compare, value))

    def hold(self, item: Item) -> bool:
        """Tell whether an item of the partition is asked for."""
        return all(compare(item.get(name), value) for name, compare, value in self.tests)


def _begins_with(one: Value | None, prefix: Value | None) -> bool:
    return bool(one and prefix and one["S"].startswith(prefix["S"]))
