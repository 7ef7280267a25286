"""How far each target of notices was told, in the state file, and whence the news come: its numbered changes.

The places stand in the table `control`, under `notices#` and the target's name.
"""

from __future__ import annotations

import json
import threading
from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.adapters.remedies import MISSHAPEN, unreadable_item
from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook
from f2b_worker.adapters.sqlite.file import close_with, open_existing, open_to_store, sqlite_errors
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.judge.soundness import NUMBER_MAX, is_whole
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports.notices import Heard, Place

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import StandingBan

_NAME = "notices#"


class SqlitePlaces:
    """The places in one state file, from another process than the worker's, too.

    Args:
        path: The file.
        aside: Told of each that cannot be read.
    """

    def __init__(self, path: Path, *, aside: Callable[[Unreadable], None] = set_aside) -> None:
        self._reading = open_existing(path)
        storing = open_to_store(path)
        self._writer = Writer(storing)
        self._lock = threading.Lock()
        self._aside = aside
        close_with(self, self._reading)
        close_with(self, storing)

    def read(self, target: str) -> Place | None:
        """Read the place of a target."""
        query = "SELECT CAST(content AS BLOB) FROM control WHERE name = ?"
        with self._lock, sqlite_errors("reading how far notices were told"):
            row = self._reading.execute(query, (f"{_NAME}{target}",)).fetchone()
        if row is None:
            return None
        try:
            return _as_place(json.loads(row[0]))
        except MISSHAPEN:
            self._aside(unreadable_item("notices", f"control {_NAME}{target}", "content"))
            return None

    def keep(self, target: str, place: Place) -> None:
        """Keep it in the place of the one before."""
        content = json.dumps([place.number, place.at_ms, list(place.conditions)], separators=(",", ":"))
        self._writer.do("noting how far notices were told", partial(_write, f"{_NAME}{target}", content))


def _write(name: str, content: str, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (name, content))


def _as_place(content: object) -> Place:
    if not isinstance(content, list):
        raise ValueError("content")  # noqa: TRY004 - as whatever else is not as it should be
    number, at_ms, conditions = content
    if not all(is_whole(each, 0, NUMBER_MAX) for each in (number, at_ms)):
        raise ValueError("numbers")
    return Place("", number, (), at_ms, tuple(str(each) for each in conditions))


class SqliteNews:
    """Follows the changes of one state file; between two looks a ban is only seen as it is in the end.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        connection = open_existing(path)
        self._book = SqliteBanBook(connection, aside=lambda _: None)  # the worker tells what cannot be read
        close_with(self, connection)
        self._number = 0
        self._certain_above = 0
        self._is_anew = False

    def begin(self, place: Place | None, now_ms: int) -> tuple[Place, Iterable[Change]]:
        """Go on from a place, or from now on; answer what was told before it."""
        newest = self._book.newest_change()
        standing = self._book.standing()
        self._certain_above = newest
        # Somebody put an older copy of the file back: its numbers do not tell what is new.
        self._is_anew = place is not None and place.number > newest
        if place is None:
            place = Place(number=newest, at_ms=now_ms)
        self._number = min(place.number, newest)
        if self._is_anew:
            return place, ()
        changed, _ = self._book.changed_since(self._number)
        later = {each.who for each in changed}
        return place, [_change(each) for each in standing if each.who not in later]

    def poll(self) -> Iterator[Heard]:
        """Read what came since."""
        if self._is_anew:
            self._number = self._book.newest_change()
            everything = map(_change, self._book.standing())
            yield Heard(everything, Place(number=self._number), is_certain=False, is_all=True)
            self._is_anew = False
            return
        changed, number = self._book.changed_since(self._number)
        is_certain = self._number >= self._certain_above
        yield Heard(map(_change, changed), Place(number=number), is_certain)
        self._number = number


def _change(standing: StandingBan) -> Change:
    return Change(standing.who, standing.ban, 0, standing.lifted_ms)
