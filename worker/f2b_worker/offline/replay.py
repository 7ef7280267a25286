"""What would these jails have banned? Judges a file of infractions on its own clock, with the real judge."""

from __future__ import annotations

import gc
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json

from f2b_worker.domain.addresses import BOM_BYTES, parse_address
from f2b_worker.domain.jails import DEFAULT_JAIL, FOREVER_MS
from f2b_worker.domain.judge.across_jails import counting_for, fed_by
from f2b_worker.domain.judge.verdicts import Case, Hit, OffenderId
from f2b_worker.wire import parse_json, read_time_ms, read_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.verdicts import Ban

CHUNK_LINES = 5000
_AT = itemgetter(0)
_BLANK = object()
_LATEST_S = FOREVER_MS // 1000


Row = tuple[str, str, int, int]
"""An infraction of a file: jail, address, epoch milliseconds, weight. A tuple costs a tenth of a named one."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no infraction, and why; without a number, an address that stands in several."""

    number: int | None
    reason: str

    def __str__(self) -> str:
        return self.reason if self.number is None else f"line {self.number}: {self.reason}"


class ReplayedBan(NamedTuple):
    """One ban of the replay."""

    who: OffenderId
    ban: Ban


@dataclass(slots=True)
class Replay:
    """What came of a replay.

    Attributes:
        verdicts: The bans, in order of their start.
        infractions: How many were read.
        ignored: How many were of addresses that are never banned, by reason.
        bad_lines: What was no infraction.
    """

    verdicts: list[ReplayedBan] = field(default_factory=list)
    infractions: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    bad_lines: list[BadLine] = field(default_factory=list)


def read_rows(
    lines: Iterable[bytes], bad: list[BadLine], progress: Callable[[int], None] = lambda _: None
) -> Iterator[Row]:
    """Read NDJSON of the simple wire form, in which `time` may stand for `at`.

    Args:
        lines: The lines of a file, without their ends.
        bad: Receives what is no infraction.
        progress: Told how many bytes of the file were read, chunk by chunk.
    """
    first = 1
    chunk: list[bytes] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == CHUNK_LINES:
            yield from _rows_of(chunk, first, bad)
            progress(sum(map(len, chunk)) + len(chunk))
            first += CHUNK_LINES
            chunk = []
    yield from _rows_of(chunk, first, bad)
    progress(sum(map(len, chunk)) + len(chunk))


def _rows_of(chunk: list[bytes], first: int, bad: list[BadLine]) -> Iterator[Row]:
    try:
        # Parsed at once, a chunk costs a third of its lines one by one.
        items = from_json(b"[" + b",".join(chunk) + b"]", allow_inf_nan=False)
    except ValueError:
        items = []
    if len(items) != len(chunk):
        items = [_parsed(line) for line in chunk]
    for place, item in enumerate(items):
        try:
            yield _row(item)
        except (KeyError, TypeError, AttributeError, ValueError):
            if item is not _BLANK:
                bad.append(BadLine(first + place, _what_is_wrong(item)))


def _parsed(line: bytes) -> object:
    """Parse one line; the error of a bad one stands in its place."""
    if not line.strip().removeprefix(BOM_BYTES).strip():
        return _BLANK
    try:
        return parse_json(line)
    except ValueError as error:
        return error


def _row(item: dict[str, Any]) -> Row:
    jail, ip = item.get("jail", DEFAULT_JAIL), item["ip"]
    if type(ip) is not str or type(jail) is not str:
        raise TypeError
    return jail, ip, _at_ms(item), read_weight(item["weight"]) if "weight" in item else 1


def _at_ms(item: dict[str, Any]) -> int:
    at = item.get("time")
    if at is None:
        at = item.get("at")
    return at * 1000 if type(at) is int and 0 <= at < _LATEST_S else read_time_ms(at)


def _what_is_wrong(item: object) -> str:
    if isinstance(item, ValueError):
        return f"not JSON: {item}"
    if not isinstance(item, dict):
        return "an infraction is a JSON object with ip and time"
    if "ip" not in item:
        return "no ip"
    if "time" not in item and "at" not in item:
        return "no time"
    try:
        _at_ms(item)
        read_weight(item.get("weight", 1))
    except (ValueError, TypeError) as error:
        return str(error)
    return "ip and jail are texts"


def judge_rows(rows: Iterable[Row], policy: Policy, bad: list[BadLine]) -> Replay:
    """Judge rows in the order of their times; rows of one time keep their order.

    Args:
        rows: In any order.
        policy: The jails; an unknown one is judged by the defaults.
        bad: What was found wrong while reading; wrong addresses are added.
    """
    result = Replay(bad_lines=bad)
    with _no_collection():
        hits = _by_offender(rows, policy, result)
    if policy.jails_touch_each_other:
        result.verdicts += _judged_in_time_order(hits, policy)
    else:
        result.verdicts += _judged_one_by_one(hits, policy)
    result.verdicts.sort(key=_place)
    return result


