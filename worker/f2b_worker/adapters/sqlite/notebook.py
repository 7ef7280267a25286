"""What an enforcer must not forget, in the state file.

region      name              content (JSON)
<Region>    surge             since when the surge guard holds bans back
<Region>    release           when it was last released
<Region>    foreign#<ARN>     the entries of one IP set that are not ours
<Region>    networks#<ARN>    the networks in it that bans of ours collapsed into
<Region>    swept             until when the ended bans had left each IP set
"""

from __future__ import annotations

import json
import threading
from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.domain.plan.surge import held_back_from
from f2b_worker.ports import Notes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from f2b_worker.ports import EntryKind

_SURGE = "surge"
_RELEASE = "release"
_SWEPT = "swept"


class SqliteNotebook:
    """The notes of the enforcers of one Region.

    Args:
        reading: A connection for reading.
        writer: The one that writes.
        region: Where WAF is reached.
    """

    def __init__(self, reading: sqlite3.Connection, writer: Writer, *, region: str) -> None:
        self._reading = reading
        self._writer = writer
        self._region = region
        self._lock = threading.Lock()

    def read(self) -> Notes:
        """Read everything."""
        with self._lock, sqlite_errors("reading the enforcer's notes"):
            query = "SELECT name, content FROM notes WHERE region = ?"
            notes = {name: json.loads(content) for name, content in self._reading.execute(query, (self._region,))}
        released_ms = notes.get(_RELEASE)
        held_back_from_ms = held_back_from(notes.get(_SURGE), released_ms)
        foreign, networks = _entries(notes, "foreign"), _entries(notes, "networks")
        return Notes(foreign, held_back_from_ms, released_ms, networks, notes.get(_SWEPT, {}))

    def note_entries(self, kind: EntryKind, ip_set_id: str, entries: frozenset[str]) -> None:
        """Replace what was noted of one kind of entries in one set; none remove the note."""
        self._note(f"{kind}#{ip_set_id}", json.dumps(sorted(entries)) if entries else None)

    def note_swept(self, swept_ms: Mapping[str, int]) -> None:
        """Replace what was noted of when the last ended ban had left each set."""
        self._note(_SWEPT, json.dumps(dict(swept_ms)))

    def note_surge(self, held_back_from_ms: int | None) -> None:
        """Note from when on new bans are held back; None: no more."""
        self._note(_SURGE, None if held_back_from_ms is None else str(held_back_from_ms))

    def note_release(self, now_ms: int) -> None:
        """Let in all bans that start up to *now_ms*: a surge noted from that time or earlier is over."""
        self._writer.do("releasing held back bans", partial(self._release, now_ms))

    def _release(self, now_ms: int, connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO notes VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content"
            " WHERE CAST(content AS INTEGER) < CAST(excluded.content AS INTEGER)",
            (self._region, _RELEASE, str(now_ms)),
        )

    def _note(self, name: str, content: str | None) -> None:
        self._writer.do("noting what the enforcer knows", partial(self._write, name, content))

    def _write(self, name: str, content: str | None, connection: sqlite3.Connection) -> None:
        if content is None:
            connection.execute("DELETE FROM notes WHERE region = ? AND name = ?", (self._region, name))
        else:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (self._region, name, content))


def _entries(notes: Mapping[str, list[str]], kind: EntryKind) -> dict[str, frozenset[str]]:
    prefix = f"{kind}#"
    return {
        name.removeprefix(prefix): frozenset(entries) for name, entries in notes.items() if name.startswith(prefix)
    }


def notebooks_in(connection: sqlite3.Connection) -> dict[str, SqliteNotebook]:
    """Open the notes of every Region of which there are any, by its name, from a command."""
    with sqlite_errors("reading the enforcer's notes"):
        regions = connection.execute("SELECT DISTINCT region FROM notes").fetchall()
    writer = Writer(connection)
    return {region: SqliteNotebook(connection, writer, region=region) for (region,) in regions}
