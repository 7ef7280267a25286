"""How pages write what commands write otherwise: what is left of a ban, in words that fit into a column."""

from __future__ import annotations

from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.query.wording import UNITS, plain_text

TEXT_SHOWN = 200
"""So many characters of what somebody wrote stand in a cell of a table."""


def span(ms: int) -> str:
    """Write a duration in its two largest units: `3d 4h`, `12m`; static/app.js writes the same words."""
    for (unit, unit_ms), (lower, lower_ms) in zip(UNITS, [*UNITS[1:], ("", 1)], strict=True):
        if ms >= unit_ms:
            rest = ms % unit_ms // lower_ms if lower else 0
            return f"{ms // unit_ms}{unit}" + (f" {rest}{lower}" if rest else "")
    return "0s"


def left(until_ms: int, now_ms: int) -> str:
    """Say how much is left until then."""
    if until_ms >= FOREVER_MS:
        return "for ever"
    return span(until_ms - now_ms) if until_ms >= now_ms else "ended"


def ago(at_ms: int, now_ms: int) -> str:
    """Say how long ago something was."""
    return f"{span(max(0, now_ms - at_ms))} ago"


def whole(text: str) -> str:
    """Write all that somebody wrote, in its lines; nothing in them is unseen, or turns them around."""
    return "\n".join(plain_text(line) for line in text.split("\n"))


def shown(text: str) -> str:
    """Write what somebody wrote: nothing in it is unseen, or turns the line around, and it fills no page."""
    cut = plain_text(text)
    return cut if len(cut) <= TEXT_SHOWN else f"{cut[:TEXT_SHOWN]}…"
