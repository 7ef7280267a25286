"""The ledger in the state file: offenders and bans of one process, and of whoever looks on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook
from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.adapters.sqlite.rows import (
    STRANGER,
    Rows,
    Stored,
    ban_rows,
    history_rows,
    hit_rows,
    numbered,
    read_offenders,
)
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.retention import Retention
from f2b_worker.domain.judge.verdicts import Offender, OffenderId
from f2b_worker.errors import F2bError, Invalid, Unavailable, Unreadable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

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

_BY_HAND = "SELECT place, jail, key FROM acts_on WHERE place > ? AND jail != '' ORDER BY place LIMIT ?"
_ACTS_SO_FAR = "SELECT seq FROM sqlite_sequence WHERE name = 'acts_on'"
_TRIES = 20
_KEPT = {"offenders": "key, jail", "history": "key, jail, start_ms", "acts": "id", "acts_on": "place"}
_PURGE = """
DELETE FROM {table} WHERE ({key}) IN
    (SELECT {key} FROM {table} WHERE kept_until_day < ? ORDER BY kept_until_day LIMIT ?)
"""


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
