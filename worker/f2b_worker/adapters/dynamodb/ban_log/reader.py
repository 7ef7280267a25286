"""Following the ban log: the numbers that a reader has not read, or a snapshot where those are too many."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from f2b_worker.adapters.dynamodb.ban_log.packing import Unpacked, unpack
from f2b_worker.adapters.dynamodb.items import unreadable
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.domain.ban_log.cursor import Cursor
from f2b_worker.errors import Unavailable
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from f2b_worker.adapters.dynamodb.ban_log.counter import Top
    from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems, Entry
    from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part, Snapshot
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Clock

HOLE_S = 10.0
"""A number that is missing for so long was lost, or a snapshot has it since long. It is a matter of cost only."""

LAG_MAX = 200
"""Who is so many numbers behind reads what a snapshot made of them instead."""

NUMBERS_MAX = 1_000
"""So many numbers are read at once: holes among them keep nobody from what stands above."""

_BEING_REPAIRED = (
    "reading the bans: the ban log is being repaired, and has no snapshot yet; if nobody repairs it, run"
    " f2b repair"
)
_STARTS = 5  # a part that a newer snapshot replaced may go at any time


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader learns at once.

    Attributes:
        cursor: Where to go on.
        entries: What stands under each number that was read.
        snapshot: What the snapshot was that was read before, if one was.
        parts: What of it was read: of each part the changes, which may be gone through once.
        is_anew: Whether all that was known before is void: forget it first.
        looked_upto: Numbers up to this one were looked for, or stand in the snapshot.
        unread: Those of them that DynamoDB left unread.
    """

    cursor: Cursor
    entries: Mapping[int, Unpacked] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    parts: Mapping[str, Iterable[Change]] = field(default_factory=dict)
    is_anew: bool = False
    looked_upto: int = 0
    unread: frozenset[int] = frozenset()

    @property
    def is_last(self) -> bool:
        """Whether every number was looked for that the counter has given away."""
        return self.looked_upto >= self.cursor.top

    def changes(self) -> Iterator[Change]:
        """Go through all changes, once."""
        for part in self.parts.values():
            yield from part
        for entry in self.entries.values():
            yield from entry.changes

    @property
    def looks(self) -> frozenset[str]:
        """The names of items that are to be read again."""
        return frozenset().union(*(entry.looks for entry in self.entries.values()))


