"""The scribe: it fills the holes of the ban log, and folds the log into a snapshot from which readers start.

A snapshot of what the log says up to a number is right whoever made it. So the lease of the scribe saves work, and
nothing depends on it: the pointer to a snapshot moves forward only, from the very one that the new one builds on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from f2b_worker.adapters.dynamodb.ban_log.items import DAY_MS, BanLogItems, Entry
from f2b_worker.adapters.dynamodb.ban_log.parts import Draft
from f2b_worker.adapters.dynamodb.ban_log.reader import HOLE_S, BanLogReader
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Snapshot
from f2b_worker.domain.ban_log.packed import PackedBans
from f2b_worker.ports import Changes, Deaf, StandingBan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.ban_log.packing import Unpacked
    from f2b_worker.adapters.dynamodb.ban_log.reader import Reading
    from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.domain.ban_log.cursor import Cursor
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import BanListener, Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

NUMBERS_MAX = 1_000
"""So many numbers after the last snapshot there is another one."""

BYTES_MAX = 1_000_000
"""After so much there is another one, too."""

EVERY_S = 600.0
"""And after so long, if anything has changed."""

DELTAS_MAX = 16
"""More deltas than these are made one, so that a start reads few items."""

PUBLISHED_WITHIN_S = 3_600.0
"""A part that was begun so long ago is not published: nobody may read it so late that it has gone.

