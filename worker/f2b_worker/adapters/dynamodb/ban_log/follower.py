"""A follower of the ban log: each poll tells what is newer than all that was told before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import Bans, is_newer, is_remembered
from f2b_worker.domain.ban_log.told import Told
from f2b_worker.ports import Changes, StandingBan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader, Reading
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.domain.ban_log.cursor import Cursor
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import Clock

_POLLS_MAX = 1_000  # of a thousand numbers each: a start reads on until nothing is new


class BanLogFollower:
    """Follows the log; one thread at a time.

    Args:
        reader: Reads the log.
        clock: Tells which bans ended long ago.
    """

    def __init__(self, reader: BanLogReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._told = Told()
        self._cursor: Cursor | None = None

    def poll(self) -> Changes:
        """Read what is new; at first, and where that cannot be told, everything: then go through it once.

        Raises:
            F2bError: If the table did not answer; the next poll goes on.
        """
        if self._cursor is None:
            return self._start()
        reading = self._reader.follow(self._cursor)
        if reading.is_anew:
            return self._start()
        newer = {change.who: change for change in self._told.newer(reading.changes())}
        self._go_on_from(reading.cursor)
        return Changes([_standing(change) for change in newer.values()], is_all=False)

    def _start(self) -> Changes:
        self._cursor = None
        reading = self._reader.start()
        base, later = _base_and_rest(reading)
        for _ in range(_POLLS_MAX):
            reading = self._reader.follow(reading.cursor)
            if reading.is_anew:
                base, later = _base_and_rest(reading)
            else:
                later.take_in(reading.changes())
                if not reading.entries and not reading.parts:
                    break
        self._told = Told()
        self._go_on_from(reading.cursor)
        everything = _folded(base, later.newest, self._complete_ms(reading.cursor))
        return Changes(map(_standing, self._told.newer(everything)), is_all=True)

    def _go_on_from(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._told.forget_ended(self._complete_ms(cursor))

    def _complete_ms(self, cursor: Cursor) -> float:
        return self._clock.now_ms() - 1000 * (self._clock.monotonic_s() - cursor.complete_s)


def _base_and_rest(reading: Reading) -> tuple[Iterable[Change], Bans]:
    """Part the changes of a snapshot: the many of the base, unread, and what came of the others."""
    base, *deltas = reading.parts.values() if reading.parts else [()]
    later = Bans()
    for changes in (*deltas, *(entry.changes for entry in reading.entries.values())):
        later.take_in(changes)
    return base, later


def _folded(base: Iterable[Change], later: dict[OffenderId, Change], complete_ms: float) -> Iterator[Change]:
    """Go through the newest change of each offender, one by one: all at once would be most of a gigabyte."""
    for change in base:
        other = later.get(change.who) if later else None
        if other is not None:
            if not is_newer(change, other):
                continue
            del later[change.who]
        if is_remembered(change.ban, complete_ms):
            yield change
    yield from later.values()


def _standing(change: Change) -> StandingBan:
    return StandingBan(change.who, change.ban, change.lifted_ms)
