r"""Changes of bans as bytes: columns of JSON, compressed; 13 bytes a ban, and to be read in ten years.

    b"\x01" + zlib(JSON)
    {"t0": 1764000000000, "jails": ["login"], "lists": [["f2b"]], "key": ["203.0.113.7/32"], "jail": [0],
     "start": [0], "length": [600000], "over": [0], "count": [1], "rev": [1]}

`start` counts from `t0`; `over` is how much later than `start + length` a ban ends. `jail` and `list` are places
in `jails` and `lists`. Columns in which nothing stands are left out; those that a reader does not know it ignores.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.dynamodb.zipped import unzipped, zipped
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS
from f2b_worker.domain.judge.soundness import NUMBER_MAX, is_whole, wrong_in_ban
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FORMAT = b"\x01"

_COLUMNS = ("key", "jail", "start", "length", "over", "count", "rev", "list", "extended", "observed", "lifted")
_OPTIONAL = {"list", "extended", "observed", "lifted"}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What stands in one item.

    Attributes:
        changes: The changes; a ban that cannot be read is UNREADABLE, so that nobody takes it for ended.
        unreadable: How many rows do not even say whose they are, or have no revision.
        looks: The names of items that are to be read again.
    """

    changes: Sequence[Change]
    unreadable: int = 0
    looks: frozenset[str] = frozenset()


def pack(changes: Sequence[Change], looks: Iterable[str] = ()) -> bytes:
    """Write changes, and the names of items that readers are to read again."""
    jails = sorted({change.who.jail for change in changes})
    lists = sorted({change.ban.blocklists for change in changes})
    t0 = min((change.ban.start_ms for change in changes), default=0)
    jail_at = {name: place for place, name in enumerate(jails)}
    list_at = {names: place for place, names in enumerate(lists)}
    rows = [
        (
            who.key,
            jail_at[who.jail],
            ban.start_ms - t0,
            ban.length_ms,
            ban.until_ms - ban.start_ms - ban.length_ms,
            ban.count,
            revision,
            list_at[ban.blocklists],
            ban.extended,
            int(ban.observed),
            lifted_ms,
        )
        for who, ban, revision, lifted_ms in changes
    ]
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}
    told = {name: column for name, column in columns.items() if name not in _OPTIONAL or any(column)}
    content: dict[str, Any] = {"t0": t0, "jails": jails, **told}
    if lists != [(DEFAULT_BLOCKLIST,)]:
        content["lists"] = lists
    if looks := sorted(looks):
        content["look"] = looks
    return FORMAT + zipped(json.dumps(content, separators=(",", ":")))


def unpack(packed: bytes) -> Unpacked:
    """Read what `pack` wrote.

    Raises:
        ValueError: Or another of `MISSHAPEN`, if nothing of it can be read.
    """
    if packed[:1] != FORMAT:
        raise ValueError(f"format {packed[:1]!r}, not {FORMAT!r}")
    content = json.loads(unzipped(packed[1:]))
    rows = list(_rows(content))
    changes = [_change(content, *row) for row in rows]
    known = [change for change in changes if change]
    return Unpacked(known, len(changes) - len(known), frozenset(map(str, content.get("look", ()))))


def _rows(content: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    keys = content.get("key", ())
    zeros = [0] * len(keys)
    columns = [content.get(name, zeros) if name in _OPTIONAL else content.get(name, ()) for name in _COLUMNS]
    return zip(*columns, strict=True)


def _change(content: dict[str, Any], key: Any, jail: Any, *row: Any) -> Change | None:
    """Read one row; None if it does not say whose it is, or which of two is the newer."""
    try:
        who = OffenderId(content["jails"][jail], key)
        revision, lifted_ms = row[4], row[8]
        if not isinstance(key, str) or not isinstance(who.jail, str) or not is_whole(revision, 1, NUMBER_MAX):
            return None
    except MISSHAPEN:
        return None
    if not is_whole(lifted_ms, 0, FOREVER_MS):
        return Change(who, UNREADABLE, revision)
    return Change(who, _ban(content, row), revision, lifted_ms)


def _ban(content: dict[str, Any], row: tuple[Any, ...]) -> Ban:
    start, length_ms, over_ms, count, _, blocklists, extended, observed, _ = row
    try:
        start_ms = content["t0"] + start
        lists = content.get("lists", [[DEFAULT_BLOCKLIST]])
        ban = Ban(
            start_ms=start_ms,
            until_ms=start_ms + length_ms + over_ms,
            count=count,
            length_ms=length_ms,
            extended=extended,
            observed=bool(observed),
            blocklists=tuple(lists[blocklists]),
        )
        return UNREADABLE if wrong_in_ban(ban) else ban
    except MISSHAPEN:
        return UNREADABLE