def _judged_one_by_one(hits: dict[OffenderId, list[Hit]], policy: Policy) -> Iterator[ReplayedBan]:
    for who, heard in hits.items():
        case = Case(None, policy.jail(who.jail), who.key)
        heard.sort(key=_AT)
        for hit in heard:
            case.hear(hit)
        yield from (ReplayedBan(who, ban) for ban in case.close().changed)


def _judged_in_time_order(hits: dict[OffenderId, list[Hit]], policy: Policy) -> Iterator[ReplayedBan]:
    court = _Court(policy)
    for _, _, who, hit in sorted(
        (hit.at_ms, int(hit.id), who, hit) for who, heard in hits.items() for hit in heard
    ):
        court.hear(who, hit)
    return court.close()


class _Court:
    """All cases side by side, for jails in which the bans of others count; a third slower than one by one."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._cases: dict[str, dict[OffenderId, Case]] = {}

    def hear(self, who: OffenderId, hit: Hit) -> None:
        jail = self._policy.jail(who.jail)
        of_key = self._cases.setdefault(who.key, {})
        case = of_key.get(who) or of_key.setdefault(who, Case(None, jail, who.key))
        if jail.overalljails:
            standing = ((other, each.ban) for other, each in of_key.items() if each.ban)
            case.elsewhere = counting_for(who, jail, standing)
        known_ms = case.start_ms
        case.hear(hit)
        if case.start_ms > known_ms and (ban := case.ban):
            self._feed(who, ban)

    def _feed(self, who: OffenderId, ban: Ban) -> None:
        for other, hits in fed_by(who, [ban], self._policy).items():
            for hit in hits:
                self.hear(other, hit)

    def close(self) -> Iterator[ReplayedBan]:
        for of_key in self._cases.values():
            for who, case in of_key.items():
                yield from (ReplayedBan(who, ban) for ban in case.close().changed)


def _place(one: ReplayedBan) -> tuple[int, int, int]:
    """Order bans by their start; the number of the line that was one too many breaks ties."""
    last = one.ban.evidence[-1].id
    return (one.ban.start_ms, 0, int(last)) if last.isdecimal() else (one.ban.start_ms, 1, 0)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the cyclic garbage collector back.

    Millions of tuples are made and kept, none in a cycle; its passes over them took a quarter of the time
    (312,000 against 229,000 infractions/s on the made-up attack of benchmarks/judge.py).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _by_offender(rows: Iterable[Row], policy: Policy, result: Replay) -> dict[OffenderId, list[Hit]]:
    by_source: dict[tuple[str, str], list[Hit]] = {}
    new = tuple.__new__  # Hit() makes it a Python call: 500 ns an infraction instead of 390
    number = 0
    for number, (jail, ip, at_ms, weight) in enumerate(rows, 1):
        hit = new(Hit, (at_ms, str(number), weight))
        try:
            by_source[jail, ip].append(hit)
        except KeyError:
            by_source[jail, ip] = [hit]
    result.infractions = number
    hits: dict[OffenderId, list[Hit]] = {}
    for (jail, ip), found in by_source.items():
        who = _offender(jail, ip, policy, len(found), result)
        if who:
            hits.setdefault(who, []).extend(found)
    return hits


def _offender(jail: str, ip: str, policy: Policy, times: int, result: Replay) -> OffenderId | None:
    try:
        address = parse_address(ip)
    except (ValueError, TypeError) as error:
        result.bad_lines.append(BadLine(None, f"{error} ({times} times)"))
        return None
    judged_by = policy.jail(jail)
    ignored = judged_by.ignores(address)
    if ignored:
        result.ignored[ignored] += times
        return None
    return OffenderId(jail, judged_by.key(address))


@dataclass(frozen=True, slots=True)
class Difference:
    """What another configuration bans more and less.

    Attributes:
        more: Offenders that only the other one bans.
        less: Offenders that only this one bans.
        both: Offenders that both ban.
    """

    more: tuple[OffenderId, ...]
    less: tuple[OffenderId, ...]
    both: tuple[OffenderId, ...]


def compare(this: Sequence[ReplayedBan], other: Sequence[ReplayedBan]) -> Difference:
    """Compare the offenders of two replays of the same file, in order of their first ban."""
    ours, theirs = dict.fromkeys(one.who for one in this), dict.fromkeys(one.who for one in other)
    return Difference(
        more=tuple(who for who in theirs if who not in ours),
        less=tuple(who for who in ours if who not in theirs),
        both=tuple(who for who in ours if who in theirs),
    )
