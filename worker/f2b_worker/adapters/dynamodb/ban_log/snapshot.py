"""Which parts make everything that the ban log said up to a number: a base, and deltas on it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.dynamodb.items import number, unreadable
from f2b_worker.adapters.remedies import MISSHAPEN

if TYPE_CHECKING:
    from f2b_worker.adapters.dynamodb.items import Item


@dataclass(frozen=True, slots=True)
class Part:
    """What the numbers above *after*, up to *upto*, made of the bans; after 0 it is a base, which forgets.

    Attributes:
        id: Nobody else's, so that what is half written is in nobody's way.
        items: Over how many items it goes.
        bytes: How large all of them are.
        made_ms: When it was written.
    """

    id: str
    items: int
    after: int
    upto: int
    bytes: int
    made_ms: int

    @property
    def names(self) -> list[str]:
        """The partition keys of its items, in their order."""
        return [part_name(self.id, place) for place in range(self.items)]


def part_name(part_id: str, place: int) -> str:
    """Name the partition of one item of a part."""
    return f"part#{part_id}#{place}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the pointer names.

    Attributes:
        epoch: Of which log.
        upto: Everything up to this number is in it.
        parts: A base, and the deltas on it in their order.
        bans: How many bans the base and its deltas hold together, for people.
    """

    epoch: str
    upto: int
    parts: tuple[Part, ...]
    bans: int

    @property
    def base(self) -> Part:
        """The first part."""
        return self.parts[0]

    @property
    def deltas(self) -> tuple[Part, ...]:
        """What was written since."""
        return self.parts[1:]

    def deltas_from(self, place: int) -> tuple[Part, ...]:
        """Choose the deltas that tell everything from *place* on; none if that stands in the base alone."""
        later = tuple(part for part in self.deltas if part.upto > place)
        return later if later and later[0].after <= place else ()


def snapshot_item(snapshot: Snapshot) -> Item:
    """Write a snapshot's attributes."""
    return {
        "epoch": {"S": snapshot.epoch},
        "upto": number(snapshot.upto),
        "bans": number(snapshot.bans),
        "parts": {"L": [{"M": _part_item(part)} for part in snapshot.parts]},
    }


def _part_item(part: Part) -> Item:
    numbers = ("items", "after", "upto", "bytes", "made_ms")
    return {"id": {"S": part.id}, **{name: number(getattr(part, name)) for name in numbers}}


def as_snapshot(item: Any) -> Snapshot:
    """Read a snapshot's attributes.

    Raises:
        Unreadable: If something in them is not what a scribe writes.
    """
    try:
        parts = tuple(_as_part(each["M"]) for each in item["parts"]["L"])
        snapshot = Snapshot(item["epoch"]["S"], int(item["upto"]["N"]), parts, _bans(item))
        if not parts or parts[0].after:
            raise ValueError("parts")
    except MISSHAPEN as error:
        raise unreadable("snapshot", item, "parts") from error
    return snapshot


def _bans(item: Any) -> int:
    with suppress(*MISSHAPEN):
        return int(item["bans"]["N"])
    return 0  # for people only


def _as_part(item: Any) -> Part:
    return Part(
        id=item["id"]["S"],
        items=int(item["items"]["N"]),
        after=int(item["after"]["N"]),
        upto=int(item["upto"]["N"]),
        bytes=int(item["bytes"]["N"]),
        made_ms=int(item["made_ms"]["N"]),
    )
