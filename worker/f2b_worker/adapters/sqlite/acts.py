"""What people do by hand to the bans in a state file, from whatever process, and how it is remembered."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.remedies import MISSHAPEN, unreadable_item
from f2b_worker.adapters.sqlite.act_writing import DONE, NEW_ACT_ON, Work, remember
from f2b_worker.adapters.sqlite.file import close_with, open_existing, open_to_store, sqlite_errors
from f2b_worker.adapters.sqlite.orders import SqliteStandingOrders
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.domain.acts.act import ACTS_KEPT_MS, Act, Verb
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.retention import KEPT_MS, Retention
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.errors import Unreadable
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from f2b_worker.domain.acts.allowlist import AllowEntry
    from f2b_worker.domain.acts.control import Control
    from f2b_worker.domain.acts.hand_bans import Order
    from f2b_worker.domain.judge.verdicts import Ban, Offender
    from f2b_worker.errors import F2bError

T = TypeVar("T")

WRITTEN_AT_ONCE = 200
"""So many offenders one transaction changes, in about a millisecond: the worker waits for it."""

AUDIT_AT_ONCE = 500
"""So many acts are read at once: who wants a few does not wait for those of a year."""

_ALLOW = "INSERT OR REPLACE INTO allowed VALUES (?, ?, ?, ?, ?)"
_ORDERED = "UPDATE counters SET n = n + 1 WHERE name = 'orders'"
_HOW = "SELECT ended FROM acts_on WHERE act = acts.id AND key = '' AND jail = ''"
_COLUMNS = f"id, at_ms, who, verb, what, jail, reason, number, ({_HOW})"
_AUDIT = f"""
SELECT {_COLUMNS} FROM acts WHERE at_ms >= ? AND (at_ms, id) < (?, ?) ORDER BY at_ms DESC, id DESC LIMIT ?
"""  # noqa: S608
_ON = f"""
SELECT {_COLUMNS} FROM acts WHERE id IN (SELECT act FROM acts_on WHERE key = ?) ORDER BY at_ms DESC, id DESC
"""  # noqa: S608


class SqliteActs:
    """What people do to the bans in one state file.

    Args:
        reading: A connection for reading, used by nobody else.
        writer: Writes safely.
        kept_ms: For how long an act is remembered.
        aside: Told of each act that cannot be read.
    """

    def __init__(
        self,
        reading: sqlite3.Connection,
        writer: Writer,
        *,
        kept_ms: int = ACTS_KEPT_MS,
        aside: Callable[[Unreadable], None] = set_aside,
    ) -> None:
        self._reading = reading
        self._writer = writer
        self._kept_ms = kept_ms
        self._aside = aside
        self._lock = threading.Lock()
        self._orders = SqliteStandingOrders(reading, self._lock, aside=aside)
        self._retention = Retention(KEPT_MS)

    def close(self) -> None:
        """Close both connections."""
        with self._lock:
            self._reading.close()
        self._writer.close()

    def jails_of(self, key: str) -> list[OffenderId]:
        """Find in which jails anything is remembered of one address key."""
        rows = self._rows("SELECT jail FROM offenders WHERE key = ? ORDER BY jail", key)
        return [OffenderId(jail, key) for (jail,) in rows]

    def lift(
        self, act: Act, whom: Iterable[OffenderId], *, forget: bool = False
    ) -> dict[OffenderId, Ban | F2bError | None]:
        """End the running bans of *whom*, and spend infractions up to now."""
        found: dict[OffenderId, Ban | F2bError | None] = {}
        for part in _parts(whom):
            found |= self._writer.do("lifting bans", partial(self._lift, act, part, forget=forget))
        return found

    def _lift(
        self, act: Act, whom: Sequence[OffenderId], connection: sqlite3.Connection, *, forget: bool
    ) -> dict[OffenderId, Ban | F2bError | None]:
        work = Work(connection, act, self._kept_day(act), self._retention)
        answers: dict[OffenderId, Ban | F2bError | None] = {}
        for who, stored in work.read(whom):
            if isinstance(stored, Unreadable):
                self._aside(stored)
                answers[who] = stored
            elif (done := work.done(who)) is not None:
                (answers[who],) = done
            else:
                answers[who] = work.lift(who, stored, forget=forget)
        work.write()
        return answers

    def ban(self, act: Act, orders: Mapping[OffenderId, Order]) -> dict[OffenderId, Offender | F2bError]:
        """Carry out bans by hand."""
        found: dict[OffenderId, Offender | F2bError] = {}
        for part in _parts(orders.items()):
            found |= self._writer.do("banning by hand", partial(self._ban, act, dict(part)))
        return found

    def _ban(
        self, act: Act, orders: Mapping[OffenderId, Order], connection: sqlite3.Connection
    ) -> dict[OffenderId, Offender | F2bError]:
        work = Work(connection, act, self._kept_day(act), self._retention)
        answers: dict[OffenderId, Offender | F2bError] = {}
        for who, stored in work.read(orders):
            if isinstance(stored, Unreadable):
                self._aside(stored)
                answers[who] = stored
                continue
            is_done = work.done(who) is not None
            answers[who] = stored.offender if is_done else work.ban(who, stored, orders[who])
        work.write()
        return answers

    def allow(self, act: Act, entries: Sequence[AllowEntry]) -> None:
        """Put entries on the allowlist."""

        def work(connection: sqlite3.Connection) -> None:
            if self._is_new(act, [entry.network for entry in entries], connection):
                rows = [(each.network, each.until_ms, each.comment, each.by, each.at_ms) for each in entries]
                connection.executemany(_ALLOW, rows)

        self._writer.do("adding to the allowlist", work)

    def disallow(self, act: Act, networks: Iterable[str]) -> frozenset[str]:
        """Take networks off the allowlist; answer those that were there."""
        asked = list(networks)

        def work(connection: sqlite3.Connection) -> frozenset[str]:
            there = {network for (network,) in connection.execute("SELECT network FROM allowed")}
            gone = sorted(there.intersection(asked))
            if not self._is_new(act, gone, connection):
                rows = connection.execute("SELECT key FROM acts_on WHERE act = ? AND key != ''", (act.id,))
                return frozenset(key for (key,) in rows)
            connection.executemany("DELETE FROM allowed WHERE network = ?", [(each,) for each in gone])
            return frozenset(gone)

        return self._writer.do("taking off the allowlist", work)

    def allowlist(self) -> list[AllowEntry]:
        """Read the allowlist, by network."""
        return self._orders.allowlist()

    def pause(self, act: Act, blocklist: str, until_ms: int | None) -> None:
        """Have nothing written to a blocklist for a time."""
        content = json.dumps([act.at_ms, until_ms, act.by, act.reason])

        def work(connection: sqlite3.Connection) -> None:
            if self._is_new(act, (), connection):
                connection.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (f"pause#{blocklist}", content))

        self._writer.do("pausing", work)

    def resume(self, act: Act, blocklist: str) -> bool:
        """End a pause; tell whether there was one."""

        def work(connection: sqlite3.Connection) -> bool:
            name = f"pause#{blocklist}"
            was_there = connection.execute("SELECT 1 FROM control WHERE name = ?", (name,)).fetchone()
            # What the act found is in its answer, for whoever asks again.
            if not self._is_new(act, [name] if was_there else (), connection):
                return bool(connection.execute(DONE, (act.id, name, "")).fetchone())
            connection.execute("DELETE FROM control WHERE name = ?", (name,))
            return bool(was_there)

        return self._writer.do("resuming", work)

    def reload(self, act: Act) -> int:
        """Ask all workers to read their files again."""

        def work(connection: sqlite3.Connection) -> None:
            if self._is_new(act, (), connection):
                connection.execute(
                    "INSERT INTO control VALUES ('reload', '1')"
                    " ON CONFLICT DO UPDATE SET content = CAST(CAST(content AS INTEGER) + 1 AS TEXT)"
                )
                connection.execute("INSERT OR REPLACE INTO control VALUES ('asked', ?)", (str(act.at_ms),))

        self._writer.do("asking for a reload", work)
        return self.control().generation

    def control(self) -> Control:
        """Read what all workers obey."""
        return self._orders.control()

    def note(self, act: Act) -> None:
        """Remember an act that was done elsewhere."""
        self._writer.do("noting an act", partial(remember, act, self._kept_day(act)))

    def audit(self, since_ms: int, until_ms: int | None = None) -> Iterator[Act]:
        """Go through the acts of a time, the newest first."""
        return self._readable(self._audited(since_ms, 2**62 if until_ms is None else until_ms))

    def _audited(self, since_ms: int, until_ms: int) -> Iterator[Sequence[Any]]:
        before = (until_ms + 1, "")
        while rows := self._rows(_AUDIT, since_ms, *before, AUDIT_AT_ONCE):
            yield from rows
            act_id, at_ms, *_ = rows[-1]
            before = (at_ms, act_id)

    def acts_on(self, key: str) -> list[Act]:
        """Read the acts about one address key or network, the newest first."""
        return [replace(act, what=(key,)) for act in self._readable(self._rows(_ON, key))]

    def _readable(self, rows: Iterable[Sequence[Any]]) -> Iterator[Act]:
        for row in rows:
            try:
                yield _as_act(row)
            except MISSHAPEN:
                self._aside(unreadable_item("act", f"acts {row[0]}", "verb"))

    def _is_new(self, act: Act, networks: Iterable[str], connection: sqlite3.Connection) -> bool:
        """Remember an act about allowlist or control, unless it was done before."""
        if connection.execute("SELECT 1 FROM acts WHERE id = ?", (act.id,)).fetchone():
            return False
        day = self._kept_day(act)
        remember(act, day, connection)
        connection.executemany(NEW_ACT_ON, [(each, "", act.id, None, day) for each in networks])
        connection.execute(_ORDERED)
        return True

    def _kept_day(self, act: Act) -> int:
        return (act.at_ms + self._kept_ms) // DAY_MS + 1

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock, sqlite_errors("reading the acts"):
            return self._reading.execute(query, values).fetchall()


def _parts(items: Iterable[T]) -> list[list[T]]:
    """Cut items into parts, one of them at least: an act on nothing is an act."""
    return list(batches(items, WRITTEN_AT_ONCE)) or [[]]


def _as_act(row: Sequence[Any]) -> Act:
    act_id, at_ms, by, verb, what, jail, reason, number, how = row
    return Act(act_id, at_ms, by, Verb(verb), tuple(map(str, json.loads(what))), jail, reason, number, how or "")


def open_acts(
    path: Path, *, kept_ms: int = ACTS_KEPT_MS, aside: Callable[[Unreadable], None] = set_aside
) -> SqliteActs:
    """Open what people do to the bans in a state file, from a command.

    Args:
        path: The file.
        kept_ms: For how long an act is remembered.
        aside: Told of each act that cannot be read.

    Raises:
        Missing: If there is no such file.
        StartError: If it is no state file, or of another format.
    """
    reading, writing = open_existing(path), open_to_store(path)
    writer = Writer(writing)
    acts = SqliteActs(reading, writer, kept_ms=kept_ms, aside=aside)
    close_with(acts, reading)
    close_with(writer, writing)
    return acts
