"""What single cells of an infraction say: its time, its weight, its id."""

from __future__ import annotations

import math
import re
from datetime import datetime

from f2b_worker.domain.jails import FOREVER_MS

WEIGHT_MAX = 1000
"""For how many infractions one may count."""

ID_LONGEST = 64
EARLIEST_MS = -(2**53)
LATEST_S = FOREVER_MS // 1000  # what is later was meant in a smaller unit
_PER_S = {"milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_NO_MILLISECONDS = 10**10  # seconds lie below it until the year 2286, milliseconds did until April 1970
_NUMBER = re.compile(r"\s*[0-9]{1,40}(\.[0-9]*)?\s*")
_LEAP_SECOND = re.compile(r"(T\d\d:\d\d):60")


def is_finite(at: object) -> bool:
    """Tell whether a number is one that JSON can hold; what is no number is."""
    return not isinstance(at, float) or math.isfinite(at)


def read_time_ms(at: object) -> int:
    """Read a time, RFC 3339 with a zone or epoch seconds, into epoch milliseconds.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if isinstance(at, str):
        try:
            # RFC 3339 allows a lower-case z and the leap second, which datetime does not know.
            moment = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59", at.upper()))
        except ValueError:
            raise ValueError(f"at: {at[:40]!a} is neither RFC 3339 nor epoch seconds{_quotes_hint(at)}") from None
        if moment.tzinfo is None:
            raise ValueError(f"at: {at[:40]!a} has no zone; add Z or an offset{_quotes_hint(at)}")
        return round(moment.timestamp() * 1000)
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise ValueError(f"at: {ascii(at)[:40]} is neither RFC 3339 nor epoch seconds")  # noqa: TRY004
    if not EARLIEST_MS <= at * 1000 < FOREVER_MS:
        raise ValueError(f"at: {ascii(at)[:40]} is no time in epoch seconds{_unit_hint(at)}")
    return round(at * 1000)


def _unit_hint(at: float, per_s: int = 1) -> str:
    """Name the smaller unit in which a time was given that is too late; nothing for other numbers.

    Args:
        at: The time.
        per_s: How many of the unit in which it should be are a second.
    """
    if at < LATEST_S * per_s:
        return ""
    fitting = (name for name, each in _PER_S.items() if at < LATEST_S * each)
    return next((f"; it is in {name}: divide it by {_PER_S[name] // per_s:,}" for name in fitting), "")


def start_hint(t0_ms: object) -> str:
    """Say what the start of a pack is instead of whole milliseconds; nothing for what is no number."""
    if isinstance(t0_ms, bool) or not isinstance(t0_ms, (int, float)) or not is_finite(t0_ms):
        return ""
    if 0 < t0_ms < _NO_MILLISECONDS:
        return "; it is in seconds: multiply it by 1,000, and leave out what is behind the point then"
    return _unit_hint(t0_ms, 1000) or ("; leave out what is behind the point" if isinstance(t0_ms, float) else "")


def _quotes_hint(at: str) -> str:
    """Say that a number stands in quotes; nothing for other texts."""
    if not _NUMBER.fullmatch(at):
        return ""
    return f"; it is a number in quotes: leave the quotes out{_unit_hint(float(at))}"


def read_id(given: object) -> str:
    """Read what names an infraction; a number is its text.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if isinstance(given, float) and given.is_integer():
        given = int(given)  # to JSON, 66.0 is 66
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool) and is_finite(given)
    text = str(given) if is_number else given
    if not isinstance(text, str) or not 1 <= len(text) <= ID_LONGEST:
        raise ValueError(f"id: {ascii(given)[:40]} is neither 1-{ID_LONGEST} characters nor a number")
    return text


def read_weight(weight: object) -> int:
    """Read for how many infractions one counts.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if type(weight) is not int or not 1 <= weight <= WEIGHT_MAX:  # a bool is no number here
        raise ValueError(f"weight: {ascii(weight)[:40]} is no whole number from 1 to {WEIGHT_MAX}")
    return weight
