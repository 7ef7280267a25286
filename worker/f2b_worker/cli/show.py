"""How commands show bans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.domain.addresses import display
from f2b_worker.domain.jails import DAY_MS, DEFAULT_BLOCKLIST, FOREVER_MS, MINUTE_MS, SECOND_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.domain.judge.enforcement import State
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import Notes

SHOWN_CHARACTERS = 100
"""So much is shown of what should be an address, and is none."""

JUDGE = "judge"
"""Who banned, if nobody else did."""

_ENTRIES_SHOWN = 10
_YEAR_ONE_MS = -62_135_596_800_000
_UNITS = (("d", DAY_MS), ("h", 60 * MINUTE_MS), ("m", MINUTE_MS), ("s", SECOND_MS))


BAN_KEYS = (
    "jail",
    "ip",
    "start",
    "start_at",
    "until",
    "until_at",
    "count",
    "length",
    "extended",
    "observed",
    "blocklists",
    "by",
)
"""What a ban has as a JSON object."""


def ban_object(who: OffenderId, ban: Ban) -> dict[str, Any]:
    """Return a ban as a JSON object: each time in epoch seconds and as RFC 3339, None for an end that never comes.

    `extended` is the number of steps by which infractions moved the end; `by` is `judge`, `cli`, `import` or
    `adopted`.
    """
    return {
        "jail": who.jail,
        "ip": display(who.key),
        **time_object("start", ban.start_ms),
        **time_object("until", ban.until_ms),
        "count": ban.count,
        "length": seconds(ban.length_ms),
        "extended": ban.extended,
        "observed": ban.observed,
        "blocklists": list(ban.blocklists),
        "by": origin_of(ban),
    }


def origin_of(ban: Ban) -> str:
    """Name who banned: the judge, or who else."""
    return ban.origin or JUDGE


def time_object(name: str, at_ms: int | None) -> dict[str, Any]:
    """Return a time under two keys: in epoch seconds, and as RFC 3339; None for never, or none."""
    if at_ms is None or at_ms >= FOREVER_MS:
        return {name: None, f"{name}_at": None}
    return {name: seconds(at_ms), f"{name}_at": rfc3339(at_ms)}


def rfc3339(at_ms: int) -> str:
    """Write a time as RFC 3339, in UTC."""
    at = datetime.fromtimestamp(max(at_ms, _YEAR_ONE_MS) / 1000, UTC).replace(tzinfo=None)
    return f"{at.isoformat(timespec='milliseconds' if at_ms % SECOND_MS else 'seconds')}Z"


def is_elsewhere(ban: Ban) -> bool:
    """Tell whether a ban is enforced in another blocklist than `block`, or in several."""
    return not ban.observed and ban.blocklists != (DEFAULT_BLOCKLIST,)


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


def extended_by(ban: Ban) -> str:
    """Say how much later a ban ends than it would without infractions during it; `-` for not at all."""
    return duration(ban.until_ms - ban.start_ms - ban.length_ms) if ban.extended else "-"


def _remark(ban: Ban) -> str:
    where = _where(ban)
    return "  observed only" if ban.observed else where and f" {where}"


def _where(ban: Ban) -> str:
    return f" in {', '.join(ban.blocklists)}" if is_elsewhere(ban) and ban is not UNREADABLE else ""


def unreadable_object(who: OffenderId | None) -> dict[str, Any]:
    """Return a ban that cannot be read as a JSON object: None for all that nobody knows."""
    known = {"jail": who.jail, "ip": display(who.key)} if who else {}
    return {**dict.fromkeys(BAN_KEYS), **known}


NOTE_KEYS = (
    "region",
    "held_back_from",
    "held_back_from_at",
    "released",
    "released_at",
    "foreign",
    "networks",
    "swept",
    "unreadable",
)
"""What was noted in a Region, as a JSON object."""


def notes_object(region: str, notes: Notes) -> dict[str, Any]:
    """Return what was noted in a Region as a JSON object."""
    return {
        "region": region,
        **time_object("held_back_from", notes.held_back_from_ms),
        **time_object("released", notes.released_ms),
        "foreign": {set_id: sorted(entries) for set_id, entries in notes.foreign.items()},
        "networks": {set_id: sorted(entries) for set_id, entries in notes.networks.items()},
        "swept": {set_id: seconds(at_ms) for set_id, at_ms in notes.swept_ms.items()},
        "unreadable": sorted(notes.lost),
    }


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


def moment(at_ms: int) -> str:
    """Write a time for people, in UTC."""
    if at_ms >= FOREVER_MS:
        return "for ever"
    # Infractions of any age may be accepted; Python's calendar begins with the year 1.
    at = datetime.fromtimestamp(max(at_ms, _YEAR_ONE_MS) / 1000, UTC).replace(tzinfo=None)
    return f"{at.isoformat(' ', 'seconds')}Z"


def duration(ms: int) -> str:
    """Write a duration as the jails file does: `10m`, `1d12h`."""
    if ms >= FOREVER_MS:
        return "all time"
    if ms < SECOND_MS:
        return f"{max(0, ms)}ms"
    text = ""
    for unit, unit_ms in _UNITS:
        number, ms = divmod(ms, unit_ms)
        text += f"{number}{unit}" if number else ""
    return text


def seconds(ms: int) -> int | float | None:
    """Turn milliseconds into seconds, whole ones where they are; None for ever."""
    if ms >= FOREVER_MS:
        return None
    return ms // 1000 if ms % 1000 == 0 else ms / 1000


def plain_text(text: str) -> str:
    """Write what somebody typed so that it steers no terminal."""
    return text if text.isprintable() else ascii(text)


def blocklist_named(name: str) -> str:
    """Name what a pause is about."""
    return "all blocklists" if name == EVERY_BLOCKLIST else f"blocklist {name}"


def paused_is(name: str) -> str:
    """Begin a sentence about what a pause is about."""
    return f"{blocklist_named(name)} {'are' if name == EVERY_BLOCKLIST else 'is'}"


def resume_command(name: str) -> str:
    """Write the command that ends a pause."""
    return "f2b resume" if name == EVERY_BLOCKLIST else f"f2b resume --blocklist {name}"
