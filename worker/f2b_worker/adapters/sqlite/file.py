"""The state file of standalone mode: one SQLite database, how it is opened, and SQLite's errors as ours.

The format has a version of its own (`PRAGMA user_version`). Only what garbage collection goes by is in days.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.layout import FIRST, SECOND, THIRD
from f2b_worker.adapters.sqlite.private import check_kind, keep_private, make_private, open_private
from f2b_worker.domain.schema import UNMARKED, Known, Schema, schema_of
from f2b_worker.errors import F2bError, FileLost, Invalid, Missing, Rejected, StartError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 3
KNOWN = Known(Schema(version=VERSION, readable_from=2), oldest=2)
APPLICATION_ID = 0x6632622E
"""Tells a state file from other databases."""

CHANGES_MAX = 2**53
"""No change of a ban is numbered higher; what is stored as one and larger was put there by somebody else."""

BUSY_S = 5.0
"""How long somebody waits for another process."""

LOG, INDEX, LOCK = "-wal", "-shm", "-lock"
"""How the names of the files beside it end."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_CHECKPOINT_PAGES = 4000  # 16 MB of log: a checkpoint costs two more fsyncs


@contextmanager
def sqlite_errors(doing: str) -> Iterator[None]:
    """Raise whatever SQLite raises as an error of ours that says what was being done."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, UnicodeError) as error:
        raise Invalid(f"{doing}: {error}") from error
    except sqlite3.Error as error:
        raise _error_of(error, doing) from error


def _error_of(error: sqlite3.Error, doing: str) -> F2bError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest tells kinds of one error apart
    if _is_damage(error):
        return FileLost(f"{doing}: the state file is damaged: {error}")
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(f"{doing}: the disk of the state file is full: make room on it")
    if code == sqlite3.SQLITE_READONLY:
        return Unavailable(f"{doing}: the state file is read-only: make it writable again")
    return Unavailable(f"{doing}: {error}")  # a lock that another process holds, for instance


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGED or code == sqlite3.SQLITE_IOERR_SHORT_READ


def make_or_open(path: Path) -> sqlite3.Connection:
    """Open the state file to write to it, and make it if it is not there.

    A commit on this connection survives the death of the process at once, and that of the machine as soon as a
    later commit on a connection of `open_to_store` has returned. Commits reach the disk in their order: no message
    is gone before all that follows from it is there, and what was lost is judged again.

    Raises:
        StartError: If it cannot be opened, is damaged, is no state file, or a newer f2b wrote it.
    """
    for ending in (LOG, INDEX):
        check_kind(Path(f"{path}{ending}"))
    _refuse_lone_log(path)
    make_private(path)  # SQLite makes those beside it with its rights
    connection = connect(path, "rwc")
    try:
        if not path.stat().st_size:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN IMMEDIATE; {FIRST} PRAGMA application_id = {APPLICATION_ID}; COMMIT;")
        if _number(connection, "application_id") == APPLICATION_ID:
            _bring_up_to_date(connection, path)
        _check(connection, path)
        check_pages(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA cache_size = -65536")  # KiB
        for ending in ("", LOG, INDEX):  # only now: before, it may have been another program's
            keep_private(Path(f"{path}{ending}"))
    except (sqlite3.Error, FileLost) as error:
        connection.close()
        raise _unusable(path, error) from error
    except F2bError:
        connection.close()
        raise
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    """Make format 3 of a file of an older one, or of a new one: all of it, or nothing."""
    found = read_schema(connection, path) or UNMARKED
    if found.version >= VERSION:
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*(SECOND if found.version == 1 else ()), *THIRD):
            connection.execute(statement)
        _mark(connection, KNOWN.written)


def _refuse_lone_log(path: Path) -> None:
    """Refuse a log whose file is gone: SQLite would remove it, and begin anew without a word.

    An index beside an empty file tells of one that was cut off while a worker had it, and of a log that SQLite has
    removed already. Beside a file that is gone it tells of nothing: whoever removes a file may leave it.
    """
    for beside, tells in ((Path(f"{path}{LOG}"), True), (Path(f"{path}{INDEX}"), path.exists())):
        if tells and _size(beside) and not _size(path):
            missing = "empty" if path.exists() else "gone"
            remedy = "put the file back, or remove that to begin anew"
            raise StartError(f"state file {path} is {missing}, but {beside} is not: {remedy}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StartError(f"cannot open {path}: {error.strerror}") from error


def check_pages(connection: sqlite3.Connection, table: str = "") -> None:
    """See that the pages of *table*, or of the whole file, fit together: 200 MB take a quarter of a second.

    Raises:
        FileLost: If they do not.
    """
    what = f"({table})" if table else ""
    with sqlite_errors("checking it"):
        found: str = connection.execute(f"PRAGMA quick_check{what}").fetchone()[0]
    if found != "ok":
        raise FileLost(f"the state file is damaged: {found.splitlines()[-1]}")


def _unusable(path: Path, error: Exception) -> StartError:
    if _is_damage(error) or isinstance(error, FileLost):
        remedy = "put a copy back, as docs/standalone.md shows, or move the file away to begin anew"
        return StartError(f"state file {path} is damaged, or no database ({error}): {remedy}")
    return StartError(f"cannot use state file {path}: {error}")


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
    if not os.access(path, os.R_OK):
        raise StartError(
            f"state file {path} belongs to another user: run this as the user of f2b-worker, by sudo -u"
        )
    connection = connect(path, "rw")
    try:
        _check(connection, path)
        if not writing:
            connection.execute("PRAGMA query_only = ON")
    except (sqlite3.Error, F2bError) as error:
        connection.close()
        if isinstance(error, F2bError):
            raise
        raise _unusable(path, error) from error
    return connection


def close_with(owner: object, connection: sqlite3.Connection) -> None:
    """Close a connection as soon as nothing refers to *owner* any more, which alone uses it.

    A connection and the statements that it remembers refer to each other: Python would find that late, and whoever
    looks again and again would run out of file handles.
    """
    weakref.finalize(owner, connection.close).atexit = False


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a state file as it is, in SQLite's *mode*.

    Raises:
        StartError: If it cannot be opened.
    """
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
    if _number(connection, "application_id") != APPLICATION_ID:
        raise StartError(f"{path} is not a state file of f2b; give another with --state")
    refusal = KNOWN.refusal(read_schema(connection, path) or UNMARKED, f"state file {path}")
    if refusal:
        raise StartError(refusal)


