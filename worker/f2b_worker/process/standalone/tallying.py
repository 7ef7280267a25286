"""The numbers over time in standalone mode: what one process judges, and what becomes of the bans in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError
from f2b_worker.process.tallying import FINISHED_WITHIN_S

if TYPE_CHECKING:
    import threading

    from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook
    from f2b_worker.ports import BanListener, Clock
    from f2b_worker.process.scribe import Tallying

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 2.0


class FileChanges:
    """Tells a listener of all changes of the bans in a state file; one thread at a time.

    Args:
        book: The bans.
        listener: Hears of them.
    """

    def __init__(self, book: SqliteBanBook, listener: BanListener) -> None:
        self._book = book
        self._listener = listener
        self._cursor: int | None = None

    def tell(self) -> None:
        """Tell what changed since the last call.

        Raises:
            F2bError: If the file cannot be read; the next call goes on.
        """
        if self._cursor is None:
            cursor = self._book.newest_change()
            self._listener.begin("", cursor, self._book.numbered)
            self._cursor = cursor
        changed, self._cursor = self._book.changed_since(self._cursor)
        if changed:
            self._listener.hear(self._cursor, changed)


def tally_bans(
    changes: FileChanges, tallying: Tallying, clock: Clock, stop: threading.Event, finished: threading.Event
) -> None:
    """Count what becomes of bans until *stop*, and of the last ones when *finished*; a failure is tried again."""
    is_well = True
    while not clock.wait(stop, EVERY_S):
        is_well = _tell(changes, is_well=is_well)
        tallying.heed(clock.now_ms())
    clock.wait(finished, FINISHED_WITHIN_S)
    _tell(changes, is_well=is_well)
    tallying.settle()


def _tell(changes: FileChanges, *, is_well: bool) -> bool:
    """Tell what changed, and answer whether that went well; a failure is logged after what went well only."""
    try:
        changes.tell()
    except F2bError as error:
        if is_well:
            log.warning("tally_failed", reason=str(error))
        return False
    return True
