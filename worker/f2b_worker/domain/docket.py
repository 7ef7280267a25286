"""From reported infractions to hits by offender, with everything that does not count named and counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.domain.verdicts import Hit, OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.jails import Policy

FUTURE_ALLOWED_MS = 5 * MINUTE_MS
"""Clocks of a fleet differ; beyond this a time is a mistake (DESIGN.md, verdicts, rule 7)."""


class Reason(StrEnum):
    """Why a message or an infraction was refused: the label of its counter."""

    NOT_JSON = "not_json"
    UNKNOWN_VERSION = "unknown_version"
    EMPTY = "empty"
    BAD_SHAPE = "bad_shape"
    NO_IP = "no_ip"
    BAD_ADDRESS = "bad_address"
    BAD_JAIL = "bad_jail"
    BAD_TIME = "bad_time"
    BAD_WEIGHT = "bad_weight"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"


class Infraction(NamedTuple):
    """One report as it came: an address that misbehaved, where and when, which, and for how many it counts."""

    ip: str
    jail: str
    at_ms: int
    id: str
    note: str | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """One infraction that does not count.

    Attributes:
        reason: The counter's label.
        detail: One clear line for people.
        item: What was refused, in the simple wire form where it could be read so far.
    """

    reason: Reason
    detail: str
    item: object


@dataclass(slots=True)
class Docket:
    """Infractions sorted out: what is judged, what is refused, what is ignored and why."""

    hits: dict[OffenderId, list[Hit]] = field(default_factory=lambda: defaultdict(list))
    refused: list[Refusal] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    unknown_jails: Counter[str] = field(default_factory=Counter)


def sort_out(infractions: Iterable[Infraction], policy: Policy, *, now_ms: int, max_age_ms: int | None) -> Docket:
    """Decide for each infraction whom it is held against, if anybody.

    Args:
        infractions: In any order.
        policy: The jails; an unknown jail is counted and judged by the defaults.
        now_ms: The time to which *max_age_ms* and the tolerance for the future refer.
        max_age_ms: Older infractions are refused; None accepts any age.
    """
    docket = Docket()
    oldest_ms = None if max_age_ms is None else now_ms - max_age_ms
    for infraction in infractions:
        refusal = _out_of_time(infraction, oldest_ms, now_ms + FUTURE_ALLOWED_MS)
        if refusal is None:
            refusal = _enter(docket, infraction, policy)
        if refusal is not None:
            docket.refused.append(refusal)
    return docket


def _out_of_time(infraction: Infraction, oldest_ms: int | None, newest_ms: int) -> Refusal | None:
    if infraction.at_ms > newest_ms:
        return _refuse(infraction, Reason.IN_FUTURE, "its time is more than 5 minutes ahead of this clock")
    if oldest_ms is not None and infraction.at_ms < oldest_ms:
        return _refuse(infraction, Reason.TOO_OLD, "it is older than max_age")
    return None


def _enter(docket: Docket, infraction: Infraction, policy: Policy) -> Refusal | None:
    try:
        address = parse_address(infraction.ip)
    except ValueError as error:
        return _refuse(infraction, Reason.BAD_ADDRESS, str(error))
    if not policy.knows(infraction.jail):
        docket.unknown_jails[infraction.jail] += 1
    jail = policy.jail(infraction.jail)
    ignored = jail.ignores(address)
    if ignored:
        docket.ignored[ignored] += 1
        return None
    docket.hits[OffenderId(infraction.jail, jail.key(address))].append(
        Hit(infraction.at_ms, infraction.id, infraction.weight)
    )
    return None


def _refuse(infraction: Infraction, reason: Reason, detail: str) -> Refusal:
    item = {"ip": infraction.ip, "jail": infraction.jail, "at": infraction.at_ms / 1000, "id": infraction.id}
    if infraction.note:
        item["note"] = infraction.note
    if infraction.weight != 1:
        item["weight"] = infraction.weight
    return Refusal(reason, detail, item)
