"""The forms of a date, as fail2ban's date detector knows the common ones, and the moment that each tells."""

import re
from collections.abc import Iterable
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
FORMS = (
    # 2026-11-22T18:05:09.123+01:00, 2026-11-22 18:05:09,123, nginx's 2026/11/22 18:05:09
    rf"{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}(?:[Tt_:]|  ?){_CLOCK}{_ZONE}",
    # syslog's Nov 22 18:05:09, Apache's Sun Nov 22 18:05:09.123456 2026
    rf"(?:[A-Z][a-z]{{2}},? )?{_MONTH_NAME}  ?{_DAY_UNPADDED} {_CLOCK}(?P<zone>)(?: {_YEAR}(?!\w))?",
    # 22/Nov/2026:18:05:09 +0000, 22-Nov-2026 18:05:09.123, Sun, 22 Nov 2026 18:05:09 +0100
    rf"(?:[A-Z][a-z]{{2}}, )?{_DAY_UNPADDED}[-/ ]{_MONTH_NAME}[-/ ]{_YEAR}[ :T]{_CLOCK}{_ZONE}",
    # 22-11-2026 18:05:09; not with slashes, where half the world writes the month first
    rf"{_DAY}[-.]{_MONTH}[-.]{_YEAR}[ T:]{_CLOCK}{_ZONE}",
)
EPOCH = r"(?P<epoch>[12][0-9]{9})(?:[.](?P<fraction>[0-9]{1,9}))?(?![\w.])"
"""Seconds, 2001 to 2065. A number in most places is no time, so each place says whether one is there."""

EPOCH_OF_ANY_UNIT = (
    r"(?P<epoch>[12][0-9]{9})(?P<fraction>(?:[0-9]{3}){1,3}(?![0-9]))?(?:[.](?P<rest>[0-9]{1,9}))?(?![\w.])"
)
"""Seconds, or the same in milli-, micro- or nanoseconds, for where the name beside it says that it is a time."""

_WALL = ("year", "month", "day", "hour", "minute", "second", "fraction", "zone")


class Moment(NamedTuple):
    """When a stamp says it was: epoch milliseconds, and how far ahead of UTC its clock is, as it was read.

    Attributes:
        says_zone: Whether the stamp itself names the zone.
    """

    at_ms: int
    zone_ms: int
    says_zone: bool


def bare(form: str) -> str:
    """Return *form* without names for its parts."""
    return re.sub(r"\(\?P<\w+>", "(?:", form)


def read(found: re.Match[str], zone: tzinfo | None, reference_ms: int, *, nearest: bool) -> Moment | None:
    """Return the moment that a stamp tells; None for the 30th of February.

    Args:
        found: The stamp, a match of one of the forms.
        zone: Of stamps that name none; None is the machine's local zone.
        reference_ms: A stamp may lack the year, or be of the hour that comes twice when summer ends.
        nearest: Whether it is the moment next to *reference_ms* then, as in a log that is written now; else it is
            the latest that does not lie after it.
    """
    if "epoch" in found.re.groupindex:
        parts = found.groupdict()
        fraction = (parts["fraction"] or "") + (parts.get("rest") or "")
        return Moment(int(found["epoch"]) * 1000 + _milliseconds(fraction), 0, says_zone=True)
    year, month, day, hour, minute, second, fraction, zone_text = found.group(*_WALL)
    zone = _zone(zone_text) if zone_text else zone
    rest = (_MONTHS[month], int(day), int(hour), int(minute), int(second))
    if nearest:
        whole_ms = _nearest_ms(
            [int(year)] if year else _years_around(reference_ms, zone), rest, zone, reference_ms
        )
    else:
        whole_ms = _epoch_ms(int(year), *rest, zone) if year else _latest_ms(rest, zone, reference_ms)
    if whole_ms is None:
        return None
    ahead = datetime.fromtimestamp(whole_ms / 1000, zone).astimezone(zone).utcoffset()
    ahead_ms = 0 if ahead is None else int(ahead.total_seconds() * 1000)
    return Moment(whole_ms + _milliseconds(fraction), ahead_ms, says_zone=bool(zone_text))


def _milliseconds(fraction: str | None) -> int:
    return int(fraction[:3].ljust(3, "0")) if fraction else 0


@lru_cache(maxsize=64)
def _zone(text: str) -> tzinfo:
    if text[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _epoch_ms(  # noqa: PLR0913, PLR0917 - the parts of a date, in datetime's order
    year: int,
    month: int,
    day: int,
    hour: int,
    minute: int,
    second: int,
    zone: tzinfo | None,
    fold: int = 0,
) -> int | None:
    leap_s = second == 60  # which datetime does not know
    try:
        moment = datetime(year, month, day, hour, minute, second - leap_s, tzinfo=zone, fold=fold)
        return (int(moment.timestamp()) + leap_s) * 1000
    except (ValueError, OverflowError):  # 30 February
        return None


def _years_around(reference_ms: int, zone: tzinfo | None) -> Iterable[int]:
    year = datetime.fromtimestamp(reference_ms / 1000, zone).year
    return range(year - 1, year + 2)


def _nearest_ms(
    years: Iterable[int], rest: tuple[int, int, int, int, int], zone: tzinfo | None, reference_ms: int
) -> int | None:
    """Return that such moment of one of *years* which is next to the reference."""
    # Folds: the hour that comes twice when summer ends.
    read_ms = [_epoch_ms(year, *rest, zone, fold) for year in years for fold in (0, 1)]
    return min((ms for ms in read_ms if ms is not None), key=lambda ms: abs(ms - reference_ms), default=None)


def _latest_ms(rest: tuple[int, int, int, int, int], zone: tzinfo | None, reference_ms: int) -> int | None:
    """Return the latest such moment that is not in the future."""
    # The next year too: in the first seconds of January, a reference may still lie in December.
    year = datetime.fromtimestamp(reference_ms / 1000, zone).year + 1
    for back in range(_YEARS_BACK + 1):
        at_ms = _epoch_ms(year - back, *rest, zone)
        if at_ms is not None and at_ms <= reference_ms + SKEW_MS:
            return at_ms
    return None
