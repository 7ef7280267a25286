"""Durations as fail2ban writes them: `600`, `10m`, `1d12h`, `-1`."""

from __future__ import annotations

import re

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, MINUTE_MS, SECOND_MS

_UNITS_MS = {
    "s": SECOND_MS,
    "sec": SECOND_MS,
    "m": MINUTE_MS,
    "min": MINUTE_MS,
    "h": 60 * MINUTE_MS,
    "d": DAY_MS,
    "w": 7 * DAY_MS,
    "mo": round(30.4375 * DAY_MS),  # fail2ban's month: a twelfth of 365.25 days
    "y": round(365.25 * DAY_MS),
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(mo|min|sec|[smhdwy])?", re.IGNORECASE)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.IGNORECASE)
ALLOWED = "seconds or a sum such as 10m, 1d12h, 1w2d; -1 for ever"


def parse_duration_ms(value: object) -> int:
    """Read a duration into milliseconds; -1 is `FOREVER_MS`.

    Raises:
        ValueError: Saying what is allowed.
    """
    text = str(value).strip().replace(" ", "") if not isinstance(value, bool) else "?"
    if text in {"-1", "-1.0"}:
        return FOREVER_MS
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{value!r} is no duration: {ALLOWED}")
    parts = ((float(number), unit.lower() or "s") for number, unit in _PART.findall(text))
    return min(FOREVER_MS, round(sum(number * _UNITS_MS[unit] for number, unit in parts)))