def read_schema(connection: sqlite3.Connection, path: Path) -> Schema | None:
    """Read how the file is marked; None if an f2b wrote it that knew no marks.

    Raises:
        Rejected: If the mark cannot be read.
    """
    version = _number(connection, "user_version")
    marked = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'schema'").fetchone()
    row = connection.execute("SELECT version, readable_from FROM schema").fetchone() if marked else None
    says = row[0] if row and isinstance(row[0], int) else None
    if row is None or (says is not None and says < version):
        # Whoever wrote that version did not say who else may read it.
        return Schema(version, version) if version > 1 else None
    found = schema_of(*row)
    if found is None or found.version != version:
        raise Rejected(
            f"state file {path} has format {version}, and in its table schema {row}: no f2b writes that; "
            "put a copy back, as docs/standalone.md shows"
        )
    return found


def mark_schema(connection: sqlite3.Connection, schema: Schema) -> None:
    """Mark the file, unless it is marked with this version or a later one."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        _mark(connection, schema)


def _mark(connection: sqlite3.Connection, schema: Schema) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema (version INTEGER, readable_from INTEGER)")
    row = connection.execute("SELECT version FROM schema").fetchone()
    if row and _number(connection, "user_version") >= schema.version:
        return
    connection.execute("DELETE FROM schema")
    connection.execute("INSERT INTO schema (version, readable_from) VALUES (?, ?)", schema)
    connection.execute(f"PRAGMA user_version = {int(schema.version)}")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number


class FileLock:
    """The right to be the one process that works on a state file; the kernel takes it back when the process dies.

    It is held on a file beside it: SQLite's own locks on the database are lost when any handle of it is closed
    (https://www.sqlite.org/howtocorrupt.html#posix_close_bug).

    Raises:
        StartError: If another process has it, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._handle: int | None = None
        beside = Path(f"{path}{LOCK}")
        handle = open_private(beside)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise StartError(f"state file {path} is in use by another f2b-worker; one at a time") from error
        keep_private(beside)
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
        is_next: Whether this process is to succeed another.
    """

    otherwise = ""
    is_next = False

    def hold(self) -> bool:
        """Tell that this process holds it."""
        return True

    def release(self) -> None:
        """Keep it: the next process needs the file first."""
