"""How commands show bans, and what was noted of them, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import display
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.query.wording import extended_by, is_elsewhere, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.domain.judge.enforcement import State
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import Notes

_ENTRIES_SHOWN = 10


def ban_table(
    bans: Sequence[tuple[OffenderId, Ban]], states: Sequence[State | None] | None = None
) -> Iterator[str]:
    """Return the lines of a table of bans.

    Args:
        bans: The bans.
        states: How far each is enforced, if the table shows that; None for one that nobody could look up.
    """
    title = f"{'JAIL':16} {'ADDRESS':24} {'SINCE':20} {'UNTIL':20} {'BAN':>3} EXTENDED"
    yield title if states is None else f"{title}  STATE"
    shown = states or [None] * len(bans)
    for (who, ban), state in zip(bans, shown, strict=True):
        since, until = moment(ban.start_ms), moment(ban.until_ms)
        number, extended = str(ban.count), extended_by(ban)
        if ban is UNREADABLE:
            since = until = number = extended = "?"
        row = f"{who.jail:16} {display(who.key):24} {since:20} {until:20} {number:>3} {extended:>8}"
        where = _where(ban)
        yield f"{row}  {state or '?'}{where and f',{where}'}" if states is not None else f"{row}{_remark(ban)}"


def _remark(ban: Ban) -> str:
    where = _where(ban)
    return "  observed only" if ban.observed else where and f" {where}"


def _where(ban: Ban) -> str:
    return f" in {', '.join(ban.blocklists)}" if is_elsewhere(ban) and ban is not UNREADABLE else ""


def note_lines(notes: Mapping[str, Notes]) -> Iterator[str]:
    """Return the lines about what was noted; none where nothing was."""
    for region, each in notes.items():
        lines = list(_lines_of(each))
        if lines:
            yield ""
            yield f"Notes of {region}:"
            yield from (f"  {label:11} {text}" for label, text in lines)


def _lines_of(notes: Notes) -> Iterator[tuple[str, str]]:
    if notes.held_back_from_ms is not None:
        since = moment(notes.held_back_from_ms)
        yield "surge", f"bans that start at {since} or later are held back; `f2b release` lets them in"
    if notes.released_ms is not None:
        yield "released", f"what was held back until {moment(notes.released_ms)}"
    for label, entries_of in (("foreign", notes.foreign), ("networks", notes.networks)):
        for set_id, entries in entries_of.items():
            yield label, f"{_name_of(set_id)}: {_some(sorted(entries))}"
    for set_id, at_ms in notes.swept_ms.items():
        yield "swept", f"{_name_of(set_id)}: bans that ended before {moment(at_ms)} had left it"
    for name in sorted(notes.lost):
        yield "unreadable", name


def _name_of(set_id: str) -> str:
    """Name an IP set as people know it: its ARN ends with `/ipset/<name>/<id>`."""
    parts = set_id.split("/")
    return parts[-2] if len(parts) > 2 else set_id


def _some(entries: Sequence[str]) -> str:
    left_out = len(entries) - _ENTRIES_SHOWN
    more = f" and {left_out} more (--notes --json shows all)" if left_out > 0 else ""
    return ", ".join(entries[:_ENTRIES_SHOWN]) + more
