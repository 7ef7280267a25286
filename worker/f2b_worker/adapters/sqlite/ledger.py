"""The ledger in the state file: offenders and bans of one process, and of whoever looks on."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.adapters.sqlite.rows import (
    STRANGER,
    Rows,
    Stored,
    ban_of,
    ban_rows,
    history_rows,
    hit_rows,
    read_offenders,
)
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.retention import Retention
from f2b_worker.domain.judge.verdicts import Offender, OffenderId
from f2b_worker.errors import F2bError, Invalid
from f2b_worker.ports import Changes, StandingBan

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.adapters.sqlite.writer import Writer
    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.ports import Answers, Clock

    _Offenders = Mapping[OffenderId, Offender]

WorkT = TypeVar("WorkT")

WRITTEN_AT_ONCE = 200
"""Offenders that one transaction changes, in about a millisecond."""

PURGED_AT_ONCE = 500
"""Rows that one transaction removes: others wait for it."""

_STANDING_AT_ONCE = 2000
_PURGE = """
DELETE FROM {table} WHERE ({key}) IN
    (SELECT {key} FROM {table} WHERE kept_until_day < ? ORDER BY kept_until_day LIMIT ?)
"""


class SqliteBanBook:
    """The bans in one state file.

    Args:
        connection: For reading; used by nobody else.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._reading = connection
        self._lock = threading.Lock()

    def offender(self, who: OffenderId) -> Offender:
        """Read what is remembered of one offender; a stranger is an offender without a past."""
        with self._lock, sqlite_errors(f"reading {who.key} in {who.jail}"):
            return read_offenders(self._reading, [who]).get(who, STRANGER).offender

    def standing(self) -> Iterator[StandingBan]:
        """Read the last ban of every offender, ended ones that are still remembered included.

        One that changes meanwhile is read again, as it is then.
        """
        changes = self._changes(0, at_most=_STANDING_AT_ONCE)
        while changes.bans:
            yield from changes.bans
            changes = self._changes(changes.cursor, at_most=_STANDING_AT_ONCE)

    def changes(self, cursor: int) -> Changes:
        """Read the bans that were stored since *cursor*; 0 reads all."""
        return self._changes(cursor, at_most=-1)

    def _changes(self, cursor: int, *, at_most: int) -> Changes:
        rows = self._rows(
            "SELECT jail, key, ban, changed FROM offenders WHERE changed > ? ORDER BY changed LIMIT ?",
            cursor,
            at_most,
        )
        bans = tuple(StandingBan(OffenderId(jail, key), ban_of(ban)) for jail, key, ban, _ in rows)
        return Changes(bans, rows[-1][3] if rows else cursor)

    def late_changes(self, cursor: int) -> Iterable[StandingBan]:
        """Find nothing: the file numbers all changes itself."""
        del cursor
        return ()

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first."""
        rows = self._rows(
            "SELECT ban, evidence FROM history WHERE key = ? AND jail = ? ORDER BY start_ms", who.key, who.jail
        )
        return [ban_of(*row) for row in rows]

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail, ended ones included."""
        rows = self._rows("SELECT jail, ban FROM offenders WHERE key = ? AND ban IS NOT NULL", key)
        return [StandingBan(OffenderId(jail, key), ban_of(ban)) for jail, ban in rows]

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock, sqlite_errors("reading the bans"):
            return self._reading.execute(query, values).fetchall()


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

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        """Add hits to what is remembered; answer everything that is remembered then."""
        return self._in_parts("recording", hits, self._record)

    def commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store bans, each offender's all or none; answer what is remembered then."""
        return self._in_parts("banning", decisions, self._commit)

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        """Forget hits that can no longer count."""
        with self._state.ledger_lock, sqlite_errors(f"trimming {who.key} in {who.jail}"):
            stored = self._read([who]).get(who, STRANGER)
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
        self, doing: str, work: Mapping[OffenderId, WorkT], run: Callable[[Mapping[OffenderId, WorkT]], _Offenders]
    ) -> Answers:
        """Run parts one by one, so that whoever else writes to the file waits for a part only."""
        answers: Answers = {}
        for part in batches(work.items(), WRITTEN_AT_ONCE):
            answers |= self._part(doing, dict(part), run)
        return answers

    def _part(
        self, doing: str, work: Mapping[OffenderId, WorkT], run: Callable[[Mapping[OffenderId, WorkT]], _Offenders]
    ) -> Answers:
        try:
            with self._state.ledger_lock, sqlite_errors(f"{doing} {len(work)} offenders"):
                return {**run(work)}
        except Invalid as error:
            if len(work) > 1:  # somebody's fault, but not everybody's
                return {who: self._part(doing, {who: each}, run)[who] for who, each in work.items()}
            return dict.fromkeys(work, error)
        except F2bError as error:
            return dict.fromkeys(work, error)

    def _record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> _Offenders:
        stored = self._read(hits)
        answers: dict[OffenderId, Offender] = {}
        new: list[tuple[OffenderId, frozenset[Hit], int]] = []
        for who, hits_of_one in hits.items():
            seen, kept_until_day = stored.get(who, STRANGER)
            together = seen.hits.union(hits_of_one)
            day = max(kept_until_day, self._kept_until_day(seen.ban))
            answers[who] = Offender(together, seen.ban, seen.revision)
            if day > kept_until_day or len(together) > len(seen.hits):
                new.append((who, together, day))
        if new:
            self._write(self._state.writer, "recording infractions", hit_rows(new))
        return answers

    def _commit(self, decisions: Mapping[OffenderId, Decision]) -> _Offenders:
        stored = self._read(decisions)
        answers = {who: stored.get(who, STRANGER).offender for who in decisions}
        standing: list[tuple[OffenderId, Offender, int, int]] = []
        history: list[tuple[OffenderId, Ban, int]] = []
        for who, decision in decisions.items():
            if answers[who].revision != decision.seen.revision:
                continue
            answers[who] = after = decision.applied(answers[who])
            day = self._kept_until_day(after.ban)
            standing.append((who, after, day, next(self._state.change_numbers)))
            history += [(who, ban, self._kept_until_day(ban)) for ban in decision.changed]
        if standing:
            # Safely: an entry in an IP set whose ban got lost with the power would pass for somebody else's.
            self._write(self._state.safe_writer, "banning", ban_rows(standing), history_rows(history))
        return answers

    def _read(self, whom: Iterable[OffenderId]) -> dict[OffenderId, Stored]:
        """Read offenders; nobody else changes them before the lock of the ledger is given back."""
        with self._lock:
            return read_offenders(self._reading, whom)

    @staticmethod
    def _write(writer: Writer, doing: str, *rows: Rows) -> None:
        writer.do(doing, partial(_write_all, rows))

    def _purge(self, connection: sqlite3.Connection) -> int:
        today = self._clock.now_ms() // DAY_MS
        removed = 0
        for table, key in (("offenders", "key, jail"), ("history", "key, jail, start_ms")):
            purge = _PURGE.format(table=table, key=key)
            removed += connection.execute(purge, (today, PURGED_AT_ONCE)).rowcount
        return removed

    def _kept_until_day(self, ban: Ban | None) -> int:
        return self._retention.until_ms(ban, now_ms=self._clock.now_ms()) // DAY_MS + 1


def _write_all(rows: Iterable[Rows], connection: sqlite3.Connection) -> None:
    for each in rows:
        each.write(connection)
