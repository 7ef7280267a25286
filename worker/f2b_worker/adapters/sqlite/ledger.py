"""The ledger in the state file: offenders and bans of one process, and of whoever looks on."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.adapters.sqlite.file import CHANGES_MAX, sqlite_errors
from f2b_worker.adapters.sqlite.orders import SqliteStandingOrders
from f2b_worker.adapters.sqlite.rows import (
    STRANGER,
    Rows,
    Stored,
    ban_rows,
    history_rows,
    hit_rows,
    numbered,
    past_ban,
    read_offenders,
    standing_of_row,
    standing_of_rows,
    who_of_row,
)
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.retention import Retention
from f2b_worker.domain.judge.verdicts import UNREADABLE, Offender, OffenderId
from f2b_worker.errors import F2bError, Invalid, Unavailable, Unreadable
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports import Changes, StandingBan

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.adapters.sqlite.writer import Writer
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.ports import Answers, Clock

WorkT = TypeVar("WorkT")

WRITTEN_AT_ONCE = 200
"""Offenders that one transaction changes, in about a millisecond."""

PURGED_AT_ONCE = 500
"""Rows that one transaction removes: others wait for it."""

NEWS_AT_ONCE = 10_000
"""So many acts are told of at once: 0.1 s."""

_STANDING_AT_ONCE = 2000
# As bytes: SQLite hands out no row of a query in which one text is none.
_ALL = """
SELECT CAST(key AS BLOB), CAST(jail AS BLOB), CAST(ban AS BLOB), lifted_ms FROM offenders
WHERE ban IS NOT NULL AND typeof(key) = 'text' AND typeof(jail) = 'text'
    AND (key, jail) > (CAST(? AS TEXT), CAST(? AS TEXT))
ORDER BY key, jail LIMIT ?
"""
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
_BY_HAND = "SELECT place, jail, key FROM acts_on WHERE place > ? AND jail != '' ORDER BY place LIMIT ?"
_ACTS_SO_FAR = "SELECT seq FROM sqlite_sequence WHERE name = 'acts_on'"
_TRIES = 20
_KEPT = {"offenders": "key, jail", "history": "key, jail, start_ms", "acts": "id", "acts_on": "place"}
_PURGE = """
DELETE FROM {table} WHERE ({key}) IN
    (SELECT {key} FROM {table} WHERE kept_until_day < ? ORDER BY kept_until_day LIMIT ?)
