"""A follower of the ban log: each poll tells what is newer than all that was told before."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import Bans, is_newer, is_remembered
from f2b_worker.domain.ban_log.told import Told
from f2b_worker.errors import F2bError, Throttled
from f2b_worker.ports import Changes, StandingBan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader, Reading
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.domain.ban_log.cursor import Cursor
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import Clock

ENTRIES_MAX = 8_000
"""After so many a poll tells what it has read, so that nobody waits for the first of a long backlog."""


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

        Whoever is thousands of numbers behind is told of some now, and of the others by the next polls.

        Raises:
            F2bError: If the table did not answer; the next poll goes on, or begins again with everything.
        """
        readings = self._reader.readings(self._cursor)
        first = next(readings)
        if first.is_anew:
            return self._start(first, readings)
        newer: dict[OffenderId, Change] = {}
        last, is_complete = _read_on(
            chain((first,), readings),
            lambda reading: newer.update((each.who, each) for each in self._told.newer(reading.changes())),
            ENTRIES_MAX,
        )
        self._go_on_from(last.cursor)
        return Changes([_standing(change) for change in newer.values()], is_complete=is_complete)

    def look(self) -> list[StandingBan]:
        """Read everything, for somebody who does not go on following: nothing of it is remembered.

        Raises:
            F2bError: If the table did not answer.
        """
        readings = self._reader.readings(None)
        everything, _ = self._everything(next(readings), readings)
        return [StandingBan(who, ban, lifted_ms) for who, ban, _, lifted_ms in everything]

    def _start(self, first: Reading, rest: Iterator[Reading]) -> Changes:
        self._cursor = None
        everything, cursor = self._everything(first, rest)
        self._told = Told()
        self._go_on_from(cursor)
        return Changes(map(_standing, self._told.newer(everything)), is_all=True)

    def _everything(self, first: Reading, rest: Iterator[Reading]) -> tuple[Iterator[Change], Cursor]:
        """Read on to the end; go through the newest change of each offender, once, and tell where that was."""
        base, later = _base_and_rest(first.parts)
        last = first
        for last in rest:
            if last.unread:
                raise Throttled("reading the bans: DynamoDB leaves some of the ban log unread")
            later.take_in(last.changes())
        return _folded(base, later.newest, self._reader.complete_ms(last.cursor)), last.cursor

    def _go_on_from(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._told.forget_ended(self._reader.complete_ms(cursor))


def _read_on(readings: Iterator[Reading], take_in: Callable[[Reading], object], most: int) -> tuple[Reading, bool]:
    """Go through readings until there were as many entries; answer the last one, and whether none is missing.

    A failure ends it, too: what was read counts, and the next poll meets that failure first.
    """
    last = next(readings)
    take_in(last)
    entries, has_failed = len(last.entries), bool(last.unread)
    try:
        while entries < most:
            last = next(readings)
            take_in(last)
            entries += len(last.entries)
            has_failed |= bool(last.unread)
    except StopIteration:
        pass
    except F2bError:
        has_failed = True
    return last, last.is_last and not has_failed


def _base_and_rest(parts: Mapping[str, Iterable[Change]]) -> tuple[Iterable[Change], Bans]:
    """Part the changes of a snapshot: the many of the base, unread, and what came of the others."""
    base, *deltas = parts.values()
    later = Bans()
    for changes in deltas:
        later.take_in(changes)
    return base, later


def _folded(base: Iterable[Change], later: dict[OffenderId, Change], complete_ms: float) -> Iterator[Change]:
    """Go through the newest change of each offender, one by one: all at once would be most of a gigabyte."""
    if not later:
        yield from (change for change in base if is_remembered(change.ban, complete_ms))
    else:
        for change in base:
            other = later.get(change.who)
            if other is not None:
                if not is_newer(change, other):
                    continue
                del later[change.who]
            if is_remembered(change.ban, complete_ms):
                yield change
    yield from later.values()


def _standing(change: Change) -> StandingBan:
    return StandingBan(change.who, change.ban, change.lifted_ms)
