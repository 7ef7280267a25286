"""Durations as fail2ban writes them: `600`, `10m`, `1d12h`, `2 weeks`, `-1`."""

from __future__ import annotations

import re

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, MINUTE_MS, SECOND_MS

# Unit names are those of fail2ban's str2seconds; its month and year are those of a 365.25-day year.
_UNITS = (
    (re.compile(r"ss?|sec(ond)?s?"), SECOND_MS),
    (re.compile(r"mm?|min(ute)?s?"), MINUTE_MS),
    (re.compile(r"hh?|hou?rs?"), 60 * MINUTE_MS),
    (re.compile(r"dd?|da(ys?)?"), DAY_MS),
    (re.compile(r"ww?|weeks?"), 7 * DAY_MS),
    (re.compile(r"mon?(ths?)?"), round(30.4375 * DAY_MS)),
    (re.compile(r"yy?|yea?rs?"), round(365.25 * DAY_MS)),
)
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*")
_CHARACTERS_MAX = 1000
ALLOWED = "seconds or a sum such as 10m, 1d12h, 1w2d; -1 for ever"


def parse_duration_ms(value: object) -> int:
    """Read a duration into milliseconds; -1 is `FOREVER_MS`.

    Raises:
        ValueError: Saying what is allowed.
    """
    is_text = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    text = str(value).strip().lower() if is_text else ""
    if text in {"-1", "-1.0"}:
        return FOREVER_MS
    total_ms = _sum_ms(text) if 0 < len(text) <= _CHARACTERS_MAX else None
    if total_ms is None:
        raise ValueError(f"{value!r} is no duration: {ALLOWED}")
    return round(min(FOREVER_MS, total_ms))


def _sum_ms(text: str) -> float | None:
    total_ms = 0.0
    place = 0
    while place < len(text):
        part = _PART.match(text, place)
        if not part:
            return None
        number, unit = part.groups()
        place = part.end()
        # Only the last number may lack its unit (seconds): nobody means 1020 s by "10 20".
        unit_ms = SECOND_MS if not unit and place == len(text) else _unit_ms(unit)
        if unit_ms is None:
            return None
        total_ms += float(number) * unit_ms
    return total_ms


def _unit_ms(unit: str) -> int | None:
    return next((ms for names, ms in _UNITS if names.fullmatch(unit)), None)