"""


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

    def newest_change(self) -> int:
        """Tell the number of the newest change."""
        ((newest,),) = self._rows(_NEWEST, CHANGES_MAX)
        return int(newest)

    def changed_since(self, cursor: int) -> tuple[list[StandingBan], int]:
        """Read the bans that were stored since *cursor*, and where to go on."""
        rows = self._rows(_CHANGED, cursor, CHANGES_MAX)
        return list(self._readable(rows)), rows[-1][4] if rows else cursor

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


class SqliteLedger(SqliteBanBook):
    """Offenders and bans in one state file, for any number of threads of the process that holds it.

    Args:
        state: The open file.
        clock: Tells until when something is kept.
        kept_ms: How long an offender is remembered after the last hit, and after the end of its last ban.
    """

    def __init__(self, state: StateFile, clock: Clock, *, kept_ms: int) -> None:
        super().__init__(state.reader())
        self._state = state
        self._clock = clock
        self._retention = Retention(kept_ms)
        self._heard = self._acts_so_far()
        self._has_more_news = False

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        """Add hits to what is remembered; answer everything that is remembered then."""
        return self._in_parts("recording", hits, self._record)

    def ban_strangers(self, bans: Mapping[OffenderId, Ban]) -> Answers:
        """Store the first bans of those of whom nothing is remembered; answer whom it banned."""
        return self._in_parts("banning", bans, self._ban_strangers)

    def commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store bans, each offender's both or none; answer what is remembered then."""
        return self._in_parts("banning", decisions, self._commit)

    def publish(self, offenders: Mapping[OffenderId, Offender]) -> Mapping[OffenderId, F2bError]:
        """Do nothing: what is stored has its number already."""
        del offenders
        return {}

    def news(self) -> Mapping[OffenderId, Offender]:
        """Read what people did by hand since this was last asked: nobody else stores anything."""
        rows = self._rows(_BY_HAND, self._heard, NEWS_AT_ONCE)
        self._has_more_news = len(rows) == NEWS_AT_ONCE
        changed = {OffenderId(jail, key) for _, jail, key in rows}
        if not changed:
            return {}
        found = self._read(changed)
        self._heard = rows[-1][0]
        return {
            who: replace(each.offender, hits=frozenset())
            for who, each in found.items()
            if isinstance(each, Stored)
        }

    @property
    def has_more_news(self) -> bool:
        """Whether the last news were only a part of what was to be told."""
        return self._has_more_news

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        """Forget hits that can no longer count."""
        with self._state.ledger_lock, sqlite_errors(f"trimming {who.key} in {who.jail}"):
            stored = self._read([who]).get(who, STRANGER)
            if isinstance(stored, Unreadable):
                raise stored
            left = stored.offender.hits.difference(spent)
            if len(left) < len(stored.offender.hits):
                self._write(self._state.writer, "trimming", hit_rows([(who, left, stored.kept_until_day)]))

    def keep_for(self, kept_ms: int) -> None:
        """Remember offenders for so long after the last hit and the last ban, from the next write on."""
        self._retention.kept_ms = kept_ms

    def purge(self) -> int:
        """Remove some of what need not be remembered any more; answer how many rows that were."""
        with self._state.ledger_lock:
            return self._state.writer.do("purging", self._purge)

    def _in_parts(
        self, doing: str, work: Mapping[OffenderId, WorkT], run: Callable[[Mapping[OffenderId, WorkT]], Answers]
    ) -> Answers:
        """Run parts one by one, so that whoever else writes to the file waits for a part only."""
        answers: Answers = {}
        for part in batches(work.items(), WRITTEN_AT_ONCE):
            answers |= self._part(doing, dict(part), run)
        return answers

    def _part(
        self, doing: str, work: Mapping[OffenderId, WorkT], run: Callable[[Mapping[OffenderId, WorkT]], Answers]
    ) -> Answers:
        try:
            with self._state.ledger_lock, sqlite_errors(f"{doing} {len(work)} offenders"):
                return run(work)
        except Invalid as error:
            if len(work) > 1:  # somebody's fault, but not everybody's
                return {who: self._part(doing, {who: each}, run)[who] for who, each in work.items()}
            return dict.fromkeys(work, error)
        except F2bError as error:
            return dict.fromkeys(work, error)

    def _record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        stored = self._read(hits)
        answers: Answers = {}
        new: list[tuple[OffenderId, frozenset[Hit], int]] = []
        for who, hits_of_one in hits.items():
            found = stored.get(who, STRANGER)
            if isinstance(found, Unreadable):
                answers[who] = found
                continue
            seen, kept_until_day = found
            together = seen.hits.union(hits_of_one)
            day = max(kept_until_day, self._kept_until_day(seen.ban))
            answers[who] = replace(seen, hits=together)
            if day > kept_until_day or len(together) > len(seen.hits):
                new.append((who, together, day))
        if new:
            self._write(self._state.writer, "recording infractions", hit_rows(new))
        return answers

    def _ban_strangers(self, bans: Mapping[OffenderId, Ban]) -> Answers:
        known = self._read(bans)
        return self._commit({who: Decision(Offender(), ban) for who, ban in bans.items() if who not in known})

    def _commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        for _ in range(_TRIES):
            acts = self._acts_so_far()
            try:
                return self._commit_unless_overtaken(decisions, acts)
            except OvertakenError:  # somebody did something by hand, from another process: look again
                continue
        raise Unavailable("banning: people changed bans by hand in the same moment, each time")

    def _commit_unless_overtaken(self, decisions: Mapping[OffenderId, Decision], acts: int) -> Answers:
        stored = self._read(decisions)
        answers: Answers = {}
        standing: list[tuple[OffenderId, Offender, int]] = []
        history: list[tuple[OffenderId, Ban, int]] = []
        for who, decision in decisions.items():
            found = stored.get(who, STRANGER)
            answers[who] = found if isinstance(found, Unreadable) else found.offender
            if isinstance(found, Unreadable) or found.offender.revision != decision.seen.revision:
                continue
            answers[who] = after = decision.applied(found.offender)
            day = self._kept_until_day(after.ban)
            standing.append((who, after, day))
            history.append((who, decision.last, self._kept_until_day(decision.last)))
        if standing:
            # Safely: an entry in an IP set whose ban got lost with the power would pass for somebody else's.
            rows = ban_rows(standing), history_rows(history)
            self._state.safe_writer.do("banning", partial(_write_bans, *rows, acts))
        return answers

    def _read(self, whom: Collection[OffenderId]) -> dict[OffenderId, Stored | Unreadable]:
        """Read offenders; nobody else changes them before the lock of the ledger is given back."""
        with self._lock:
            found = read_offenders(self._reading, whom)
        for each in found.values():
            if isinstance(each, Unreadable):
                self._aside(each)
        return found

    @staticmethod
    def _write(writer: Writer, doing: str, *rows: Rows) -> None:
        writer.do(doing, partial(_write_all, rows))

    def _purge(self, connection: sqlite3.Connection) -> int:
        today = self._clock.now_ms() // DAY_MS
        removed = 0
        for table, key in _KEPT.items():
            purge = _PURGE.format(table=table, key=key)
            removed += connection.execute(purge, (today, PURGED_AT_ONCE)).rowcount
        return removed

    def _acts_so_far(self) -> int:
        with self._lock, sqlite_errors("reading the acts"):
            return acts_so_far(self._reading)

    def _kept_until_day(self, ban: Ban | None) -> int:
        return self._retention.until_ms(ban, now_ms=self._clock.now_ms()) // DAY_MS + 1


class OvertakenError(Exception):
    """Somebody did something by hand since it was read what this is decided from."""


def _write_bans(bans: Rows, history: Rows, acts: int, connection: sqlite3.Connection) -> None:
    if acts_so_far(connection) != acts:
        raise OvertakenError
    numbered(bans, connection).write(connection)
    history.write(connection)


def acts_so_far(connection: sqlite3.Connection) -> int:
    """Tell how often anybody did something by hand to an offender."""
    row = connection.execute(_ACTS_SO_FAR).fetchone()
    return int(row[0]) if row else 0


def _write_all(rows: Iterable[Rows], connection: sqlite3.Connection) -> None:
    for each in rows:
        each.write(connection)
