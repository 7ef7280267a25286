"""How an act is written down: itself, whom it is about, and what it changes of offenders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.rows import (
    STRANGER,
    as_ban,
    ban_rows,
    ban_text,
    history_rows,
    numbered,
    read_offenders,
)
from f2b_worker.domain.acts.hand_bans import banned_by_hand
from f2b_worker.domain.acts.lifting import is_running, lifted
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.decisions import Decision

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from f2b_worker.adapters.sqlite.rows import Stored
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.acts.hand_bans import Order
    from f2b_worker.domain.judge.retention import Retention
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
    from f2b_worker.errors import Unreadable

_NEW_ACT = "INSERT INTO acts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
# In the row of nobody: an older f2b writes all columns of an act, and could store none if there were one more.
_HOW = (
    "INSERT INTO acts_on (key, jail, act, ended, kept_until_day) VALUES ('', '', ?, ?, ?) ON CONFLICT DO NOTHING"
)
NEW_ACT_ON = "INSERT INTO acts_on (key, jail, act, ended, kept_until_day) VALUES (?, ?, ?, ?, ?)"
DONE = "SELECT ended FROM acts_on WHERE act = ? AND key = ? AND jail = ?"
_MOVE_HISTORY = "UPDATE OR REPLACE history SET start_ms = ?, ban = ? WHERE key = ? AND jail = ? AND start_ms = ?"


class Work:
    """What one act changes of offenders, in one transaction."""

    def __init__(self, connection: sqlite3.Connection, act: Act, kept_day: int, retention: Retention) -> None:
        self._connection = connection
        self._act = act
        self._kept_day = kept_day
        self._retention = retention
        self._done: list[tuple[object, ...]] = []
        self._states: list[tuple[OffenderId, Offender, int]] = []
        self._history: list[tuple[OffenderId, Ban, int]] = []

    def read(self, whom: Iterable[OffenderId]) -> list[tuple[OffenderId, Stored | Unreadable]]:
        """Read offenders."""
        asked = list(whom)
        found = read_offenders(self._connection, asked)
        return [(who, found.get(who, STRANGER)) for who in asked]

    def done(self, who: OffenderId) -> tuple[Ban | None] | None:
        """Find which ban the act ended, if it was done to *who* before; else None."""
        row = self._connection.execute(DONE, (self._act.id, who.key, who.jail)).fetchone()
        return (as_ban(json.loads(row[0])) if row[0] else None,) if row else None

    def lift(self, who: OffenderId, stored: Stored, *, forget: bool) -> Ban | None:
        """End the ban of one offender; answer it as it was if it ran."""
        before = stored.offender
        ended = before.ban if is_running(before.ban, self._act.at_ms) else None
        after = lifted(before, self._act.at_ms, forget=forget)
        if after:
            self._note(who, ended)
            self._change(who, stored, after)
            if before.ban and after.ban:  # in the history, too, where its evidence stays
                moved = (after.ban.start_ms, ban_text(after.ban), who.key, who.jail, before.ban.start_ms)
                self._connection.execute(_MOVE_HISTORY, moved)
        return ended

    def ban(self, who: OffenderId, stored: Stored, order: Order) -> Offender:
        """Ban one offender; answer what stands then."""
        before = stored.offender
        self._note(who)
        ban = banned_by_hand(before, order, self._act.at_ms)
        if ban is None:
            return before
        after = Decision(before, ban).applied(before)
        self._history.append((who, ban, self._change(who, stored, after)))
        return after

    def _note(self, who: OffenderId, ended: Ban | None = None) -> None:
        text = ban_text(ended) if ended else None
        self._done.append((who.key, who.jail, self._act.id, text, self._kept_day))

    def _change(self, who: OffenderId, stored: Stored, after: Offender) -> int:
        kept_until_ms = self._retention.until_ms(after.ban, now_ms=self._act.at_ms)
        day = max(stored.kept_until_day, kept_until_ms // DAY_MS + 1)
        self._states.append((who, after, day))
        return day

    def write(self) -> None:
        """Write all that was noted, and the act itself."""
        connection = self._connection
        remember(self._act, self._kept_day, connection)
        connection.executemany(NEW_ACT_ON, self._done)
        numbered(ban_rows(self._states), connection).write(connection)
        history_rows(self._history).write(connection)


def remember(act: Act, kept_day: int, connection: sqlite3.Connection) -> None:
    """Write an act itself down, unless that was done before."""
    short = act.shortened()
    what = json.dumps(short.what)
    row = (act.id, act.at_ms, act.by, act.verb.value, what, act.jail, act.reason, short.count, kept_day)
    connection.execute(_NEW_ACT, row)
    if short.how:
        connection.execute(_HOW, (act.id, short.how, kept_day))
