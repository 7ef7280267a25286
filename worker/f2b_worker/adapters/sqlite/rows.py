"""How offenders and bans are written into the state file, and read again.

Many are read as one JSON text, in half the time of so many queries; they are written row by row, since JSON takes
three times as long on that way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json, to_json

from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_READ = """
SELECT json_group_array(json_array(o.key, o.jail, json(o.hits), json(o.ban), o.revision, o.kept_until_day))
FROM json_each(?) AS asked CROSS JOIN offenders AS o
WHERE o.key = json_extract(asked.value, '$[0]') AND o.jail = json_extract(asked.value, '$[1]')
"""
_WRITE_HITS = """
INSERT INTO offenders (key, jail, hits, kept_until_day) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET hits = excluded.hits, kept_until_day = excluded.kept_until_day
"""
_WRITE_BANS = """
INSERT INTO offenders (key, jail, hits, kept_until_day, ban, revision, changed) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET hits = excluded.hits, kept_until_day = excluded.kept_until_day, ban = excluded.ban,
    revision = excluded.revision, changed = excluded.changed
"""
# A ban that only lasts longer carries no evidence: that of its first write stays.
_WRITE_HISTORY = """
INSERT INTO history (key, jail, start_ms, ban, evidence, kept_until_day) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET ban = excluded.ban, kept_until_day = excluded.kept_until_day,
    evidence = CASE excluded.evidence WHEN '[]' THEN evidence ELSE excluded.evidence END
"""


class Stored(NamedTuple):
    """An offender as the file has it, and until which day, since 1970, it is kept."""

    offender: Offender
    kept_until_day: int


STRANGER = Stored(Offender(), 0)


def read_offenders(connection: sqlite3.Connection, whom: Iterable[OffenderId]) -> dict[OffenderId, Stored]:
    """Read offenders; strangers are left out."""
    asked = to_json([(who.key, who.jail) for who in whom]).decode()
    rows = from_json(connection.execute(_READ, (asked,)).fetchone()[0])
    return {
        OffenderId(jail, key): Stored(Offender(_as_hits(hits), _as_ban(ban), revision), kept_until_day)
        for key, jail, hits, ban, revision, kept_until_day in rows
    }


class Rows(NamedTuple):
    """Rows in the making: all that takes Python's time is done before the transaction begins."""

    statement: str
    rows: list[tuple[object, ...]]

    def write(self, connection: sqlite3.Connection) -> None:
        """Write them."""
        connection.executemany(self.statement, self.rows)


def hit_rows(hits: Iterable[tuple[OffenderId, Iterable[Hit], int]]) -> Rows:
    """Make rows of offenders' hits, each with the day until which it is kept; their bans stay as they are."""
    return Rows(_WRITE_HITS, [(who.key, who.jail, _hits(of_one), day) for who, of_one, day in hits])


def ban_rows(bans: Iterable[tuple[OffenderId, Offender, int, int]]) -> Rows:
    """Make rows of offenders with last bans, each with the day until which it is kept and its change's number."""
    rows: list[tuple[object, ...]] = [
        (who.key, who.jail, _hits(offender.hits), day, _ban(offender.ban), offender.revision, number)
        for who, offender, day, number in bans
        if offender.ban
    ]
    return Rows(_WRITE_BANS, rows)


def history_rows(bans: Iterable[tuple[OffenderId, Ban, int]]) -> Rows:
    """Make rows of bans with their evidence, each with the day until which it is kept."""
    rows: list[tuple[object, ...]] = [
        (who.key, who.jail, ban.start_ms, _ban(ban), _hits(ban.evidence), day) for who, ban, day in bans
    ]
    return Rows(_WRITE_HISTORY, rows)


def ban_of(text: str, evidence: str = "[]") -> Ban:
    """Read a ban from its columns."""
    ban = _as_ban(from_json(text))
    assert ban is not None
    hits = tuple(Hit(*each) for each in from_json(evidence))
    return Ban(
        ban.start_ms, ban.until_ms, ban.count, ban.length_ms, ban.extended, hits, ban.observed, ban.blocklists
    )


def _hits(hits: Iterable[Hit]) -> str:
    return to_json([tuple(hit) if hit.weight != 1 else hit[:2] for hit in hits]).decode()


def _as_hits(rows: list[Any]) -> frozenset[Hit]:
    return frozenset([Hit(*row) for row in rows])


def _ban(ban: Ban) -> str:
    numbers = ban.start_ms, ban.until_ms, ban.count, ban.length_ms, ban.extended
    return to_json((*numbers, ban.observed, ban.blocklists)).decode()


def _as_ban(row: list[Any] | None) -> Ban | None:
    if row is None:
        return None
    start_ms, until_ms, count, length_ms, extended, observed, blocklists = row
    return Ban(start_ms, until_ms, count, length_ms, extended, (), observed, tuple(blocklists))
