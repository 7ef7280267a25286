"""A state file that this process works on, alone: opened once, and shared by all that is kept in it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite_file import FileLock, make_or_open, open_existing
from f2b_worker.adapters.sqlite_writer import GroupWriter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


class StateFile:
    """The file's lock, its writer, and connections to read.

    Attributes:
        writer: The only one that writes for this process.
        change_numbers: Numbers the changes of bans, in the order of their commits; it never goes back.

    Raises:
        StartError: If it cannot be opened, or another process works on it.
    """

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)
        try:
            writing = make_or_open(path)
        except BaseException:
            self._lock.close()
            raise
        self.path = path
        (newest,) = writing.execute("SELECT coalesce(max(changed), 0) FROM offenders").fetchone()
        self.change_numbers: Iterator[int] = count(newest + 1)
        self.writer = GroupWriter(writing)
        self._readers: list[sqlite3.Connection] = []

    def reader(self) -> sqlite3.Connection:
        """Open a connection that sees whatever the writer has committed; for one reader at a time.

        Readers that share one would hold each other's view back: a connection sees nothing new while any of its
        queries is under way.
        """
        self._readers.append(open_existing(self.path))
        return self._readers[-1]

    def close(self) -> None:
        """Finish what was begun, and let the next process have the file."""
        self.writer.close()
        for each in self._readers:
            each.close()
        self._lock.close()
