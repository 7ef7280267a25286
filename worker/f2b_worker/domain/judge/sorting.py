"""From reported infractions to hits by offender, with everything that does not count named and counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import FOREVER_MS, MINUTE_MS, OWN_RANGE
from f2b_worker.domain.judge.infractions import Infraction, Reason, Refusal, noted_id
from f2b_worker.domain.judge.verdicts import Hit, OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from f2b_worker.domain.jails import Policy

FUTURE_ALLOWED_MS = 5 * MINUTE_MS
"""Clocks of a fleet differ; beyond this a time is a mistake (docs/design.md, verdicts, rule 7)."""

_ANY_AGE_MS = -FOREVER_MS  # what is earlier could be stored, and not be read (soundness.py)

PLACES_MAX = 20_000
"""Addresses whose place is remembered, about 400 bytes each; finding it anew costs 3 µs."""

TEXT_MAX_CHARACTERS = 64

_SECONDS_AS_MS = 10**10
"""Seconds that are read as milliseconds lie before this, in the spring of 1970."""


@dataclass(slots=True)
class Sorted:
    """Infractions sorted out: what is judged, what is refused, what is ignored and why.

    Attributes:
        own: One of the addresses, if any, that were ignored since they are private, loopback or similar.
    """

    hits: dict[OffenderId, list[Hit]] = field(default_factory=lambda: defaultdict(list))
    refused: list[Refusal] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    own: str | None = None
    unknown_jails: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the infractions of one address in one jail belong: to an offender, or nowhere for a reason."""

    who: OffenderId | None = None
    ignored: str = ""
    wrong: str = ""
    unknown_jail: bool = False
    keeps_notes: bool = False


class Sorter:
    """Decides for each infraction whom it is held against, if anybody, and remembers where it sent whom.

    Args:
        policy: The jails; an unknown jail is counted and judged by the defaults.
        max_age_ms: Older infractions are refused; None accepts any age.
    """

    def __init__(self, policy: Policy, max_age_ms: int | None) -> None:
        self._policy = policy
        self._max_age_ms = max_age_ms
        self._places: dict[tuple[str, str], _Place] = {}

    @property
    def remembered(self) -> int:
        """How many addresses have a place that is remembered."""
        return len(self._places)

    def sort_out(self, infractions: Iterable[Infraction], *, now_ms: int) -> Sorted:
        """Sort out *infractions*, in any order; *now_ms* is what too old and in the future refer to."""
        into = Sorted()
        oldest_ms = _ANY_AGE_MS if self._max_age_ms is None else max(_ANY_AGE_MS, now_ms - self._max_age_ms)
        newest_ms = now_ms + FUTURE_ALLOWED_MS
        by_source: dict[tuple[str, str], list[Infraction]] = {}
        for infraction in infractions:
            if oldest_ms <= infraction[2] <= newest_ms:
                try:
                    by_source[infraction[:2]].append(infraction)
                except KeyError:
                    by_source[infraction[:2]] = [infraction]
            else:
                into.refused.append(_out_of_time(infraction, newest_ms))
        for source, found in by_source.items():
            self._enter(into, source, found)
        return into

    def _enter(self, into: Sorted, source: tuple[str, str], found: Sequence[Infraction]) -> None:
        place = self._place(source)
        if place.wrong:
            into.refused += [_refuse(each, Reason.BAD_ADDRESS, place.wrong) for each in found]
            return
        if place.unknown_jail:
            into.unknown_jails[source[1]] += len(found)
        if place.who is None:
            into.ignored[place.ignored] += len(found)
            if place.ignored == OWN_RANGE:
                into.own = source[0]
        else:
            named = _noted if place.keeps_notes else _unnoted
            into.hits[place.who] += [
                Hit(each.at_ms, each.id if each.note is None else named(each), each.weight) for each in found
            ]

    def _place(self, source: tuple[str, str]) -> _Place:
        place = self._places.get(source)
        if place is None:
            place = _place_of(source, self._policy)
            # What is no address may be of any length, and so may the white space around one.
            if not place.wrong and len(source[0]) <= TEXT_MAX_CHARACTERS:
                if len(self._places) >= PLACES_MAX:
                    self._places.clear()
                self._places[source] = place
        return place


def _place_of(source: tuple[str, str], policy: Policy) -> _Place:
    ip, name = source
    try:
        address = parse_address(ip)
    except ValueError as error:
        return _Place(wrong=str(error))
    jail, unknown = policy.jail(name), not policy.knows(name)
    ignored = policy.ignores(jail, address)
    if ignored:
        return _Place(ignored=ignored, unknown_jail=unknown)
    return _Place(OffenderId(name, jail.key(address)), unknown_jail=unknown, keeps_notes=jail.keeps_notes)


def _noted(infraction: Infraction) -> str:
    return noted_id(infraction.id, infraction.note or "")


def _unnoted(infraction: Infraction) -> str:
    return infraction.id


def _out_of_time(infraction: Infraction, newest_ms: int) -> Refusal:
    if infraction.at_ms >= FOREVER_MS:
        detail = "its time lies behind the year 9999: is it in microseconds where milliseconds belong?"
        return _refuse(infraction, Reason.IN_FUTURE, detail)
    if infraction.at_ms > newest_ms:
        return _refuse(infraction, Reason.IN_FUTURE, "its time is more than 5 minutes ahead of this clock")
    if 0 < infraction.at_ms < _SECONDS_AS_MS:
        detail = "it is older than max_age, of 1970: is its time in seconds where milliseconds belong?"
        return _refuse(infraction, Reason.TOO_OLD, detail)
    detail = "its time lies before all history" if infraction.at_ms < _ANY_AGE_MS else "it is older than max_age"
    return _refuse(infraction, Reason.TOO_OLD, detail)


def _refuse(infraction: Infraction, reason: Reason, detail: str) -> Refusal:
    return Refusal(reason, detail, infraction.as_item())
