"""When the infraction of a line happened: its date says so, as far as the clock agrees."""

import re
from collections.abc import Callable

from f2b_producer.logs.dates import Dates, Stamp
from f2b_producer.logs.forms import Moment

LIVE_MS = 60_000
"""A line that is read as it is written happened now; its date refines that, if it is no further away than this."""

_QUARTER_MS = 15 * 60_000  # zones differ by multiples of it
_NEAR_MS = 2 * 60_000
_ZONES_APART_MS = 26 * 3_600_000
_SHOWN_CHARACTERS = 120
_CLOCK_LIKE = re.compile(r"[0-9]{1,2}:[0-9]{2}|[0-9]{10}")


class Timing:
    """Says when lines were written, and warns once of dates that are wrong, and once of lines without a known one.

    Args:
        dates: Reads the dates.
        warn: Is given one line for people.
    """

    def __init__(self, dates: Dates, warn: Callable[[str], object]) -> None:
        self._dates = dates
        self._warn = warn
        self._warned_off = self._warned_form = False

    def find(self, line: str, *, now_ms: int, since_ms: int | None) -> Stamp | None:
        """Find the date of a line that was written until *now_ms*, and if that is known, after *since_ms*."""
        stamp = self._dates.find(line, now_ms, nearest=since_ms is not None)
        if stamp is None and line and not self._warned_form and not self._dates.are_undecided:
            self._warn_of_form(line[:_SHOWN_CHARACTERS])
        return stamp

    def _warn_of_form(self, line: str) -> None:
        # Where other lines have dates, one that shows no time of day just goes on from the line before.
        if not self._dates.are_known or _CLOCK_LIKE.search(line):
            self._warned_form = True
            self._warn(
                f"no date of a known form is where this line should have one: {line!r}."
                " Such a line counts as of when it was read. docs/logs.md has the forms"
            )

    def agrees(self, at_ms: int, *, now_ms: int, since_ms: int | None) -> bool:
        """Tell whether a date can be right; lines of an old log may be of any time, but of no later one."""
        earliest_ms = at_ms if since_ms is None else min(since_ms, now_ms) - LIVE_MS
        if earliest_ms <= at_ms <= now_ms + LIVE_MS:
            return True
        if not self._warned_off and (moment := self._dates.last):
            self._warned_off = True
            self._warn(_what_is_off(moment, at_ms - now_ms, is_old=since_ms is None))
        return False


def _what_is_off(moment: Moment, off_ms: int, *, is_old: bool) -> str:
    counts = "they count all the same" if is_old else "the time of reading counts instead"
    way = "ahead of" if off_ms > 0 else "behind"
    what = f"the dates of the log are {_duration(abs(off_ms))} {way} the clock of this machine: {counts}."
    quarters_ms = round(off_ms / _QUARTER_MS) * _QUARTER_MS
    if not quarters_ms or abs(off_ms - quarters_ms) > _NEAR_MS or abs(quarters_ms) > _ZONES_APART_MS:
        return f"{what} Is a clock wrong, or is the log written late?"
    fitting_ms = moment.zone_ms + quarters_ms
    read_in = f"read in the zone {_zone_text(moment.zone_ms)}, and {_zone_text(fitting_ms)} would fit"
    if moment.says_zone:
        return f"{what} They name their zone, are {read_in}: mend the zone or the clock of what writes the log"
    return f"{what} They are {read_in}: set TZ to the log's zone, by its name or as TZ={_posix(fitting_ms)}"


def _zone_text(ahead_ms: int) -> str:
    """Write how far a zone is ahead of UTC, +01:00 for instance."""
    minutes = abs(ahead_ms) // 60_000
    return f"{'-' if ahead_ms < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _posix(ahead_ms: int) -> str:
    """Write it as POSIX has it: how far UTC is ahead of the zone."""
    minutes = abs(ahead_ms) // 60_000
    return f"UTC{'+' if ahead_ms < 0 else '-'}{minutes // 60}" + (f":{minutes % 60:02}" if minutes % 60 else "")


def _duration(ms: int) -> str:
    minutes = round(ms / 60_000)
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} days"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
