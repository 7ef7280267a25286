"""How offenders and bans are written into the state file, and read again.

Many are read as one JSON text, in half the time of so many queries; they are written row by row, since JSON takes
three times as long on that way.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json, to_json

from f2b_worker.adapters.remedies import MISSHAPEN, unreadable_item
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.columns import bans_of
from f2b_worker.domain.judge.soundness import NUMBER_MAX, are_bans, are_sound, is_whole, wrong_in_ban
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.ports import StandingBan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from f2b_worker.errors import Unreadable

_READ = """
SELECT json_group_array(
    json_array(o.key, o.jail, json(o.hits), json(o.ban), o.revision, o.lifted_ms, o.kept_until_day)
)
FROM json_each(?) AS asked CROSS JOIN offenders AS o
WHERE o.key = json_extract(asked.value, '$[0]') AND o.jail = json_extract(asked.value, '$[1]')
"""
# As bytes: SQLite hands out no text that is none. The jail comes first, as in an `OffenderId`.
_READ_ALONE = """
SELECT CAST(hits AS BLOB), CAST(ban AS BLOB), revision, lifted_ms, kept_until_day
FROM offenders WHERE jail = ? AND key = ?
"""
_WRITE_HITS = """
INSERT INTO offenders (key, jail, hits, kept_until_day) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET hits = excluded.hits, kept_until_day = excluded.kept_until_day
"""
_WRITE_BANS = """
INSERT INTO offenders (key, jail, hits, kept_until_day, ban, revision, lifted_ms, changed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET hits = excluded.hits, kept_until_day = excluded.kept_until_day, ban = excluded.ban,
    revision = excluded.revision, lifted_ms = excluded.lifted_ms, changed = excluded.changed
"""
# A ban that only lasts longer carries no evidence: that of its first write stays.
_WRITE_HISTORY = """
INSERT INTO history (key, jail, start_ms, ban, evidence, kept_until_day) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET ban = excluded.ban, kept_until_day = excluded.kept_until_day,
    evidence = CASE excluded.evidence WHEN '[]' THEN evidence ELSE excluded.evidence END
"""


_BAN_CELLS = 8
"""So many values a stored ban has; one by the judge leaves out the last, its origin."""


class Stored(NamedTuple):
    """An offender as the file has it, and until which day, since 1970, it is kept."""

    offender: Offender
    kept_until_day: int


STRANGER = Stored(Offender(), 0)


def read_offenders(
    connection: sqlite3.Connection, whom: Collection[OffenderId]
) -> dict[OffenderId, Stored | Unreadable]:
    """Read offenders; strangers are left out."""
    asked = to_json([(who.key, who.jail) for who in whom]).decode()
    try:
        rows = from_json(connection.execute(_READ, (asked,)).fetchone()[0])
    except (sqlite3.OperationalError, ValueError):
        # Of one that is no JSON SQLite makes none of all. If it is something else, it comes again.
        return {who: stored for who in whom if (stored := _read_alone(connection, who))}
    return {OffenderId(row[1], row[0]): _as_stored(OffenderId(row[1], row[0]), row[2:]) for row in rows}


def _read_alone(connection: sqlite3.Connection, who: OffenderId) -> Stored | Unreadable | None:
    row = connection.execute(_READ_ALONE, who).fetchone()
    if row is None:
        return None
    hits, ban, *rest = row
    for name, text in (("hits", hits), ("ban", ban)):
        try:
            from_json(text if text is not None else b"null")
        except MISSHAPEN:
            return _unreadable_offender(who, name)
    return _as_stored(who, (from_json(hits), from_json(ban) if ban else None, *rest))


def _as_stored(who: OffenderId, row: Sequence[Any]) -> Stored | Unreadable:
    """Make an offender of its columns, or name the one that cannot be read."""
    hits, ban, revision, lifted_ms, kept_until_day = row
    try:
        found = Offender(_as_hits(hits), as_ban(ban), revision, lifted_ms)
    except MISSHAPEN:
        return _unreadable_offender(who, "hits" if _is_wrong(_as_hits, hits) else "ban")
    if not is_whole(revision, 0, NUMBER_MAX):
        return _unreadable_offender(who, "revision")
    if not is_whole(lifted_ms, 0, FOREVER_MS):
        return _unreadable_offender(who, "lifted_ms")
    if revision and found.ban is None and not lifted_ms:
        return _unreadable_offender(who, "ban")
    if not is_whole(kept_until_day, 0, NUMBER_MAX):
        return _unreadable_offender(who, "kept_until_day")
    return Stored(found, kept_until_day)


def _is_wrong(read: Callable[[Any], object], value: object) -> bool:
    try:
        read(value)
    except MISSHAPEN:
        return True
    return False


def _unreadable_offender(who: OffenderId, column: str) -> Unreadable:
    return unreadable_item("offender", f"offenders {who.key} {who.jail}", column)


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


def ban_rows(bans: Iterable[tuple[OffenderId, Offender, int]]) -> Rows:
    """Make rows of offenders with last bans, or lifts, each with the day until which it is kept.

    The number of each change is still to be added: see `numbered`.
    """
    return Rows(_WRITE_BANS, [_state(who, offender, day) for who, offender, day in bans])


def _state(who: OffenderId, offender: Offender, day: int) -> tuple[object, ...]:
    ban = ban_text(offender.ban) if offender.ban else None
    return who.key, who.jail, _hits(offender.hits), day, ban, offender.revision, offender.lifted_ms


def numbered(changes: Rows, connection: sqlite3.Connection) -> Rows:
    """Number changes of bans, in the transaction that writes them: so they are numbered as they are committed.

    A number is never given twice, whichever process asks.
    """
    taken = len(changes.rows)
    connection.execute("UPDATE counters SET n = n + ? WHERE name = 'changes'", (taken,))
    ((last,),) = connection.execute("SELECT n FROM counters WHERE name = 'changes'")
    first = last - taken + 1
    return Rows(changes.statement, [(*row, number) for number, row in enumerate(changes.rows, first)])


def history_rows(bans: Iterable[tuple[OffenderId, Ban, int]]) -> Rows:
    """Make rows of bans with their evidence, each with the day until which it is kept."""
    rows: list[tuple[object, ...]] = [
        (who.key, who.jail, ban.start_ms, ban_text(ban), _hits(ban.evidence), day) for who, ban, day in bans
    ]
    return Rows(_WRITE_HISTORY, rows)


def standing_of_row(key: object, jail: object, ban: bytes, lifted_ms: object) -> StandingBan:
    """Read the last ban of an offender from its columns, as bytes but for the time.

    Raises:
        Unreadable: If it cannot be read.
    """
    who = who_of_row(key, jail)
    if who is None:
        raise unreadable_item("ban", f"offenders {key!r} {jail!r}", "key")
    try:
        found = as_ban(from_json(ban))
        if found and isinstance(lifted_ms, int) and is_whole(lifted_ms, 0, FOREVER_MS):
            return StandingBan(who, found, lifted_ms)
    except MISSHAPEN as error:
        raise unreadable_item("ban", f"offenders {who.key} {who.jail}", "ban") from error
    raise unreadable_item("ban", f"offenders {who.key} {who.jail}", "ban")


def standing_of_rows(rows: Sequence[Sequence[Any]]) -> list[StandingBan]:
    """Read the last bans of many rows as `standing_of_row` does, in a third of the time.

    Raises:
        ValueError: Or another of `MISSHAPEN`, if any of them cannot be read: each by itself shows which.
    """
    if not rows:
        return []
    key, jail, ban, lifted_ms = zip(*rows, strict=True)
    parsed = [each if len(each) == _BAN_CELLS else [*each, ""] for each in map(from_json, ban)]
    start_ms, until_ms, count, length_ms, extended, observed, blocklists, origin = zip(*parsed, strict=True)
    if not (
        set(map(type, parsed)) == set(map(type, blocklists)) == {list}
        and set(map(type, observed)) == {bool}
        and set(map(type, chain(origin, *blocklists))) == {str}
        and set(map(type, lifted_ms)) == {int}
        and 0 <= min(lifted_ms) <= max(lifted_ms) <= FOREVER_MS
        and are_bans(start_ms, until_ms, length_ms=length_ms, count=count, extended=extended)
    ):
        raise ValueError("ban")
    bans = bans_of(
        len(rows),
        start_ms=start_ms,
        until_ms=until_ms,
        count=count,
        length_ms=length_ms,
        extended=extended,
        evidence=repeat(()),
        observed=observed,
        blocklists=map(tuple, blocklists),
        origin=origin,
    )
    return list(
        map(StandingBan, map(OffenderId, map(bytes.decode, jail), map(bytes.decode, key)), bans, lifted_ms)
    )


def who_of_row(key: object, jail: object) -> OffenderId | None:
    """Read whose row it is; None if that cannot be told."""
    try:
        return OffenderId(bytes(jail).decode(), bytes(key).decode())  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None


def past_ban(who: OffenderId, start_ms: bytes, ban: bytes, evidence: bytes) -> Ban:
    """Read one ban of an offender's history from its columns, as bytes.

    Raises:
        Unreadable: If it cannot be read.
    """
    item = f"history {who.key} {who.jail} {start_ms.decode(errors='replace')}"
    try:
        found = as_ban(from_json(ban))
    except MISSHAPEN as error:
        raise unreadable_item("history", item, "ban") from error
    if found is None:
        raise unreadable_item("history", item, "ban")
    try:
        hits = tuple(Hit(*each) for each in from_json(evidence))
        if not are_sound(hits):
            raise ValueError("evidence")
    except MISSHAPEN as error:
        raise unreadable_item("history", item, "evidence") from error
    return replace(found, evidence=hits)


def _hits(hits: Iterable[Hit]) -> str:
    return to_json([tuple(hit) if hit.weight != 1 else hit[:2] for hit in hits]).decode()


def _as_hits(rows: list[Any]) -> frozenset[Hit]:
    hits = frozenset([Hit(*row) for row in rows])
    if not are_sound(hits):
        raise ValueError("hits")
    return hits


def ban_text(ban: Ban) -> str:
    """Write a ban, without its evidence."""
    numbers = ban.start_ms, ban.until_ms, ban.count, ban.length_ms, ban.extended
    origin = (ban.origin,) if ban.origin else ()
    return to_json((*numbers, ban.observed, ban.blocklists, *origin)).decode()


def as_ban(row: list[Any] | None) -> Ban | None:
    """Read a ban; None if there is none.

    Raises:
        ValueError: Or another of `MISSHAPEN`, if it is not what a worker writes.
    """
    if row is None:
        return None
    start_ms, until_ms, count, length_ms, extended, observed, blocklists, *more = row
    origin = more[0] if more else ""
    ban = Ban(start_ms, until_ms, count, length_ms, extended, (), observed, tuple(blocklists), origin)
    wrong = wrong_in_ban(ban)
    if wrong or not isinstance(blocklists, list):
        raise ValueError(wrong or "blocklists")
    return ban
