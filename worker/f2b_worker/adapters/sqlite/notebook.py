"""What an enforcer must not forget, in the state file.

region      name              content (JSON)
<Region>    surge             since when the surge guard holds bans back
<Region>    release           when it was last released
<Region>    foreign#<ARN>     the entries of one IP set that are not ours
<Region>    networks#<ARN>    the networks in it that bans of ours collapsed into
<Region>    swept             until when the ended bans had left each IP set
<Region>    sets              how the IP sets were a moment ago, for commands
<Region>    progress          how fast bans got into them
"""

from __future__ import annotations

import json
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.remedies import MISSHAPEN, unreadable_item
from f2b_worker.adapters.sqlite.file import close_with, sqlite_errors
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.soundness import is_whole
from f2b_worker.domain.noted_sets import as_lines, as_numbers, from_lines, from_numbers
from f2b_worker.domain.plan.surge import held_back_from
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports import Notes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from f2b_worker.domain.noted_sets import NotedSets
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import EntryKind

_SURGE = "surge"
_RELEASE = "release"
_SWEPT = "swept"
_SETS = "sets"
_PROGRESS = "progress"
_KINDS = {_SURGE, _RELEASE, _SWEPT, _SETS, _PROGRESS, "foreign", "networks"}
_NAMED_AS = {_RELEASE: _SURGE, _PROGRESS: _SETS}
"""Of two notes about one thing, how both are named where one of them cannot be read."""


class SqliteNotebook:
    """The notes of the enforcers of one Region.

    Args:
        reading: A connection for reading.
        writer: The one that writes.
        region: Where WAF is reached.
        aside: Told of each note that cannot be read.
    """

    def __init__(
        self,
        reading: sqlite3.Connection,
        writer: Writer,
        *,
        region: str,
        aside: Callable[[Unreadable], None] = set_aside,
    ) -> None:
        self._reading = reading
        self._writer = writer
        self._region = region
        self._aside = aside
        self._lock = threading.Lock()

    def read(self) -> Notes:
        """Read everything; a note that cannot be read is named, and lost."""
        # As bytes: SQLite hands out no row of a query in which one text is none.
        query = "SELECT CAST(name AS BLOB), CAST(content AS BLOB) FROM notes WHERE region = ?"
        with self._lock, sqlite_errors("reading the enforcer's notes"):
            rows = self._reading.execute(query, (self._region,)).fetchall()
        notes: dict[str, Any] = {}
        lost: set[str] = set()
        for name, content in ((bytes(row[0]).decode(errors="replace"), row[1]) for row in rows):
            try:
                notes[name] = _read(name, content)
            except MISSHAPEN:
                kind = name.partition("#")[0]
                kind = _NAMED_AS.get(kind, kind)
                self._aside(unreadable_item(kind, f"notes {self._region} {name}", "content"))
                # An enforcer does without it. Of all others, it begins again when one can be read again.
                if kind != _SETS:
                    lost.add(name)
        # One of these two is nothing without the other.
        is_surge_lost = not lost.isdisjoint((_SURGE, _RELEASE))
        released_ms = None if is_surge_lost else notes.get(_RELEASE)
        held_back_from_ms = None if is_surge_lost else held_back_from(notes.get(_SURGE), released_ms)
        foreign, networks = _entries(notes, "foreign"), _entries(notes, "networks")
        swept_ms, sets = notes.get(_SWEPT, {}), notes.get(_SETS)
        if sets and _PROGRESS in notes:
            sets = sets._replace(progress=notes[_PROGRESS])
        return Notes(foreign, held_back_from_ms, released_ms, networks, swept_ms, frozenset(lost), sets)

    def note_entries(self, kind: EntryKind, ip_set_id: str, entries: frozenset[str]) -> None:
        """Replace what was noted of one kind of entries in one set; none remove the note."""
        self._note(f"{kind}#{ip_set_id}", json.dumps(sorted(entries)) if entries else None)

    def note_swept(self, swept_ms: Mapping[str, int]) -> None:
        """Replace what was noted of when the last ended ban had left each set."""
        self._note(_SWEPT, json.dumps(dict(swept_ms)))

    def note_sets(self, noted: NotedSets) -> None:
        """Replace what was noted of how the sets are."""
        self._note(_PROGRESS, json.dumps(as_numbers(noted.progress)) if noted.progress else None)
        self._note(_SETS, json.dumps(list(as_lines(noted))))

    def note_surge(self, held_back_from_ms: int | None) -> None:
        """Note from when on new bans are held back; None: no more."""
        self._note(_SURGE, None if held_back_from_ms is None else str(held_back_from_ms))

    def note_release(self, now_ms: int) -> None:
        """Let in all bans that start up to *now_ms*: a surge noted from that time or earlier is over."""
        self._writer.do("releasing held back bans", partial(self._release, now_ms))

    def _release(self, now_ms: int, connection: sqlite3.Connection) -> None:
        # What is no time at all must not stand in the way of one.
        for name in self._lost_of(connection) & {_SURGE, _RELEASE}:
            connection.execute("DELETE FROM notes WHERE region = ? AND name = ?", (self._region, name))
        connection.execute(
            "INSERT INTO notes VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content"
            " WHERE CAST(content AS INTEGER) < CAST(excluded.content AS INTEGER)",
            (self._region, _RELEASE, str(now_ms)),
        )

    def _lost_of(self, connection: sqlite3.Connection) -> frozenset[str]:
        return SqliteNotebook(connection, self._writer, region=self._region, aside=lambda _: None).read().lost

    def _note(self, name: str, content: str | None) -> None:
        self._writer.do("noting what the enforcer knows", partial(self._write, name, content))

    def _write(self, name: str, content: str | None, connection: sqlite3.Connection) -> None:
        if content is None:
            connection.execute("DELETE FROM notes WHERE region = ? AND name = ?", (self._region, name))
        else:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (self._region, name, content))


def _read(name: str, content: bytes) -> object:
    """Read one note; whatever has another name than those here is somebody else's.

    Raises:
        ValueError: Or TypeError or AttributeError, if the content is none of a note of that name.
    """
    kind = name.partition("#")[0]
    if kind not in _KINDS:
        return None
    found = json.loads(content)
    times: list[object] = []
    if kind in (_SURGE, _RELEASE):
        times = [found]
    elif kind == _SWEPT:
        times = list(found.values())
    elif kind == _PROGRESS:
        return from_numbers(found)
    elif not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("entries")
    if not all(is_whole(each, -FOREVER_MS, FOREVER_MS) for each in times):
        raise ValueError("times")
    return from_lines(found) if kind == _SETS else found


def _entries(notes: Mapping[str, list[str]], kind: EntryKind) -> dict[str, frozenset[str]]:
    prefix = f"{kind}#"
    return {
        name.removeprefix(prefix): frozenset(entries) for name, entries in notes.items() if name.startswith(prefix)
    }


def notebooks_in(
    connection: sqlite3.Connection, *, aside: Callable[[Unreadable], None] = set_aside
) -> dict[str, SqliteNotebook]:
    """Open the notes of every Region of which there are any, by its name, from a command."""
    with sqlite_errors("reading the enforcer's notes"):
        rows = connection.execute("SELECT DISTINCT CAST(region AS BLOB) FROM notes").fetchall()
    writer = Writer(connection)
    close_with(writer, connection)
    regions = [bytes(row[0]).decode(errors="replace") for row in rows]
    return {region: SqliteNotebook(connection, writer, region=region, aside=aside) for region in regions}
