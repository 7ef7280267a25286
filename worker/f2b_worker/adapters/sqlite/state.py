"""A state file that this process works on, alone: opened once, and shared by all that is kept in it."""

from __future__ import annotations

import os
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.file import (
    INDEX,
    LOG,
    FileLock,
    make_or_open,
    open_existing,
    open_to_store,
    sqlite_errors,
)
from f2b_worker.adapters.sqlite.place import Place
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.errors import F2bError, FileLost

if TYPE_CHECKING:
    import sqlite3


_CHECKPOINT_WAITS_MS = 100
"""Whoever wants to write waits for it."""


class StateFile:
    """The file's lock, its writer, and connections to read.

    Attributes:
        writer: Writes what would be found again, if the power failed, from messages that are still there.
        safe_writer: Writes all else: it returns only when that is on disk.
        ledger_lock: Held by who reads offenders to write them.
        place: Tells whether the file is still where a restart would open it.

    Raises:
        StartError: If it cannot be opened, or another process works on it.
    """

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)
        self.ledger_lock = threading.Lock()
        try:
            writing = make_or_open(path)
        except BaseException:
            self._lock.close()
            raise
        self.path = path
        self.writer = Writer(writing)
        self.safe_writer = Writer(open_to_store(path))
        self.place = Place(path)
        self._opened: list[sqlite3.Connection] = []

    def reader(self) -> sqlite3.Connection:
        """Open a connection that sees whatever the writer has committed; for one reader at a time.

        Readers that share one would hold each other's view back: a connection sees nothing new while any of its
        queries is under way.
        """
        self._opened.append(open_existing(self.path))
        return self._opened[-1]

    def restart_log(self) -> None:
        """Let the write-ahead log be written from its start again, if nobody reads in it just now.

        SQLite's own checkpoints do so only where nothing was written meanwhile, so under a load that never pauses
        the log may grow without end (https://www.sqlite.org/wal.html#avoiding_excessively_large_wal_files).
        """
        with sqlite_errors("restarting the log"), closing(open_existing(self.path, writing=True)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_WAITS_MS}")
            # Most of the work first, beside writers: the second one keeps them waiting.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def rescue(self) -> str:
        """Put what a lost file held where a restart finds it, or beside; answer in one line what was done.

        What was judged after that is not in the copy, but then its infractions are: they are judged again.
        """
        saved = Path(f"{self.path}-saved-{os.getpid()}")
        try:
            return self._find_whole() or self._put_back(saved)
        except (F2bError, OSError) as error:
            return f"what it held could not be saved ({error}): put a copy back, or move what is there away"

    def _find_whole(self) -> str:
        try:
            self.place.check()
            self.place.check_contents()
        except FileLost:
            return ""
        return "nothing of it is lost: a restart makes what is missing"

    def _put_back(self, saved: Path) -> str:
        try:
            self.safe_writer.copy(saved)
        except F2bError:
            saved.unlink(missing_ok=True)
            raise
        _sync(saved)
        if self.place.is_ours() is False:
            if self.place.is_ours(LOG):  # SQLite would write it into the file that is there now
                Path(f"{self.path}{LOG}").unlink()
            _sync(saved.parent)
            return f"what it held is in {saved}; a restart opens {self.path} as it is now"
        # The log first: beside the new file it would be read as that one's.
        for ending in (LOG, INDEX):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{ending}").unlink()
        saved.replace(self.path)
        _sync(saved.parent)
        return f"what it held is in {self.path} again: a restart opens it"

    def close(self) -> None:
        """Finish what was begun, and let the next process have the file; twice is no error."""
        self.writer.close()
        self.safe_writer.close()
        for each in self._opened:
            each.close()
        self.place.close()
        self._lock.close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
