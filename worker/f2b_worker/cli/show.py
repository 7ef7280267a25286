"""How commands show bans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.addresses import display
from f2b_worker.domain.jails import DAY_MS, DEFAULT_BLOCKLIST, FOREVER_MS, MINUTE_MS, SECOND_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.judge.verdicts import Ban, OffenderId

_YEAR_ONE_MS = -62_135_596_800_000
_UNITS = (("d", DAY_MS), ("h", 60 * MINUTE_MS), ("m", MINUTE_MS), ("s", SECOND_MS))


def ban_object(who: OffenderId, ban: Ban) -> dict[str, Any]:
    """Return a ban as a JSON object: times in epoch seconds, None for an end that never comes.

    A ban that is only observed says so, and one that is enforced elsewhere than in the blocklist `block` says
    where; others have no such key.
    """
    shown: dict[str, Any] = {
        "jail": who.jail,
        "ip": display(who.key),
        "start": _seconds(ban.start_ms),
        "until": _seconds(ban.until_ms),
        "count": ban.count,
        "length": _seconds(ban.length_ms),
        "extended": ban.extended,
    }
    if ban.observed:
        shown["observed"] = True
    if is_elsewhere(ban):
        shown["blocklists"] = list(ban.blocklists)
    return shown


def is_elsewhere(ban: Ban) -> bool:
    """Tell whether a ban is enforced in another blocklist than `block`, or in several."""
    return not ban.observed and ban.blocklists != (DEFAULT_BLOCKLIST,)


def ban_table(bans: Iterable[tuple[OffenderId, Ban]]) -> Iterator[str]:
    """Return the lines of a table of bans."""
    yield f"{'JAIL':16} {'ADDRESS':24} {'SINCE':20} {'UNTIL':20} {'BAN':>3} EXTENDED"
    for who, ban in bans:
        since, until = moment(ban.start_ms), moment(ban.until_ms)
        row = f"{who.jail:16} {display(who.key):24} {since:20} {until:20} {ban.count:3} {ban.extended:8}"
        yield row + _remark(ban)


def _remark(ban: Ban) -> str:
    if ban.observed:
        return "  observed only"
    return f"  in {', '.join(ban.blocklists)}" if is_elsewhere(ban) else ""


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


def _seconds(ms: int) -> int | float | None:
    if ms >= FOREVER_MS:
        return None
    return ms // 1000 if ms % 1000 == 0 else ms / 1000