Its items are kept for 15 days, and the base that names them is replaced after one.
"""

WRITING_S = 1.0
"""So long a tick writes at a stretch; in between the log is followed, and the lease is renewed."""

_CHANGE_BYTES = 16  # about, packed


@dataclass(frozen=True, slots=True)
class _Publication:
    """A snapshot whose last part is being written.

    Attributes:
        cursor: Where the log was when it was begun.
        began_s: When that was.
        kept: The parts of the last snapshot that go on.
        draft: The part after them.
    """

    cursor: Cursor
    began_s: float
    kept: tuple[Part, ...]
    draft: Draft


class Scribe:
    """Makes snapshots; one thread at a time.

    Args:
        items: The log, read strongly.
        reader: Follows it, and never goes on from a snapshot by itself: see `lag_max`.
        clock: Tells when a snapshot is due, and how old it is.
        listener: Hears each change in the order of the log. It has stored what it heard before a snapshot takes
            its place: who begins with that snapshot is told of no single change in it.
    """

    def __init__(
        self, items: BanLogItems, reader: BanLogReader, clock: Clock, listener: BanListener | None = None
    ) -> None:
        assert items.is_strong
        self._items = items
        self._reader = reader
        self._clock = clock
        self._listener = listener or Deaf()
        self._begin_with(None)

    def _begin_with(self, snapshot: Snapshot | None) -> None:
        self._cursor: Cursor | None = None
        self._snapshot = snapshot
        self._bans = PackedBans()  # what the log says up to the cursor
        self._above: dict[int, Unpacked] = {}  # what it says above
        self._bytes = 0
        self._due_s = self._clock.monotonic_s() + EVERY_S
        self._publication: _Publication | None = None
        self._is_behind = False

    @property
    def is_behind(self) -> bool:
        """Whether there is more to do at once: numbers to read, or a part to write."""
        return self._is_behind or self._publication is not None

    @property
    def complete_ms(self) -> float:
        """Up to which time of the day everything is known that was logged; minus infinity if nobody knows."""
        return self._reader.complete_ms(self._cursor) if self._cursor else float("-inf")

    def tick(self) -> Changes:
        """Follow the log, fill its holes, and publish a snapshot if one is due; call it every other second.

        Returns:
            The bans that it has learned of; where those are all, `standing` has them.

        Raises:
            F2bError: If DynamoDB did not answer; the next call goes on, and may leave out what this one learned.
        """
        reading = self._reader.follow(self._cursor) if self._cursor else self._reader.start()
        if reading.is_anew or reading.snapshot:
            self._begin_anew(reading)
            self._is_behind = True
            return Changes((), is_all=True)
        self._is_behind = not reading.is_last
        self._cursor = reading.cursor
        self._above.update(reading.entries)
        changed = self._fold(reading.cursor)
        if self._void(reading.cursor):
            if self._publication is None and self._is_due(reading.cursor):
                self._publication = self._begun(reading.cursor)
            if self._publication:
                self._write_on(self._publication)
        return Changes([_standing(change) for who in changed if (change := self._bans.get(who))])

    def standing(self) -> Iterator[StandingBan]:
        """Go through the last bans of all that it knows."""
        return map(_standing, self._bans)

    def _begin_anew(self, reading: Reading) -> None:
        if not reading.is_anew:  # deltas would not tell what the snapshot's base holds
            reading = self._reader.start()
        self._begin_with(reading.snapshot)
        upto = {part.id: part.upto for part in reading.snapshot.parts} if reading.snapshot else {}
        for part, changes in reading.parts.items():
            self._bans.take_in(changes, upto[part])
        self._cursor = reading.cursor
        self._listener.begin(reading.cursor.epoch, reading.cursor.number, self._bans.numbered)

    def _fold(self, cursor: Cursor) -> set[OffenderId]:
        changed: set[OffenderId] = set()
        for place in sorted(place for place in self._above if place <= cursor.number):
            changes = self._above.pop(place).changes
            self._bans.take_in(changes, place)
            self._listener.hear(place, changes)
            changed.update(change.who for change in changes)
            self._bytes += _CHANGE_BYTES * len(changes)
        return changed

    def _void(self, cursor: Cursor) -> bool:
        """Fill the numbers that have been missing for long; False if they expired, for a snapshot has them."""
        missing = cursor.missed_for(HOLE_S, self._clock.monotonic_s())
        if not missing:
            return True
        there = self._items.snapshot()
        if there is None:  # nobody knows what has expired
            raise self._items.without_snapshot()
        if there.epoch == cursor.epoch and there.upto >= missing[0]:
            self._cursor = None
            return False
        for place in missing:
            if self._items.put(cursor.epoch, place, Entry()) is None:
                log.info("number_voided", number=place)
        return True

    def _is_due(self, cursor: Cursor) -> bool:
        last = self._snapshot.upto if self._snapshot else 0
        behind = cursor.number - last
        is_late = self._clock.monotonic_s() >= self._due_s and self._bans.last_number > last
        return behind >= NUMBERS_MAX or self._bytes >= BYTES_MAX or is_late or self._is_base_old

    @property
    def _is_base_old(self) -> bool:
        """Whether the parts would go in time, even if nothing has changed since."""
        return self._snapshot is not None and self._clock.now_ms() - self._snapshot.base.made_ms >= DAY_MS

    def _begun(self, cursor: Cursor) -> _Publication:
        last = self._snapshot
        assert last, "a log begins with a snapshot"
        kept, changes = self._what_to_write(cursor, last)
        after = kept[-1].upto if kept else 0
        draft = Draft(self._items, changes, self._clock, after=after, upto=cursor.number)
        self._bytes = 0
        return _Publication(cursor, self._clock.monotonic_s(), kept, draft)

    def _write_on(self, publication: _Publication) -> None:
        now_s = self._clock.monotonic_s
        stop_s = now_s() + WRITING_S
        while not publication.draft.is_done and now_s() < stop_s:
            publication.draft.write_next()
        if now_s() - publication.began_s > PUBLISHED_WITHIN_S:
            self._give_up(publication)
        elif publication.draft.is_done:
            self._publish(publication)

    def _give_up(self, publication: _Publication) -> None:
        """Let go what took too long to write: it goes when its time is over, and another one is due at once."""
        log.warning("snapshot_took_too_long", limit_s=PUBLISHED_WITHIN_S, items=publication.draft.part.items)
        self._due_s = self._clock.monotonic_s()
        self._publication = None

    def _publish(self, publication: _Publication) -> None:
        assert self._snapshot
        parts = (*publication.kept, publication.draft.part)
        bans = len(self._bans)
        self._listener.settle()
        snapshot = Snapshot(publication.cursor.epoch, publication.cursor.number, parts, bans)
        if not self._items.point(snapshot, self._snapshot):
            self._cursor = None  # somebody else's is there: go on from it
            self._publication = None
            return
        self._go_on_from(snapshot, publication)
        log.debug("snapshot_published", upto=snapshot.upto, parts=len(parts), bans=bans)

    def _go_on_from(self, snapshot: Snapshot, publication: _Publication) -> None:
        if not snapshot.deltas:
            self._bans.forget_ended(self._reader.complete_ms(publication.cursor))
        self._snapshot = snapshot
        self._publication = None
        self._due_s = self._clock.monotonic_s() + EVERY_S

    def _what_to_write(self, cursor: Cursor, last: Snapshot) -> tuple[tuple[Part, ...], Iterable[Change]]:
        """Choose which parts stay, and which changes come after them."""
        delta_bytes = sum(part.bytes for part in last.deltas)
        if self._is_base_old or delta_bytes >= last.base.bytes // 2:
            return (), self._bans.remembered(self._reader.complete_ms(cursor))
        if len(last.deltas) >= DELTAS_MAX:
            return (last.base,), self._bans.above(last.base.upto)
        return last.parts, self._bans.above(last.upto)


def open_scribe(
    client: DynamoDBClient,
    table: str,
    clock: Clock,
    looked: Callable[[], None] = lambda: None,
    listener: BanListener | None = None,
) -> Scribe:
    """Make a scribe of one table that knows nothing yet; see `BanLogReader` for *looked*."""
    items = BanLogItems(client, table, clock)
    return Scribe(items, BanLogReader(items, clock, lag_max=None, looked=looked), clock, listener)


def _standing(change: Change) -> StandingBan:
    return StandingBan(change.who, change.ban, change.lifted_ms)
