"""The dead letters of a state file, as an operator reads and empties them beside the worker."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.ports import LETTERS_AT_ONCE, StoredLetter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from f2b_worker.adapters.sqlite.writer import Writer
    from f2b_worker.ports import Clock

# As bytes: SQLite hands out no row of a query in which one text is none.
_READ = """
SELECT id, CAST(at_ms AS INTEGER), CAST(reason AS BLOB), CAST(detail AS BLOB), CAST(body AS BLOB)
FROM dead_letters ORDER BY id LIMIT ?
"""


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

    def letters(self, limit: int) -> Iterator[StoredLetter]:
        """Go through up to *limit* letters."""
        with sqlite_errors("reading dead letters"):
            for number, at_ms, *texts in self._reading.execute(_READ, (limit,)):
                read = (bytes(each or b"").decode(errors="replace") for each in texts)
                yield StoredLetter(str(number), at_ms, *read)

    def take(
        self,
        wanted: Callable[[StoredLetter], bool],
        before: Callable[[Sequence[StoredLetter]], object],
        *,
        retry: bool,
        most: int,
        limit: int,
    ) -> list[StoredLetter]:
        """Put wanted letters back into the inbox, or forget them; answer which."""
        taken: list[StoredLetter] = []
        found = islice(filter(wanted, self.letters(limit)), most)
        for part in batches(found, LETTERS_AT_ONCE):
            before(part)
            work = partial(_take, part, self._clock.now_ms() if retry else None)
            self._writer.do("emptying the dead letters", work)
            taken += part
        return taken


def _take(letters: Sequence[StoredLetter], now_ms: int | None, connection: sqlite3.Connection) -> None:
    if now_ms is not None:
        rows = [(each.body, now_ms) for each in letters]
        connection.executemany("INSERT INTO inbox (body, sent_at_ms) VALUES (?, ?)", rows)
    connection.executemany("DELETE FROM dead_letters WHERE id = ?", [(int(each.id),) for each in letters])