class BanLogReader:
    """Reads the log for one follower, which keeps the cursor.

    Args:
        items: The log.
        clock: Tells since when a number is missing.
        lag_max: How many numbers behind it goes on from a snapshot; None: never, as who makes them.
        aside: Told of each entry and part that cannot be read.
        looked: Called where the log says that other items are to be read again, or may have said so: a snapshot
            does not keep that.
    """

    def __init__(
        self,
        items: BanLogItems,
        clock: Clock,
        *,
        lag_max: int | None = LAG_MAX,
        aside: Callable[[Unreadable], None] = set_aside,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self._items = items
        self._clock = clock
        self._lag_max = lag_max
        self._aside = aside
        self._looked = looked

    def start(self) -> Reading:
        """Read the newest snapshot.

        Raises:
            F2bError: If DynamoDB does not answer, or the snapshot is not there or cannot be read.
        """
        now_s = self._clock.monotonic_s()
        return self._anew(self._items.top(strongly=True), now_s)

    def readings(self, cursor: Cursor | None) -> Iterator[Reading]:
        """Read whatever was logged before now, piece by piece; the next number is somebody's who came later.

        An entry that was acknowledged before the first call is in a piece, unless its number is `unread` in one.
        For each number is looked once, so neither holes nor numbers that are taken meanwhile make it longer.

        Raises:
            F2bError: If DynamoDB does not answer; what was read counts.
        """
        reading = self.follow(cursor) if cursor else self.start()
        yield reading
        while not reading.is_last:
            reading = self._read_numbers(reading.cursor, self._clock.monotonic_s(), above=reading.looked_upto)
            yield reading

    def _anew(self, top: Top, now_s: float) -> Reading:
        """Read the newest snapshot of the log of *top*, which was read strongly at *now_s* or later."""
        for _ in range(_STARTS):
            snapshot = self._items.snapshot()
            if snapshot is None:
                raise self._items.without_snapshot()
            if snapshot.epoch != top.epoch:
                top = self._still_with(top)
                continue
            parts = self._parts(snapshot.parts)
            if parts is not None:
                self._looked()
                cursor = Cursor(top.epoch, snapshot.upto).ask(top.number, now_s)
                return Reading(cursor, {}, snapshot, parts, is_anew=True, looked_upto=snapshot.upto)
        raise Unavailable(
            "reading the bans: each snapshot was gone before it was read; if this stays, run f2b repair"
        )

    def _still_with(self, top: Top) -> Top:
        """Read the counter again, since the snapshot is of another log: a repair may have come between the two.

        Raises:
            Unavailable: If it is of the same log still.
        """
        newer = self._items.top(strongly=True)
        if newer.epoch == top.epoch:
            raise Unavailable(_BEING_REPAIRED)
        return newer

    def follow(self, cursor: Cursor) -> Reading:
        """Read what was logged since *cursor*, a thousand numbers at most.

        Raises:
            F2bError: If DynamoDB does not answer.
        """
        now_s = self._clock.monotonic_s()
        top = self._items.top()
        if top.epoch != cursor.epoch:  # or only a stale answer, of the log before
            top = self._items.top(strongly=True)
        # An eventually consistent counter may be behind what this reader has read already.
        if top.epoch != cursor.epoch or (self._items.is_strong and top.number < cursor.number):
            return self._anew(top, now_s)
        cursor = cursor.ask(top.number, now_s)
        is_behind = self._lag_max is not None and cursor.top - cursor.number > self._lag_max
        if is_behind or cursor.missed_for(HOLE_S, now_s):
            caught_up = self._from_snapshot(cursor, top, now_s)
            if caught_up:
                return caught_up
        return self._read_numbers(cursor, now_s)

    def complete_ms(self, cursor: Cursor) -> float:
        """Tell up to which time of the day everything is known that was logged; minus infinity if nobody knows."""
        return cursor.complete_ms(now_ms=self._clock.now_ms(), now_s=self._clock.monotonic_s())

    def past(self, epoch: str, parts: Iterable[Part], places: Iterable[int]) -> Iterator[Change] | None:
        """Read what these parts and then these numbers told; None if something of the parts has gone.

        Raises:
            F2bError: If DynamoDB does not answer.
        """
        read = self._parts(parts)
        if read is None:
            return None
        entries = self._items.read(epoch, places)
        later = (self._unpacked(epoch, place, entries[place]).changes for place in sorted(entries))
        return chain.from_iterable((*read.values(), *later))

    def _from_snapshot(self, cursor: Cursor, top: Top, now_s: float) -> Reading | None:
        """Go on from a snapshot that tells more than *cursor*; None if there is none.

        Who only lags takes its deltas, which forget nothing. A base does not name what was lifted long ago, so
        whoever needs it begins with nothing.
        """
        snapshot = self._items.snapshot()
        if snapshot is None or snapshot.epoch != cursor.epoch or snapshot.upto <= cursor.number:
            return None
        deltas = snapshot.deltas_from(cursor.number)
        parts = self._parts(deltas) if deltas else None
        if parts is None:
            return self._anew(top, now_s)
        self._looked()
        return Reading(cursor.jump(snapshot.upto), {}, snapshot, parts, looked_upto=snapshot.upto)

    def _read_numbers(self, cursor: Cursor, now_s: float, *, above: int = 0) -> Reading:
        wanted = list(islice(cursor.wanted(above), NUMBERS_MAX))
        found, unread = self._items.look_for(cursor.epoch, wanted)
        entries = {place: self._unpacked(cursor.epoch, place, entry) for place, entry in found.items()}
        looked_upto = wanted[-1] if len(wanted) == NUMBERS_MAX else cursor.top
        cursor = cursor.take(found, set(wanted).difference(found, unread), now_s)
        reading = Reading(cursor, entries, looked_upto=looked_upto, unread=unread)
        if reading.looks:
            self._looked()
        return reading

    def _unpacked(self, epoch: str, place: int, entry: Entry) -> Unpacked:
        return self._read_content("log", f"log#{epoch}#{place} log", entry.content) if entry.id else Unpacked(())

    def _parts(self, parts: Iterable[Part]) -> dict[str, Iterator[Change]] | None:
        """Read parts; None if something of them has gone."""
        wanted = list(parts)
        found = self._items.read_parts(wanted)
        if len(found) < sum(part.items for part in wanted):
            return None
        return {part.id: self._changes(part, found) for part in wanted}

    def _changes(self, part: Part, found: Mapping[str, bytes]) -> Iterator[Change]:
        for name in part.names:
            yield from self._read_content("part", f"{name} part", found[name]).changes

    def _read_content(self, kind: str, name: str, content: bytes) -> Unpacked:
        """Unpack changes; what cannot be read is told of, and costs nobody else's."""
        try:
            unpacked = unpack(content)
        except MISSHAPEN:
            unpacked = Unpacked((), unreadable=1, is_whole=False)
        if not unpacked.is_whole:
            pk, _, sk = name.partition(" ")
            self._aside(unreadable(kind, {"pk": {"S": pk}, "sk": {"S": sk}}, "c"))
        return unpacked
