"""The items of a POST, each read for itself: what can be stored, and how many cannot, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.addresses import plain_address
from f2b_worker.domain.judge.infractions import Infraction, Reason, Refusal
from f2b_worker.domain.judge.sorting import FUTURE_ALLOWED_MS
from f2b_worker.shim.packing import PACK_BYTES_MAX, size_bytes
from f2b_worker.wire import read_simple, take_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CHUNK_ITEMS_MAX = 1_000
TOLD_MAX = 100
"""So many of those that were not stored are told one by one."""

_DETAIL_CHARACTERS_MAX = 240


class Placed(NamedTuple):
    """An infraction and its place in the request."""

    place: int
    infraction: Infraction


class Told(NamedTuple):
    """One that was not stored, as its reporter hears of it."""

    place: int
    status: int
    reason: str
    detail: str

    def as_result(self) -> dict[str, object]:
        """Write it as the answer has it."""
        return {"index": self.place, "status": self.status, "reason": self.reason, "detail": self.detail}


class Span(NamedTuple):
    """Places of a request of which those with an id, or those without, were not stored, and may be sent again."""

    first: int
    last: int
    with_id: bool


@dataclass(slots=True)
class Items:
    """The items of a request, as far as they were read.

    Of those that cannot be stored the first are kept as they are told, and of the rest only how many there are.

    Attributes:
        takes_place: Tells whether one more infraction may wait to be stored, and takes the place for it.
        number: How many items there are.
        placed: How many places were taken.
        good: What can be stored.
        bad: How many cannot, by their reason.
        told: The first of those.
        crowded: How many could have been stored, and find no place to wait.
        first_crowded: The first of those.
        crowded_spans: Where those are, without an id and with one.
    """

    takes_place: Callable[[], bool]
    number: int = 0
    placed: int = 0
    good: list[Placed] = field(default_factory=list)
    bad: Counter[str] = field(default_factory=Counter)
    told: list[Told] = field(default_factory=list)
    crowded: int = 0
    first_crowded: list[int] = field(default_factory=list)
    crowded_spans: dict[bool, Span] = field(default_factory=dict)

    def refuse_all(self, refusal: Refusal) -> None:
        """Take it that all of it is one item, and what that is."""
        self.number = self.crowded = 0
        for each in (self.good, self.bad, self.told, self.first_crowded, self.crowded_spans):
            each.clear()
        self.take(refusal)

    def take(self, read: Infraction | Refusal) -> None:
        """Take the next item."""
        place = self.number
        self.number += 1
        if isinstance(read, Refusal):
            self.bad[read.reason] += 1
            if len(self.told) < TOLD_MAX:
                self.told.append(Told(place, 400, str(read.reason), bounded(read.detail)))
        elif not self.crowded and self.takes_place():
            self.placed += 1
            self.good.append(Placed(place, read))
        else:
            self._turn_away(place, with_id=read.id != "")

    def _turn_away(self, place: int, *, with_id: bool) -> None:
        """Count one that finds no place; all that follow find none either, so that it is said where they begin."""
        self.crowded += 1
        if len(self.first_crowded) < TOLD_MAX:
            self.first_crowded.append(place)
        known = self.crowded_spans.get(with_id)
        self.crowded_spans[with_id] = Span(known.first if known else place, place, with_id)


def bounded(detail: str) -> str:
    """Keep an answer small, whatever stands in it: JSON has up to twelve bytes for one character."""
    if not detail.isascii():
        detail = detail.encode("ascii", "backslashreplace").decode()
    return detail if len(detail) <= _DETAIL_CHARACTERS_MAX else f"{detail[: _DETAIL_CHARACTERS_MAX - 3]}..."


def read_infraction(item: object, *, jail: str | None, now_ms: int) -> Infraction | Refusal:
    """Read one infraction, as strictly as the worker that will judge it; 3.0 is a whole number here."""
    if not isinstance(item, dict) or "ip" not in item:
        item = take_out(item)
        if isinstance(item, Refusal):
            return item
    if jail is not None:
        item = {"jail": jail} | item
    weight = item.get("weight")
    if isinstance(weight, float) and weight.is_integer():  # JSON Schema, and so OpenAPI, takes 3.0 for 3
        item = item | {"weight": int(weight)}
    one = read_simple(item, "", now_ms)
    if isinstance(one, Refusal):
        return one
    try:
        ip = plain_address(one.ip)
    except ValueError as error:
        return Refusal(Reason.BAD_ADDRESS, str(error), item)
    if one.at_ms > now_ms + FUTURE_ALLOWED_MS:
        return Refusal(Reason.IN_FUTURE, "at: this is more than 5 minutes ahead of this clock", item)
    # A worker that is older than this shim reads nothing around an address.
    return one if ip is one.ip else one._replace(ip=ip)


def chunks(items: Sequence[Placed]) -> Iterator[list[Placed]]:
    """Cut into parts that are stored as one message each, all or none."""
    for named in (False, True):
        part: list[Placed] = []
        part_bytes = 0
        for item in items:
            if (item.infraction.id != "") is not named:
                continue
            more_bytes = size_bytes(item.infraction)
            if part and (part_bytes + more_bytes > PACK_BYTES_MAX or len(part) >= CHUNK_ITEMS_MAX):
                yield part
                part, part_bytes = [], 0
            part.append(item)
            part_bytes += more_bytes
        if part:
            yield part
