"""The dead letters of a state file, as an operator reads and empties them beside the worker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.ports import StoredLetter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from f2b_worker.adapters.sqlite.writer import Writer
    from f2b_worker.ports import Clock

# As bytes: SQLite hands out no row of a query in which one text is none.
_READ = """
SELECT id, CAST(at_ms AS INTEGER), CAST(reason AS BLOB), CAST(detail AS BLOB), CAST(body AS BLOB)
FROM dead_letters ORDER BY id LIMIT ?
"""
_EVERY = -1


class SqliteDeadLetters:
    """The dead letters of one state file.

    Args:
        connection: For reading.
        writer: For writing.
        clock: Dates what is put back.
    """

    def __init__(self, connection: sqlite3.Connection, writer: Writer, clock: Clock) -> None:
        self._reading = connection
        self._writer = writer
        self._clock = clock

    def letters(self, limit: int) -> list[StoredLetter]:
        """Read up to *limit* letters."""
        with sqlite_errors("reading dead letters"):
            rows = self._reading.execute(_READ, (limit,)).fetchall()
        return [
            StoredLetter(str(number), at_ms, *(bytes(each or b"").decode(errors="replace") for each in texts))
            for number, at_ms, *texts in rows
        ]

    def take(self, wanted: Callable[[StoredLetter], bool], *, retry: bool) -> list[StoredLetter]:
        """Put the wanted letters back into the inbox, or forget them; answer which."""
        taken = [each for each in self.letters(_EVERY) if wanted(each)]
        work = partial(_take, taken, self._clock.now_ms() if retry else None)
        self._writer.do("emptying the dead letters", work)
        return taken


def _take(letters: Sequence[StoredLetter], now_ms: int | None, connection: sqlite3.Connection) -> None:
    if now_ms is not None:
        rows = [(each.body, now_ms) for each in letters]
        connection.executemany("INSERT INTO inbox (body, sent_at_ms) VALUES (?, ?)", rows)
    connection.executemany("DELETE FROM dead_letters WHERE id = ?", [(int(each.id),) for each in letters])
