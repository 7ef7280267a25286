"""Reads lists that others wrote: plain addresses, CSV, NDJSON, fail2ban's database, CrowdSec's JSON."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.errors import StartError
from f2b_worker.wire import read_time_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_NAMES = ("ip", "value", "network", "address", "range", "cidr")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list.

    Attributes:
        text: The address or network as it is written there.
        jail: The jail, if the list says one.
        until_ms: Its last moment; None if the list says none.
        comment: Why, if the list says that.
    """

    text: str
    jail: str = ""
    until_ms: int | None = None
    comment: str = ""


def read_values(text: str, now_ms: int) -> Iterator[Listed]:
    """Read an address or network a line, whatever follows it there; `#` and `;` begin comments."""
    del now_ms
    for line in text.splitlines():
        words = line.partition("#")[0].partition(";")[0].split()
        if words:
            yield Listed(words[0])


def read_csv(text: str, now_ms: int) -> Iterator[Listed]:
    """Read CSV with a title: `ip` or `value`, and perhaps `jail`, `until` or `duration`, and `comment`."""
    try:
        for row in csv.DictReader(io.StringIO(text)):
            yield _of_row({str(key).strip().lower(): value for key, value in row.items() if value}, now_ms)
    except csv.Error as error:
        raise StartError(f"not CSV: {error}") from error


def read_ndjson(text: str, now_ms: int) -> Iterator[Listed]:
    """Read a JSON object a line, with the same keys."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            found = _json(line, f"line {number}")
            if not isinstance(found, dict):
                raise StartError(f"line {number}: not a JSON object")
            yield _of_row(found, now_ms)


def read_crowdsec(text: str, now_ms: int) -> Iterator[Listed]:
    """Read what `cscli decisions list -o json` prints, alerts with their decisions; or a list of decisions."""
    found = _json(text, "the file")
    if found is not None and not isinstance(found, list):
        raise StartError("the file: not what cscli decisions list -o json prints, a list")
    for alert in found or ():  # of no decisions it prints null
        decisions = alert.get("decisions") if isinstance(alert, dict) else None
        for each in [alert] if decisions is None else decisions:
            if isinstance(each, dict):
                yield _of_row(each, now_ms)


def read_fail2ban(path: Path, now_ms: int) -> Iterator[Listed]:
    """Read the bans that run from fail2ban's database, `fail2ban.sqlite3`.

    Raises:
        StartError: If it is none.
    """
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT jail, ip, timeofban, bantime FROM bips").fetchall()
    except sqlite3.Error as error:
        raise StartError(f"{path}: not a database of fail2ban 0.11 or later: {error}") from error
    for jail, ip, began_s, length_s in rows:
        try:
            until_ms = FOREVER_MS if length_s < 0 else min(FOREVER_MS, int(began_s + length_s) * 1000)
        except (TypeError, ValueError, OverflowError) as error:
            raise StartError(f"{path}: the ban of {ip!r} has no time that can be read: {error}") from error
        if until_ms >= now_ms:
            yield Listed(str(ip), str(jail), until_ms)


READERS: Mapping[str, Callable[[str, int], Iterator[Listed]]] = {
    "values": read_values,
    "csv": read_csv,
    "ndjson": read_ndjson,
    "crowdsec": read_crowdsec,
}
"""What is read from text."""


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StartError(f"{where}: not JSON: {error}") from error


def _of_row(row: Mapping[str, Any], now_ms: int) -> Listed:
    text = next((str(row[name]) for name in _NAMES if row.get(name)), "")
    return Listed(text.strip(), _text_in(row, "jail"), _end_of(row, now_ms), _text_in(row, "comment"))


def _text_in(row: Mapping[str, Any], name: str) -> str:
    found = row.get(name)
    return found if isinstance(found, str) else ""


def _end_of(row: Mapping[str, Any], now_ms: int) -> int | None:
    """Read an end; one that is there and null never comes."""
    try:
        if "until" in row:
            until = row["until"]
            return FOREVER_MS if until is None else min(FOREVER_MS, read_time_ms(_number_or_text(until)))
        if row.get("duration"):
            return min(FOREVER_MS, now_ms + parse_duration_ms(_whole_seconds(str(row["duration"]))))
    except ValueError as error:
        raise StartError(f"{row}: {error}") from error
    return None


def _number_or_text(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value.replace(".", "", 1).isdigit() else value


def _whole_seconds(text: str) -> str:
    """Leave out what Go writes behind the dot: `3h59m49.118s`."""
    head, dot, _ = text.partition(".")
    return f"{head}s" if dot else text
