"""Infractions in a file, one JSON object a line, as `make demo DATA=FILE` takes them.

It shares no code with the worker's reading of messages.
"""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.checker import Infraction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MILLISECONDS_FROM = 1e11
"""A number of seconds from here on, in the year 5138, is one of milliseconds."""

_JAIL = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NUMBER = re.compile(r"-?\d{1,20}(\.\d+)?")
_LEAP_SECOND = re.compile(r"(:\d\d):60")
_BOM = b"\xef\xbb\xbf"


class BadLineError(ValueError):
    """A line that holds no infraction; its text names the line's number and what is wrong."""


def refuse(bad: BadLineError) -> None:
    """Stop at the first bad line."""
    raise bad


def read(path: Path | str, on_bad: Callable[[BadLineError], None] = refuse) -> list[Infraction]:
    """Read infractions from NDJSON: `ip`, `jail`, and `time` or `at` in epoch seconds or RFC 3339.

    Args:
        path: The file.
        on_bad: Told of each line that holds no infraction; the others are read.
    """
    return list(_infractions(Path(path), on_bad))


def _infractions(path: Path, on_bad: Callable[[BadLineError], None]) -> Iterator[Infraction]:
    for number, line in enumerate(path.read_bytes().removeprefix(_BOM).split(b"\n"), 1):
        if line.strip():
            try:
                yield _infraction(_row(line))
            except ValueError as error:
                on_bad(BadLineError(f"line {number}: {error}"))


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it is no JSON ({getattr(error, 'msg', 'not UTF-8')})") from None
    if not isinstance(row, dict):
        raise ValueError('it is no object such as {"ip": "203.0.113.7", "at": 1700000000}')  # noqa: TRY004
    return row


def _infraction(row: dict[str, Any]) -> Infraction:
    jail = row.get("jail", "default")
    if not isinstance(jail, str) or not _JAIL.fullmatch(jail):
        raise ValueError(f"jail: {_shown(jail)} is not a name of 1 to 64 letters, digits and . _ -")
    name = "time" if "time" in row else "at"
    if name not in row:
        raise ValueError("it has no time: give at, in epoch seconds or RFC 3339")
    return Infraction(_ip(row.get("ip")), jail, _ms(row[name], name))


def _ip(given: object) -> str:
    ip = given.strip() if isinstance(given, str) else ""
    try:
        # The name of an interface says nothing to others.
        ipaddress.ip_address("" if "%" in ip else ip)
    except ValueError:
        raise ValueError(f"ip: {_shown(given)} is not an address") from None
    return ip


def _ms(at: object, name: str) -> int:
    if isinstance(at, str):
        return _ms(float(at), name) if _NUMBER.fullmatch(at) else _rfc3339_ms(at, name)
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not at >= 0:
        raise ValueError(f"{name}: {_shown(at)} is neither epoch seconds nor RFC 3339")
    if at >= MILLISECONDS_FROM:
        raise ValueError(f"{name}: {_shown(at)} looks like milliseconds; give epoch seconds")
    return round(at * 1000)


def _rfc3339_ms(text: str, name: str) -> int:
    try:
        moment = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59", text.strip().upper()))
    except ValueError:
        raise ValueError(f"{name}: {_shown(text)} is neither epoch seconds nor RFC 3339") from None
    if moment.tzinfo is None:
        raise ValueError(f"{name}: {_shown(text)} names no zone; end it with Z or +01:00")
    return round(moment.timestamp() * 1000)


def _shown(value: object) -> str:
    return ascii(value)[:60]
