"""Signs of life of the worker of a state file, in its table `control`, under `sign#` and the worker's name."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.soundness import NUMBER_MAX, is_whole
from f2b_worker.ports.fleet import WorkerSign

if TYPE_CHECKING:
    import sqlite3

    from f2b_worker.adapters.sqlite.writer import Writer

_SIGN = "sign#"
_SIGNS = f"FROM control WHERE name GLOB '{_SIGN}*'"


class SqliteFleet:
    """The signs of life in one state file.

    Args:
        reading: A connection for reading, used by nobody else.
        writer: Writes.
    """

    def __init__(self, reading: sqlite3.Connection, writer: Writer) -> None:
        self._reading = reading
        self._writer = writer
        self._lock = threading.Lock()

    def sign(self, sign: WorkerSign) -> None:
        """Store a sign in the place of the one before it; those of workers that died a day ago go."""
        content = json.dumps(
            [sign.at_ms, sign.started_ms, sign.version, sign.remark, sign.generation], separators=(",", ":")
        )

        def work(connection: sqlite3.Connection) -> None:
            old = [each.name for each in _read(connection) if each.at_ms < sign.at_ms - DAY_MS]
            connection.executemany("DELETE FROM control WHERE name = ?", [(f"{_SIGN}{name}",) for name in old])
            connection.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (f"{_SIGN}{sign.name}", content))

        self._writer.do("giving a sign of life", work)

    def leave(self, name: str) -> None:
        """Forget a worker that stops."""
        self._writer.do(
            "taking back the sign of life",
            lambda connection: connection.execute("DELETE FROM control WHERE name = ?", (f"{_SIGN}{name}",)),
        )

    def signs(self) -> list[WorkerSign]:
        """Read the last sign of every worker that has not left."""
        with self._lock:
            return signs_in(self._reading)


def signs_in(connection: sqlite3.Connection) -> list[WorkerSign]:
    """Read the last sign of every worker that has not left a file; one that died may be among them for a day."""
    with sqlite_errors("reading the signs of life"):
        return _read(connection)


def _read(connection: sqlite3.Connection) -> list[WorkerSign]:
    rows = connection.execute(f"SELECT name, content {_SIGNS} ORDER BY name").fetchall()
    return [sign for name, content in rows if (sign := _as_sign(name.removeprefix(_SIGN), content))]


def _as_sign(name: str, content: str) -> WorkerSign | None:
    """Read a sign; who cannot be read gives another one within a minute."""
    try:
        at_ms, started_ms, version, remark, generation = json.loads(content)
        return WorkerSign(
            name,
            _count(at_ms),
            _count(started_ms),
            str(version),
            str(remark),
            None if generation is None else _count(generation),
        )
    except MISSHAPEN:
        return None


def _count(value: Any) -> int:
    if not is_whole(value, 0, NUMBER_MAX):
        raise ValueError("number")
    return int(value)
