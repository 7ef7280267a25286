"""What the ban log tells a worker of the bans that its colleagues stored."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.adapters.batches import batches
from f2b_worker.domain.ban_log.changes import Bans, is_remembered
from f2b_worker.domain.judge.verdicts import UNREADABLE, Offender
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader, Reading
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.domain.ban_log.cursor import Cursor
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import Clock

PIECE_MAX = 5_000
"""So many changes are told at once: two megabytes, and a few milliseconds of the judge's time."""

TOLD_MAX = 200_000
"""So many bans of a snapshot are told, the latest first: more of them no judge remembers."""


class _Piece(NamedTuple):
    """Some of the news.

    Attributes:
        changes: What is told.
        cursor: Where to go on after it, if that is known.
        is_anew: Whether what was told before it may be of another log.
        has_unread: Whether DynamoDB left something unread.
    """

    changes: list[Change]
    cursor: Cursor | None
    is_anew: bool
    has_unread: bool = False


class News:
    """Goes through the ban log once, piece by piece, and remembers nothing of it; one thread at a time.

    Args:
        reader: Reads the log.
        clock: Tells which bans ended long ago.

    Attributes:
        is_anew: Whether what was told before the last piece may be of another log.
        has_more: Whether there is more of what was logged before the first of these pieces was asked for.
    """

    def __init__(self, reader: BanLogReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._cursor: Cursor | None = None
        self._rest: Iterator[_Piece] | None = None
        self.is_anew = self.has_more = False

    def read(self) -> dict[OffenderId, Offender]:
        """Read a piece of what was logged since this was last asked, at first of what the newest snapshot holds.

        Raises:
            F2bError: If DynamoDB does not answer; the next call goes on, perhaps with what was told already.
        """
        rest, self._rest, self.has_more = self._rest or self._pieces(), None, False
        piece = next(rest)
        next_piece = next(rest, None)
        if next_piece:
            self._rest = chain((next_piece,), rest)
        self._cursor = piece.cursor or self._cursor
        self.is_anew, self.has_more = piece.is_anew, bool(next_piece) or piece.has_unread
        return _news(piece.changes)

    def _pieces(self) -> Iterator[_Piece]:
        """Go through pieces, at least one; each says where to go on once it was told."""
        told: list[Change] = []
        cursor: Cursor | None = None
        is_anew = has_unread = False
        try:
            for reading in self._reader.readings(self._cursor):
                is_anew |= reading.is_anew
                has_unread |= bool(reading.unread)
                for changes in batches(self._changes(reading), PIECE_MAX):
                    if told and len(told) + len(changes) > PIECE_MAX:
                        yield _Piece(told, cursor, is_anew)
                        told, is_anew = [], False
                    told += changes
                cursor = reading.cursor
        except F2bError:
            if cursor is None:
                raise
            has_unread = True  # what was read counts
        yield _Piece(told, cursor, is_anew, has_unread)

    def _changes(self, reading: Reading) -> Iterator[Change]:
        """Go through changes one by one: all of a snapshot at once would be hundreds of megabytes."""
        if reading.snapshot is None:
            return reading.changes()
        now_ms = self._clock.now_ms()
        latest_first = chain.from_iterable(reversed(list(reading.parts.values())))
        return islice((each for each in latest_first if is_remembered(each.ban, now_ms)), TOLD_MAX)


def _news(changes: list[Change]) -> dict[OffenderId, Offender]:
    return {
        change.who: Offender(ban=change.ban, revision=change.revision, lifted_ms=change.lifted_ms)
        for change in Bans().take_in(changes)
        if change.ban is not UNREADABLE
    }
