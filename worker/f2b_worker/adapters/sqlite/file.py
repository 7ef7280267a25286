"""The state file of standalone mode: one SQLite database, its format, and SQLite's errors as ours.

    offenders      the unused hits, the last ban, and the number of its last change
    history        every ban with its evidence
    inbox          message bodies that are stored and not yet judged
    dead_letters   what was refused, and why
    notes          what the enforcer must not forget

The format has a version of its own (`PRAGMA user_version`). Only what garbage collection goes by is in days.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from f2b_worker.errors import F2bError, Invalid, Missing, StartError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
APPLICATION_ID = 0x6632622E
"""Tells a state file from other databases."""

CHANGES_MAX = 2**53
"""No change of a ban is numbered higher; what is stored as one and larger was put there by somebody else."""

BUSY_S = 5.0
"""How long somebody waits for another process."""

_CHECKPOINT_PAGES = 4000  # 16 MB of log: a checkpoint costs two more fsyncs

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE offenders (
    key TEXT NOT NULL, jail TEXT NOT NULL, hits TEXT NOT NULL, ban TEXT, revision INTEGER NOT NULL DEFAULT 0,
    changed INTEGER, kept_until_day INTEGER NOT NULL, PRIMARY KEY (key, jail)
) WITHOUT ROWID;
CREATE INDEX offenders_changed ON offenders (changed) WHERE changed IS NOT NULL;
CREATE INDEX offenders_kept ON offenders (kept_until_day);
CREATE TABLE history (
    key TEXT NOT NULL, jail TEXT NOT NULL, start_ms INTEGER NOT NULL, ban TEXT NOT NULL, evidence TEXT NOT NULL,
    kept_until_day INTEGER NOT NULL, PRIMARY KEY (key, jail, start_ms)
) WITHOUT ROWID;
CREATE INDEX history_kept ON history (kept_until_day);
CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, sent_at_ms INTEGER NOT NULL);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    message_id TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE notes (
    region TEXT NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (region, name)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""


@contextmanager
def sqlite_errors(doing: str) -> Iterator[None]:
    """Raise whatever SQLite raises as an error of ours that says what was being done."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, UnicodeError) as error:
        raise Invalid(f"{doing}: {error}") from error
    except sqlite3.Error as error:
        # A full disk, a lock that another process holds: worth another try. A damaged file is not, but whoever
        # holds messages must hold on to them until somebody has looked.
        raise Unavailable(f"{doing}: {error}") from error


def make_or_open(path: Path) -> sqlite3.Connection:
    """Open the state file to write to it, and make it if it is not there.

    A commit on this connection survives the death of the process at once, and that of the machine as soon as a
    later commit on a connection of `open_to_store` has returned. Commits reach the disk in their order: no message
    is gone before all that follows from it is there, and what was lost is judged again.

    Raises:
        StartError: If it cannot be opened, is no state file, or a newer f2b wrote it.
    """
    connection = _connect(path, "rwc")
    try:
        if not path.stat().st_size:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        _check(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA cache_size = -65536")  # KiB
    except sqlite3.Error as error:
        connection.close()
        raise StartError(f"cannot use state file {path}: {error}") from error
    except F2bError:
        connection.close()
        raise
    return connection


def open_to_store(path: Path) -> sqlite3.Connection:
    """Open a state file that is there to put something into it that exists nowhere else.

    A commit on this connection returns only when it is on disk, and all that was committed before.
    """
    connection = open_existing(path, writing=True)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # the holder's: somebody waits for each of our commits
    return connection


def open_existing(path: Path, *, writing: bool = False) -> sqlite3.Connection:
    """Open a state file that is there, to look into it while a worker may be writing to it.

    Raises:
        Missing: If it is not there.
        StartError: If it is no state file, or a newer f2b wrote it.
    """
    if not path.exists():
        raise Missing(f"there is no state file {path}: f2b-worker --standalone makes it")
    connection = _connect(path, "rw")
    try:
        _check(connection, path)
        if not writing:
            connection.execute("PRAGMA query_only = ON")
    except (sqlite3.Error, F2bError) as error:
        connection.close()
        if isinstance(error, F2bError):
            raise
        raise StartError(f"cannot use state file {path}: {error}") from error
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,  # transactions are begun and ended here, not by the module
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise StartError(f"cannot open state file {path}: {error}") from error


def _check(connection: sqlite3.Connection, path: Path) -> None:
    ours, version = _number(connection, "application_id"), _number(connection, "user_version")
    if ours != APPLICATION_ID:
        raise StartError(f"{path} is not a state file of f2b; give another with --state")
    if version > VERSION:
        raise StartError(
            f"a newer f2b wrote state file {path} in format {version}; this f2b knows format {VERSION}: update f2b"
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number


class FileLock:
    """The right to be the one process that works on a state file; the kernel takes it back when the process dies.

    It is held on a file beside it: SQLite's own locks on the database are lost when any handle of it is closed
    (https://www.sqlite.org/howtocorrupt.html#posix_close_bug).

    Raises:
        StartError: If another process has it.
    """

    def __init__(self, path: Path) -> None:
        beside = Path(f"{path}-lock")
        self._handle: int | None = None
        try:
            handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StartError(f"cannot open {beside}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise StartError(f"state file {path} is in use by another f2b-worker; one at a time") from error
        self._handle = handle

    def close(self) -> None:
        """Give it back; twice is no error."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class SqliteLease:
    """The right to enforce: held by whoever holds the state file, for as long as the process lives.

    Attributes:
        otherwise: What a worker that is configured otherwise enforces: there is no other.
    """

    otherwise = ""

    def hold(self) -> bool:
        """Tell that this process holds it."""
        return True

    def release(self) -> None:
        """Keep it: the next process needs the file first."""
