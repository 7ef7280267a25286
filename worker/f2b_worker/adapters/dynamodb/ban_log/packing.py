r"""Changes of bans as bytes: columns of JSON, compressed; 13 bytes a ban, and to be read in ten years.

    b"\x01" + zlib(JSON)
    {"t0": 1764000000000, "jails": ["login"], "lists": [["f2b"]], "key": ["203.0.113.7/32"], "jail": [0],
     "start": [0], "length": [600000], "over": [0], "count": [1], "rev": [1]}

`start` counts from `t0`; `over` is how much later than `start + length` a ban ends. `jail`, `list` and `origin`
are places in `jails`, `lists` and `origins`. Columns in which nothing stands are left out; those that a reader
does not know it ignores.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.dynamodb.zipped import unzipped, zipped
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS
from f2b_worker.domain.judge.columns import bans_of
from f2b_worker.domain.judge.soundness import NUMBER_MAX, are_bans, is_whole
from f2b_worker.domain.judge.verdicts import UNREADABLE, OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMAT = b"\x01"

_COLUMNS = (
    "key",
    "jail",
    "start",
    "length",
    "over",
    "count",
    "rev",
    "list",
    "extended",
    "observed",
    "lifted",
    "origin",
)
_OPTIONAL = {"list", "extended", "observed", "lifted", "origin"}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What stands in one item.

    Attributes:
        changes: The changes; a ban that cannot be read is UNREADABLE, so that nobody takes it for ended.
        unreadable: How many rows do not even say whose they are, or have no revision.
        looks: The names of items that are to be read again.
        is_whole: Whether every row can be read.
    """

    changes: Sequence[Change]
    unreadable: int = 0
    looks: frozenset[str] = frozenset()
    is_whole: bool = True


def pack(changes: Sequence[Change], looks: Iterable[str] = ()) -> bytes:
    """Write changes, and the names of items that readers are to read again."""
    jails = sorted({change.who.jail for change in changes})
    lists = sorted({change.ban.blocklists for change in changes})
    t0 = min((change.ban.start_ms for change in changes), default=0)
    jail_at = {name: place for place, name in enumerate(jails)}
    list_at = {names: place for place, names in enumerate(lists)}
    origins = sorted({"", *(change.ban.origin for change in changes)})
    origin_at = {name: place for place, name in enumerate(origins)}
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
            origin_at[ban.origin],
        )
        for who, ban, revision, lifted_ms in changes
    ]
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}
    told = {name: column for name, column in columns.items() if name not in _OPTIONAL or any(column)}
    content: dict[str, Any] = {"t0": t0, "jails": jails, **told}
    if lists not in ([], [(DEFAULT_BLOCKLIST,)]):
        content["lists"] = lists
    if origins != [""]:
        content["origins"] = origins
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
    looks = frozenset(map(str, content.get("look", ())))
    columns = _columns(content)
    try:
        return Unpacked(_changes(content, *columns), looks=looks)
    except MISSHAPEN:
        # Something in it is wrong: by itself, each row shows whether it is.
        rows = [_row(content, row) for row in zip(*columns, strict=True)]
        changes = [change for change in rows if change]
        return Unpacked(changes, len(rows) - len(changes), looks, is_whole=False)


def _columns(content: dict[str, Any]) -> list[Any]:
    zeros = [0] * len(content.get("key", ()))
    columns = [content.get(name, zeros) if name in _OPTIONAL else content.get(name, ()) for name in _COLUMNS]
    if len(set(map(len, columns))) > 1:
        raise ValueError("columns of different lengths")
    return columns


def _row(content: dict[str, Any], row: tuple[Any, ...]) -> Change | None:
    """Read one row; None if it does not say whose it is, or which of two is the newer."""
    with suppress(*MISSHAPEN):
        (change,) = _changes(content, *((value,) for value in row))
        return change
    with suppress(*MISSHAPEN):
        key, place, revision = row[0], row[1], row[6]
        jail = content["jails"][place]
        if type(key) is type(jail) is str and place >= 0 and is_whole(revision, 1, NUMBER_MAX):
            return Change(OffenderId(jail, key), UNREADABLE, revision)
    return None


def _changes(  # noqa: PLR0913, PLR0917 - the columns, as they are packed
    content: dict[str, Any],
    key: Any,
    jail: Any,
    start: Any,
    length: Any,
    over: Any,
    count: Any,
    rev: Any,
    list_at: Any,
    extended: Any,
    observed: Any,
    lifted: Any,
    origin_at: Any,
) -> list[Change]:
    """Read columns of one length, of which every row is a change.

    Raises:
        ValueError: Or another of `MISSHAPEN`, if a row is none.
    """
    t0 = content["t0"]
    start_ms = [t0 + each for each in start]
    until_ms = list(map(sum, zip(start_ms, length, over, strict=True)))
    names = [content["jails"][each] for each in jail]
    lists = [tuple(each) for each in content.get("lists", [[DEFAULT_BLOCKLIST]])]
    blocklists = [lists[each] for each in list_at]
    origins = content.get("origins", [""])
    texts = (*key, *names, *origins, *chain.from_iterable(lists))
    _refuse_unsound(texts, rev=rev, observed=observed, lifted=lifted, places=(*jail, *list_at, *origin_at))
    if not are_bans(start_ms, until_ms, length_ms=length, count=count, extended=extended):
        raise ValueError("ban")
    bans = bans_of(
        len(start_ms),
        start_ms=start_ms,
        until_ms=until_ms,
        count=count,
        length_ms=length,
        extended=extended,
        evidence=repeat(()),
        observed=map(bool, observed),
        blocklists=blocklists,
        origin=[origins[each] for each in origin_at],
    )
    return list(map(Change, map(OffenderId, names, key), bans, rev, lifted))


def _refuse_unsound(
    texts: Sequence[Any],
    *,
    rev: Sequence[Any],
    observed: Sequence[Any],
    lifted: Sequence[Any],
    places: Sequence[Any],
) -> None:
    whole = {type(each) for each in chain(rev, observed, lifted, places)}
    if (
        set(map(type, texts)) - {str}
        or whole - {int}
        or min(rev, default=1) < 1
        or max(rev, default=1) > NUMBER_MAX
        or min(places, default=0) < 0
        or not set(observed) <= {0, 1}
        or min(lifted, default=0) < 0
        or max(lifted, default=0) > FOREVER_MS
    ):
        raise ValueError("change")
