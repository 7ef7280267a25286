"""A follower of the ban log: each poll tells what is newer than all that was told before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import Bans
from f2b_worker.ports import Changes, StandingBan

if TYPE_CHECKING:
    from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.domain.ban_log.cursor import Cursor
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
        self._bans = Bans()
        self._cursor: Cursor | None = None

    def poll(self) -> Changes:
        """Read what is new; at first, and where that cannot be told, everything.

        Raises:
            F2bError: If the table did not answer; the next poll goes on.
        """
        if self._cursor is None:
            return self._start()
        reading = self._reader.follow(self._cursor)
        if reading.is_anew:
            return self._start()
        newer = self._bans.take_in(reading.changes())
        self._go_on_from(reading.cursor)
        return Changes([_standing(change) for change in newer], is_all=False)

    def _start(self) -> Changes:
        self._cursor = None
        reading = self._reader.start()
        bans = Bans()
        bans.take_in(reading.changes())
        for _ in range(_POLLS_MAX):
            reading = self._reader.follow(reading.cursor)
            if reading.is_anew:
                bans = Bans()
            bans.take_in(reading.changes())
            if not reading.is_anew and not reading.entries and not reading.parts:
                break
        self._bans = bans
        self._go_on_from(reading.cursor)
        return Changes([_standing(change) for change in bans.newest.values()], is_all=True)

    def _go_on_from(self, cursor: Cursor) -> None:
        self._cursor = cursor
        complete_ms = self._clock.now_ms() - 1000 * (self._clock.monotonic_s() - cursor.complete_s)
        self._bans.forget_ended(complete_ms)


def _standing(change: Change) -> StandingBan:
    return StandingBan(change.who, change.ban)
