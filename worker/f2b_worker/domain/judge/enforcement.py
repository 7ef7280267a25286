"""How far a stored ban is enforced: what its IP sets and the enforcer's notes say about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import family_of
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.judge.explanations import entry_over
from f2b_worker.domain.judge.verdicts import BY_HAND, UNREADABLE
from f2b_worker.domain.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.judge.verdicts import Ban


class State(StrEnum):
    """How far a running ban is enforced, in one word. In several blocklists: the first of these that is true."""

    UNREADABLE = "unreadable"
    OBSERVED = "observed"
    ALLOWLISTED = "allowlisted"
    NO_IP_SET = "no_ip_set"
    LEFT_OUT = "left_out"
    HELD_BACK = "held_back"
    WAITING = "waiting"
    COVERED = "covered"
    ENFORCED = "enforced"


_ORDER = list(State)
_NOBODY = Networks()


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of one blocklist.

    Attributes:
        held: What each of its IP sets of a family, 4 or 6, holds.
        held_back_from_ms: Bans that start at this time or later are kept out, unless a set holds them, or somebody
            banned by hand; None: none.
    """

    held: Mapping[int, Sequence[AbstractSet[str]]]
    held_back_from_ms: int | None = None


def state_of(
    key: str, ban: Ban, places: Mapping[str, Place], allowed: Networks, *, capacity: int = SET_CAPACITY
) -> State | None:
    """Say how far a running ban is enforced.

    Args:
        key: The address key.
        ban: Its running ban in one jail.
        places: The blocklists whose IP sets were looked into, by name.
        allowed: The allowlist, that of run time included. A range that it has a part of is as enforced as the
            least of the pieces around that.
        capacity: How many entries WAF lets one IP set have.

    Returns:
        The state; None where no blocklist was looked into, so that nobody can tell.
    """
    if ban is UNREADABLE:
        return State.UNREADABLE
    if ban.observed:
        return State.OBSERVED
    if not allowed.rest_of(key):
        return State.ALLOWLISTED
    states = in_each(key, ban, places, allowed, capacity=capacity).values()
    return _least(states) if places else None


def in_each(
    key: str, ban: Ban, places: Mapping[str, Place], allowed: Networks = _NOBODY, *, capacity: int = SET_CAPACITY
) -> dict[str, State]:
    """Say of each blocklist of a ban how far it is enforced there; see `state_of`."""
    pieces = allowed.rest_of(key)
    return {
        name: _least(_in_one(piece, ban, places.get(name), capacity) for piece in pieces)
        for name in ban.blocklists
    }


def _least(states: Iterable[State]) -> State:
    return min(states, key=_ORDER.index, default=State.NO_IP_SET)


def is_held_back(ban: Ban, from_ms: int | None) -> bool:
    """Tell whether the surge guard keeps a ban out where it holds those back that start at *from_ms* or later."""
    return from_ms is not None and ban.start_ms >= from_ms and ban.origin != BY_HAND


def _in_one(key: str, ban: Ban, place: Place | None, capacity: int) -> State:
    sets = place.held.get(family_of(key), ()) if place else ()
    if not place or not sets:
        return State.NO_IP_SET
    found = {entry_over(key, entries) for entries in sets} - {None}
    if found:
        return State.ENFORCED if key in found else State.COVERED
    if is_held_back(ban, place.held_back_from_ms):
        return State.HELD_BACK
    return State.LEFT_OUT if all(len(entries) >= capacity for entries in sets) else State.WAITING
