"""What can be seen of a standalone worker from outside: whether it runs, and how much waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.file import LOCK, sqlite_errors
from f2b_worker.ports.fleet import QueueDepth

if TYPE_CHECKING:
    import sqlite3

_LOCKS = Path("/proc/locks")


def depth_of_file(connection: sqlite3.Connection) -> QueueDepth:
    """Count what waits in a state file."""
    with sqlite_errors("counting what waits"):
        ((waiting,),) = connection.execute("SELECT count(*) FROM inbox").fetchall()
        ((dead_letters,),) = connection.execute("SELECT count(*) FROM dead_letters").fetchall()
    return QueueDepth(waiting, 0, 0, dead_letters)


def oldest_in_file(connection: sqlite3.Connection) -> int | None:
    """Tell when the message came that has waited longest; None if none waits."""
    with sqlite_errors("looking at what waits"):
        row = connection.execute("SELECT CAST(sent_at_ms AS INTEGER) FROM inbox ORDER BY id LIMIT 1").fetchone()
    return int(row[0]) if row else None


def worker_of_file(path: Path, locks: Path = _LOCKS) -> int | None:
    """Find the process that works on a state file, by the lock that it holds; 0 if none does, None if unknown.

    The lock itself is not touched: whoever held it for a moment could keep a worker from starting.
    See proc_locks(5): `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`.
    """
    try:
        inode = Path(f"{path}{LOCK}").stat().st_ino
        lines = locks.read_text("ascii").splitlines()
    except FileNotFoundError:
        return 0 if locks.exists() else None
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if words[1:2] == ["FLOCK"] and words[-3].rpartition(":")[2] == str(inode):
            return int(words[-4])
    return 0
