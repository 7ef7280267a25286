"""Finds the time stamp of a log line, as fail2ban's date detector does for the common forms.

A stamp at the start of the line goes before any other: what stands there was written by the program that
logs, while the rest of the line may be an attacker's words.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple

SKEW_MS = 5 * 60 * 1000  # a stamp without year may be this far ahead, as clocks are; the worker allows as much
_YEARS_BACK = 9  # 29 February may lie 8 years back: 2096 and 2104

_MONTH_NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_MONTHS |= {f"{number:02}": number for number in range(1, 13)}

_YEAR = r"(?P<year>19[7-9][0-9]|20[0-9]{2})"
_MONTH = r"(?P<month>0[1-9]|1[0-2])"
_MONTH_NAME = f"(?P<month>{_MONTH_NAMES.replace(' ', '|')})"
_DAY = r"(?P<day>0[1-9]|[12][0-9]|3[01])"
_DAY_UNPADDED = r"(?P<day>[12][0-9]|3[01]|0?[1-9])"
_CLOCK = (
    r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
    r"(?:[.,](?P<fraction>[0-9]{1,9})(?![0-9]))?"
)
_ZONE = r"(?:\s?(?P<zone>Z|UTC|GMT|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])(?!\w))?"
_FORMS = (
    # 2026-11-22T18:05:09.123+01:00, 2026-11-22 18:05:09,123, nginx's 2026/11/22 18:05:09
    rf"{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}(?:[Tt_:]|  ?){_CLOCK}{_ZONE}",
    # syslog's Nov 22 18:05:09, Apache's Sun Nov 22 18:05:09.123456 2026
    rf"(?:[A-Z][a-z]{{2}},? )?{_MONTH_NAME}  ?{_DAY_UNPADDED} {_CLOCK}(?P<zone>)(?: {_YEAR}(?!\w))?",
    # 22/Nov/2026:18:05:09 +0000, 22-Nov-2026 18:05:09.123, Sun, 22 Nov 2026 18:05:09 +0100
    rf"(?:[A-Z][a-z]{{2}}, )?{_DAY_UNPADDED}[-/ ]{_MONTH_NAME}[-/ ]{_YEAR}[ :T]{_CLOCK}{_ZONE}",
    # 22-11-2026 18:05:09; not with slashes, where half the world writes the month first
    rf"{_DAY}[-.]{_MONTH}[-.]{_YEAR}[ T:]{_CLOCK}{_ZONE}",
    # Epoch seconds, 2001 to 2065: a number anywhere else is rarely a time
    r"(?:(?<=^)|(?<=^[\[(])|(?<=audit\())(?P<epoch>[12][0-9]{9})(?:[.](?P<fraction>[0-9]{1,9}))?(?![\w.])",
)
_LEAD = r"(?:<[0-9]{1,3}>(?:1 )?)?\W{0,3}"  # brackets, quotes, a syslog priority


def _bare(form: str) -> str:
    return re.sub(r"\(\?P<\w+>", "(?:", form)


_AT_START = tuple(re.compile(rf"{_LEAD}(?P<stamp>{form})(?![0-9])") for form in _FORMS)
_ANYWHERE = tuple(re.compile(rf"(?<!\w)(?P<stamp>{form})(?![0-9])") for form in _FORMS)
# All at once, to see quickly that there is none and otherwise which comes first; the groups are the forms.
_CHOICES = "|".join(f"({_bare(form)})" for form in _FORMS)
_ANY_AT_START = re.compile(rf"{_LEAD}(?:{_CHOICES})(?![0-9])")
_ANY_ANYWHERE = re.compile(rf"(?<!\w)(?:{_CHOICES})(?![0-9])")
_WALL = ("year", "month", "day", "hour", "minute", "second", "fraction", "zone")


class Stamp(NamedTuple):
    """A time stamp: epoch milliseconds, and where in the line it begins and ends."""

    at_ms: int
    start: int
    end: int


class Dates:
    """Finds stamps, trying first the form that this log used last.

    Args:
        zone: Of stamps that name none; None is the machine's local zone.
    """

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._at_start = 0
        self._anywhere: int | None = None  # at first, the leftmost stamp of any form
        self._text = ""
        self._at_ms: int | None = None

    def find(self, line: str, reference_ms: int) -> Stamp | None:
        """Find the stamp of *line*.

        Args:
            line: One line of a log.
            reference_ms: A stamp without a year is of the latest year that does not lie after this moment.

        Returns:
            The stamp, or None if there is none that is a date.
        """
        found = self._find_at_start(line) or self._find_anywhere(line)
        if found is None:
            return None
        text = found["stamp"]
        if text != self._text:  # a busy log has many lines of one second
            self._at_ms = self._read(found, reference_ms)
            self._text = text
        if self._at_ms is None:
            return None
        return Stamp(self._at_ms, *found.span("stamp"))

    def _find_at_start(self, line: str) -> re.Match[str] | None:
        found = _AT_START[self._at_start].match(line)
        if found is None and (any_form := _ANY_AT_START.match(line)):
            self._at_start = (any_form.lastindex or 1) - 1
            found = _AT_START[self._at_start].match(line)
        return found

    def _find_anywhere(self, line: str) -> re.Match[str] | None:
        found = None if self._anywhere is None else _ANYWHERE[self._anywhere].search(line)
        if found is None and (any_form := _ANY_ANYWHERE.search(line)):
            self._anywhere = (any_form.lastindex or 1) - 1
            found = _ANYWHERE[self._anywhere].match(line, any_form.start())
        return found

    def _read(self, found: re.Match[str], reference_ms: int) -> int | None:
        if "epoch" in found.re.groupindex:
            return int(found["epoch"]) * 1000 + _milliseconds(found["fraction"])
        year, month, day, hour, minute, second, fraction, zone_text = found.group(*_WALL)
        zone = _zone(zone_text) if zone_text else self._zone
        rest = (_MONTHS[month], int(day), int(hour), int(minute), int(second))
        at_ms = _epoch_ms(int(year), *rest, zone) if year else _latest_ms(rest, zone, reference_ms)
        return None if at_ms is None else at_ms + _milliseconds(fraction)


def _milliseconds(fraction: str | None) -> int:
    return int(fraction[:3].ljust(3, "0")) if fraction else 0


@lru_cache(maxsize=64)
def _zone(text: str) -> tzinfo:
    if text[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _epoch_ms(  # noqa: PLR0913, PLR0917 - the parts of a date, in datetime's order
    year: int, month: int, day: int, hour: int, minute: int, second: int, zone: tzinfo | None
) -> int | None:
    leap_s = second == 60  # which datetime does not know
    try:
        moment = datetime(year, month, day, hour, minute, second - leap_s, tzinfo=zone)
        return (int(moment.timestamp()) + leap_s) * 1000
    except (ValueError, OverflowError):  # 30 February
        return None


def _latest_ms(rest: tuple[int, int, int, int, int], zone: tzinfo | None, reference_ms: int) -> int | None:
    """Return the latest such moment that is not in the future."""
    # The next year too: in the first seconds of January, a reference may still lie in December.
    year = datetime.fromtimestamp(reference_ms / 1000, zone).year + 1
    for back in range(_YEARS_BACK + 1):
        at_ms = _epoch_ms(year - back, *rest, zone)
        if at_ms is not None and at_ms <= reference_ms + SKEW_MS:
            return at_ms
    return None
