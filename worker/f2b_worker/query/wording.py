"""How times, lengths and names are written, for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.domain.jails import DAY_MS, DEFAULT_BLOCKLIST, FOREVER_MS, MINUTE_MS, SECOND_MS

if TYPE_CHECKING:
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.judge.verdicts import Ban

SHOWN_CHARACTERS = 100
"""So much is shown of what should be an address, and is none."""

DEFECT = (
    "This is a defect of f2b. Report it where you have f2b from, with the traceback in its log and the file that"
    " f2b support writes."
)
"""What is said of an error that is none of ours."""

JUDGE = "judge"
"""Who banned, if nobody else did."""

_YEAR_ONE_MS = -62_135_596_800_000
UNITS = (("d", DAY_MS), ("h", 60 * MINUTE_MS), ("m", MINUTE_MS), ("s", SECOND_MS))


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
    for unit, unit_ms in UNITS:
        number, ms = divmod(ms, unit_ms)
        text += f"{number}{unit}" if number else ""
    return text


def since(at_ms: int, now_ms: int) -> str:
    """Write how long something has lasted, or is over, in whole seconds."""
    return duration(max(0, now_ms - at_ms) // SECOND_MS * SECOND_MS)


def seconds(ms: int) -> int | float | None:
    """Turn milliseconds into seconds, whole ones where they are; None for ever."""
    if ms >= FOREVER_MS:
        return None
    return ms // 1000 if ms % 1000 == 0 else ms / 1000


def rfc3339(at_ms: int) -> str:
    """Write a time as RFC 3339, in UTC; one beyond the calendar is its last moment."""
    at_ms = min(max(at_ms, _YEAR_ONE_MS), FOREVER_MS - 1)
    at = datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None)
    return f"{at.isoformat(timespec='milliseconds' if at_ms % SECOND_MS else 'seconds')}Z"


def time_object(name: str, at_ms: int | None) -> dict[str, Any]:
    """Return a time under two keys: in epoch seconds, and as RFC 3339; None for never, or none."""
    if at_ms is None or at_ms >= FOREVER_MS:
        return {name: None, f"{name}_at": None}
    return {name: seconds(at_ms), f"{name}_at": rfc3339(at_ms)}


def plain_text(text: str) -> str:
    """Write what somebody typed so that it steers no terminal."""
    return text if text.isprintable() else ascii(text)


def did(act: Act) -> str:
    """Write what somebody did, and how: `ban for 1h`."""
    return f"{act.verb.value} {plain_text(act.how)}".rstrip()


def origin_of(ban: Ban) -> str:
    """Name who banned: the judge, or who else."""
    return ban.origin or JUDGE


def is_elsewhere(ban: Ban) -> bool:
    """Tell whether a ban is enforced in another blocklist than `block`, or in several."""
    return not ban.observed and ban.blocklists != (DEFAULT_BLOCKLIST,)


def extended_by(ban: Ban) -> str:
    """Say how much later a ban ends than it would without infractions during it; `-` for not at all."""
    return duration(ban.until_ms - ban.start_ms - ban.length_ms) if ban.extended else "-"


def blocklist_named(name: str) -> str:
    """Name what a pause is about."""
    return "all blocklists" if name == EVERY_BLOCKLIST else f"blocklist {name}"


def paused_is(name: str) -> str:
    """Begin a sentence about what a pause is about."""
    return f"{blocklist_named(name)} {'are' if name == EVERY_BLOCKLIST else 'is'}"


def resume_command(name: str) -> str:
    """Write the command that ends a pause."""
    return "f2b resume" if name == EVERY_BLOCKLIST else f"f2b resume --blocklist {name}"


def held_back(region: str, from_ms: int) -> str:
    """Say that the surge guard holds bans back, and what to do."""
    return f"{region}: bans since {moment(from_ms)} are held back: look, then f2b release"


def infractions(number: int) -> str:
    """Write how many infractions."""
    return f"{number} infraction" + ("" if number == 1 else "s")


def ordinal(number: int) -> str:
    """Write which one: 1st, 2nd, 11th."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
