"""Transactions on the state file, beside those of other connections."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from f2b_worker.adapters.sqlite.file import BUSY_S, sqlite_errors
from f2b_worker.adapters.sqlite.private import make_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_ASK_EVERY_S = 0.0002


class Writer:
    """Writes through one connection, for any number of threads.

    Args:
        connection: Used by nobody else.
        busy_s: How long a transaction waits for those of other connections.
    """

    def __init__(self, connection: sqlite3.Connection, *, busy_s: float = BUSY_S) -> None:
        self._connection = connection
        self._busy_s = busy_s
        self._lock = threading.Lock()
        connection.execute("PRAGMA busy_timeout = 0")

    def do(self, doing: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run *work* in a transaction; returns only when what it wrote is as safe as the connection makes it.

        Args:
            doing: For the text of an error.
            work: Writes.

        Raises:
            F2bError: If nothing, or perhaps nothing, of it was stored.
        """
        with self._lock, sqlite_errors(doing):
            self._begin()
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite has rolled back by itself after some failures
                    self._connection.execute("ROLLBACK")
                raise
        return result

    def copy(self, to: Path) -> None:
        """Write what the file holds now into a new file of this user's, wherever the file itself is by now.

        Raises:
            F2bError: If that is not possible, or *to* exists and is not empty.
        """
        make_private(to)
        with self._lock, sqlite_errors(f"saving it to {to}"):
            self._connection.execute("VACUUM INTO ?", (str(to),))

    def close(self) -> None:
        """Close the connection, after the transaction that is under way."""
        with self._lock:
            self._connection.close()

    def _begin(self) -> None:
        """Begin to write, as soon as nobody else does.

        SQLite's own waiting sleeps up to a tenth of a second at a time, while others write for a few milliseconds
        (https://www.sqlite.org/c3ref/busy_timeout.html).
        """
        ends_s = time.monotonic() + self._busy_s
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends_s:
                    raise
                time.sleep(_ASK_EVERY_S)
            else:
                return
