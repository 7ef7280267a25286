"""The numbers over time of one state file, in its table `tally`."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.remedies import MISSHAPEN, unreadable_item
from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.domain.judge.soundness import NUMBER_MAX, is_whole
from f2b_worker.domain.tally import BANS, KEPT_MS, BanSheets, Counted, Noted, hour_of, sheet_of
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    import sqlite3

    from f2b_worker.adapters.sqlite.writer import Writer
    from f2b_worker.domain.tally import Sheet

_OPEN_MS = -1
"""As hour of the row that says what became of bans in the hour that is not over."""

_STORE = "INSERT OR REPLACE INTO tally (hour_ms, name, numbers) VALUES (?, ?, ?)"
_READ = "SELECT hour_ms, name, numbers FROM tally WHERE hour_ms BETWEEN ? AND ? ORDER BY hour_ms, name"


class SqliteTallyReader:
    """The numbers over time of one state file, for whoever only looks.

    Args:
        reading: A connection for reading, used by nobody else.
    """

    def __init__(self, reading: sqlite3.Connection) -> None:
        self._reading = reading
        self._lock = threading.Lock()

    def bans(self) -> BanSheets | None:
        """Read what was counted of bans; None if nobody ever did, or it cannot be read."""
        rows = self._rows(_OPEN_MS, _OPEN_MS)
        return _as_bans(rows[0][2]) if rows else None

    def read(self, first_ms: int, last_ms: int) -> list[Noted]:
        """Read what was noted of these hours; what cannot be read is left out."""
        rows = self._rows(hour_of(first_ms), last_ms)
        return [noted for row in rows if (noted := _as_noted(*row))]

    def _rows(self, first_ms: int, last_ms: int) -> list[Any]:
        with self._lock, sqlite_errors("reading the numbers over time"):
            # A file that an older f2b made last has none.
            there = self._reading.execute("SELECT 1 FROM sqlite_schema WHERE name = 'tally'").fetchone()
            return self._reading.execute(_READ, (first_ms, last_ms)).fetchall() if there else []


class SqliteTally(SqliteTallyReader):
    """The numbers over time of one state file.

    Args:
        reading: A connection for reading, used by nobody else.
        writer: Writes.
    """

    def __init__(self, reading: sqlite3.Connection, writer: Writer) -> None:
        super().__init__(reading)
        self._writer = writer

    def note(self, name: str, sheet: Sheet) -> None:
        """Store what one process counted in one hour; what is older than eight days goes."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_STORE, (sheet.hour_ms, name, sheet.as_text()))
            gone_ms = sheet.hour_ms - KEPT_MS
            connection.execute("DELETE FROM tally WHERE hour_ms BETWEEN 0 AND ?", (gone_ms,))

        self._writer.do("storing the numbers over time", work)

    def note_bans(self, counted: BanSheets) -> bool:
        """Store what was counted of bans, unless somebody else stored something meanwhile."""

        def work(connection: sqlite3.Connection) -> bool:
            rows = connection.execute(_READ, (_OPEN_MS, _OPEN_MS)).fetchall()
            there = _as_bans(rows[0][2]) if rows else None
            if (there.version if there else len(rows)) != counted.version - 1:
                return False
            connection.execute(_STORE, (_OPEN_MS, BANS, _text_of_bans(counted)))
            return True

        return self._writer.do("storing the numbers over time", work)


def _as_noted(hour_ms: Any, name: Any, numbers: Any) -> Noted | None:
    try:
        return Noted(str(name), sheet_of(_count(hour_ms), numbers))
    except MISSHAPEN:
        set_aside(unreadable_item("tally", f"tally {hour_ms} {name}", "numbers"))
        return None


def _text_of_bans(counted: BanSheets) -> str:
    sheets = [(each.hour_ms, each.as_text()) for each in (counted.sheet, counted.before) if each is not None]
    return json.dumps([counted.upto, counted.by, counted.version, *sheets], separators=(",", ":"))


def _as_bans(text: Any) -> BanSheets | None:
    try:
        (epoch, *numbers), by, version, *sheets = json.loads(text)
        upto = Counted(str(epoch), *map(_count, numbers))
        sheet, before, *_ = [*(sheet_of(_count(hour_ms), each) for hour_ms, each in sheets), None]
        assert sheet is not None
        return BanSheets(upto, sheet, before, str(by), _count(version))
    except MISSHAPEN:
        set_aside(unreadable_item("tally", f"tally {_OPEN_MS} {BANS}", "numbers"))
        return None


def _count(value: Any) -> int:
    if not is_whole(value, 0, NUMBER_MAX):
        raise ValueError("number")
    return int(value)
