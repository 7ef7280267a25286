"""The bans in the state file, as enforcers, commands and pages read them."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.adapters.sqlite.file import CHANGES_MAX, sqlite_errors
from f2b_worker.adapters.sqlite.orders import SqliteStandingOrders
from f2b_worker.adapters.sqlite.rows import (
    STRANGER,
    past_ban,
    read_offenders,
    standing_of_row,
    standing_of_rows,
    who_of_row,
)
from f2b_worker.domain.judge.verdicts import UNREADABLE, Offender, OffenderId
from f2b_worker.errors import F2bError, Unreadable
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports import Changes, StandingBan

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from f2b_worker.domain.judge.verdicts import Ban

_STANDING_AT_ONCE = 2000
# As bytes: SQLite hands out no row of a query in which one text is none.
_ALL = """
SELECT CAST(key AS BLOB), CAST(jail AS BLOB), CAST(ban AS BLOB), lifted_ms FROM offenders
WHERE ban IS NOT NULL AND typeof(key) = 'text' AND typeof(jail) = 'text'
    AND (key, jail) > (CAST(? AS TEXT), CAST(? AS TEXT))
ORDER BY key, jail LIMIT ?
"""
_ALL_NUMBERED = _ALL.replace("lifted_ms FROM", "lifted_ms, changed FROM")
_WITHOUT_KEY = """
SELECT hex(key), hex(jail), NULL, 0 FROM offenders
WHERE ban IS NOT NULL AND NOT (typeof(key) = 'text' AND typeof(jail) = 'text')
"""
_OF_KEY = """
SELECT CAST(key AS BLOB), CAST(jail AS BLOB), CAST(ban AS BLOB), lifted_ms FROM offenders
WHERE key = ? AND ban IS NOT NULL
"""
# Numbers only: any text is larger than every number, and would be the cursor for ever.
_CHANGED = """
SELECT CAST(key AS BLOB), CAST(jail AS BLOB), CAST(ban AS BLOB), lifted_ms, changed FROM offenders
WHERE changed > ? AND changed <= ? ORDER BY changed
"""
_NEWEST = "SELECT coalesce(max(changed), 0) FROM offenders WHERE changed <= ?"
_HISTORY = """
SELECT CAST(start_ms AS BLOB), CAST(ban AS BLOB), CAST(evidence AS BLOB) FROM history
WHERE key = ? AND jail = ? ORDER BY start_ms
"""
_LAST = "SELECT CAST(ban AS BLOB) FROM offenders WHERE key = ? AND jail = ? AND ban IS NOT NULL"
_EVIDENCE = "SELECT CAST(evidence AS BLOB) FROM history WHERE key = ? AND jail = ? AND start_ms = ?"


class SqliteBanBook:
    """The bans in one state file.

    Args:
        connection: For reading; used by nobody else.

    Attributes:
        orders: What else is followed.
    """

    def __init__(self, connection: sqlite3.Connection, *, aside: Callable[[Unreadable], None] = set_aside) -> None:
        self._reading = connection
        self._lock = threading.Lock()
        self._aside = aside
        self.orders = SqliteStandingOrders(connection, self._lock, aside=aside)

    def offender(self, who: OffenderId) -> Offender:
        """Read what is remembered of one offender; a stranger is an offender without a past.

        Raises:
            Unreadable: If it is there and cannot be read.
        """
        with self._lock, sqlite_errors(f"reading {who.key} in {who.jail}"):
            found = read_offenders(self._reading, [who]).get(who, STRANGER)
        if isinstance(found, Unreadable):
            self._aside(found)
            raise found
        return found.offender

    def standing(self) -> list[StandingBan]:
        """Read the last ban of every offender, ended ones that are still remembered included.

        One that changes meanwhile is read as it was or as it is then.
        """
        found: list[StandingBan] = []
        rows = self._rows(_ALL, b"", b"", _STANDING_AT_ONCE)
        while rows:
            found += self._many(rows)
            rows = self._rows(_ALL, *rows[-1][:2], _STANDING_AT_ONCE)
        return [*found, *self._readable(self._rows(_WITHOUT_KEY))]

    def _many(self, rows: Sequence[Sequence[Any]]) -> Iterable[StandingBan]:
        try:
            return standing_of_rows(rows)
        except MISSHAPEN:
            return self._readable(rows)

    def _readable(self, rows: Iterable[Sequence[Any]]) -> Iterator[StandingBan]:
        """Read bans; one that cannot be read is told of, and named if its key says whose it is."""
        for key, jail, ban, lifted_ms, *_ in rows:
            try:
                yield standing_of_row(key, jail, ban, lifted_ms)
            except Unreadable as error:
                self._aside(error)
                who = who_of_row(key, jail)
                if who:
                    yield StandingBan(who, UNREADABLE)

    def follow(self) -> SqliteFollower:
        """Follow the bans from now on."""
        return SqliteFollower(self)

    def numbered(self) -> Iterator[tuple[int, StandingBan]]:
        """Go through the last ban of every offender that can be read, each with the number of its last change."""
        rows = self._rows(_ALL_NUMBERED, b"", b"", _STANDING_AT_ONCE)
        while rows:
            for key, jail, ban, lifted_ms, changed in rows:
                with suppress(Unreadable):  # who enforces tells of it
                    number = changed if isinstance(changed, int) else 0
                    yield number, standing_of_row(key, jail, ban, lifted_ms)
            rows = self._rows(_ALL_NUMBERED, *rows[-1][:2], _STANDING_AT_ONCE)

    def newest_change(self) -> int:
        """Tell the number of the newest change."""
        ((newest,),) = self._rows(_NEWEST, CHANGES_MAX)
        return int(newest)

    def changed_since(self, cursor: int) -> tuple[list[StandingBan], int]:
        """Read the bans that were stored since *cursor*, and where to go on."""
        rows = self._rows(_CHANGED, cursor, CHANGES_MAX)
        # A lift where no ban ran is a change, too: it has no ban to read.
        return list(self._readable(each for each in rows if each[2] is not None)), rows[-1][4] if rows else cursor

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first; one that cannot be read is told of."""
        rows = self._rows(_HISTORY, who.key, who.jail)
        bans = []
        for start_ms, ban, evidence in rows:
            try:
                bans.append(past_ban(who, start_ms, ban, evidence))
            except Unreadable as error:
                self._aside(error)
        return bans

    def last_bans(self, whom: Collection[OffenderId]) -> dict[OffenderId, Ban | F2bError]:
        """Read the last bans of many, each with the infractions that it is backed by."""
        found: dict[OffenderId, Ban | F2bError] = {}
        for who in whom:
            try:
                ban = self._last_ban(who)
            except Unreadable as error:
                self._aside(error)
                found[who] = error
            else:
                found |= {who: ban} if ban else {}
        return found

    def _last_ban(self, who: OffenderId) -> Ban | None:
        """Read the last ban of one by itself: no other that is broken keeps it away."""
        rows = self._rows(_LAST, who.key, who.jail)
        if not rows:
            return None
        ban: bytes = rows[0][0]
        start_ms = past_ban(who, b"", ban, b"[]").start_ms
        evidence = self._rows(_EVIDENCE, who.key, who.jail, start_ms)
        return past_ban(who, str(start_ms).encode(), ban, evidence[0][0] if evidence else b"[]")

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail, ended ones included."""
        return list(self._readable(self._rows(_OF_KEY, key)))

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock, sqlite_errors("reading the bans"):
            return self._reading.execute(query, values).fetchall()


class SqliteFollower:
    """Follows the bans of one state file, which numbers all changes itself.

    Args:
        book: Reads the file.
    """

    def __init__(self, book: SqliteBanBook) -> None:
        self._book = book
        self._cursor: int | None = None

    def poll(self) -> Changes:
        """Read what changed; at first everything."""
        if self._cursor is None:
            cursor = self._book.newest_change()  # first: what changes after it is read again
            bans = self._book.standing()
            self._cursor = cursor
            return Changes(bans, is_all=True)
        changed, self._cursor = self._book.changed_since(self._cursor)
        return Changes(changed)
