"""How offenders and bans are written into the state file, and read again.

Many rows go in and come out as one JSON text each way. SQLite takes it apart in one call, without Python's lock;
row by row, a thread that waits for the lock would be let in between any two of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json, to_json

from f2b_worker.domain.verdicts import Ban, Hit, Offender, OffenderId

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_READ = """
SELECT json_group_array(json_array(o.key, o.jail, json(o.hits), json(o.ban), o.revision, o.kept_until_day))
FROM json_each(?) AS asked CROSS JOIN offenders AS o
WHERE o.key = json_extract(asked.value, '$[0]') AND o.jail = json_extract(asked.value, '$[1]')
"""
_WRITE_HITS = """
INSERT INTO offenders (key, jail, hits, kept_until_day)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]')
FROM json_each(?) WHERE true
ON CONFLICT DO UPDATE SET hits = excluded.hits, kept_until_day = excluded.kept_until_day
"""
_WRITE_BANS = """
INSERT INTO offenders (key, jail, hits, kept_until_day, ban, revision, changed)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
       json_extract(value, '$[6]')
FROM json_each(?) WHERE true
ON CONFLICT DO UPDATE SET hits = excluded.hits, kept_until_day = excluded.kept_until_day, ban = excluded.ban,
    revision = excluded.revision, changed = excluded.changed
"""
# A ban that only lasts longer carries no evidence: that of its first write stays.
_WRITE_HISTORY = """
INSERT INTO history (key, jail, start_ms, ban, evidence, kept_until_day)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(?) WHERE true
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


def write_hits(connection: sqlite3.Connection, hits: Iterable[tuple[OffenderId, Iterable[Hit], int]]) -> None:
    """Store the hits of offenders, each with the day until which it is kept; their bans stay as they are."""
    rows = [(who.key, who.jail, _hits(of_one), day) for who, of_one, day in hits]
    if rows:
        connection.execute(_WRITE_HITS, (to_json(rows).decode(),))


def write_bans(connection: sqlite3.Connection, bans: Iterable[tuple[OffenderId, Offender, int, int]]) -> None:
    """Store offenders with their last bans, each with the day until which it is kept and the change's number."""
    rows = [
        (who.key, who.jail, _hits(offender.hits), day, _ban(offender.ban), offender.revision, number)
        for who, offender, day, number in bans
        if offender.ban
    ]
    connection.execute(_WRITE_BANS, (to_json(rows).decode(),))


def write_history(connection: sqlite3.Connection, bans: Iterable[tuple[OffenderId, Ban, int]]) -> None:
    """Store bans with their evidence, each with the day until which it is kept."""
    rows = [(who.key, who.jail, ban.start_ms, _ban(ban), _hits(ban.evidence), day) for who, ban, day in bans]
    connection.execute(_WRITE_HISTORY, (to_json(rows).decode(),))


def ban_of(text: str, evidence: str = "[]") -> Ban:
    """Read a ban from its columns."""
    ban = _as_ban(from_json(text))
    assert ban is not None
    hits = tuple(Hit(*each) for each in from_json(evidence))
    return Ban(
        ban.start_ms, ban.until_ms, ban.count, ban.length_ms, ban.extended, hits, ban.observed, ban.blocklists
    )


def _hits(hits: Iterable[Hit]) -> list[tuple[Any, ...]]:
    return [tuple(hit) if hit.weight != 1 else hit[:2] for hit in hits]


def _as_hits(rows: list[Any]) -> frozenset[Hit]:
    return frozenset([Hit(*row) for row in rows])


def _ban(ban: Ban) -> list[Any]:
    return [ban.start_ms, ban.until_ms, ban.count, ban.length_ms, ban.extended, ban.observed, ban.blocklists]


def _as_ban(row: list[Any] | None) -> Ban | None:
    if row is None:
        return None
    start_ms, until_ms, count, length_ms, extended, observed, blocklists = row
    return Ban(start_ms, until_ms, count, length_ms, extended, (), observed, tuple(blocklists))
