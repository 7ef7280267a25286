"""How far a stored ban is enforced: what its IP sets and the enforcer's notes say about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import around, family_of
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.judge.explanations import entry_over
from f2b_worker.domain.judge.verdicts import ORDERED, UNREADABLE
from f2b_worker.domain.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.domain.noted_sets import NotedGroup


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


JUDGED_WITHIN_MS = 10_000
"""So soon after the infraction that is one too many a ban is stored, but after an outage."""


class NotNoted(Exception):
    """What an enforcer noted does not tell how far a ban is enforced: WAF has to be asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """What was read of one blocklist.

    Attributes:
        held: What each of its IP sets of a family, 4 or 6, holds.
        held_back_from_ms: Bans that start at this time or later are kept out, unless a set holds them, or somebody
            banned by hand; None: none.
    """

    held: Mapping[int, Sequence[AbstractSet[str]]]
    held_back_from_ms: int | None = None

    def state(self, key: str, ban: Ban, capacity: int) -> State:
        """Say how far what is written of a ban is enforced here."""
        sets = self.held.get(family_of(key), ())
        if not sets:
            return State.NO_IP_SET
        if any(key in entries for entries in sets):  # nearly always: to name what is around it takes 0.1 ms
            return State.ENFORCED
        if any(entry_over(key, entries) for entries in sets):
            return State.COVERED
        if is_held_back(ban, self.held_back_from_ms):
            return State.HELD_BACK
        return State.LEFT_OUT if all(len(entries) >= capacity for entries in sets) else State.WAITING


@dataclass(frozen=True, slots=True)
class NotedPlace:
    """What the enforcer of one blocklist noted of it.

    Attributes:
        groups: Its IP sets of a family, 4 or 6.
        known_ms: The enforcer knew all bans that were stored before.
        networks: The networks that bans of ours collapsed into, in whichever set.
        held_back_from_ms: See `Place`.
    """

    groups: Mapping[int, NotedGroup]
    known_ms: int
    networks: AbstractSet[str] = frozenset()
    held_back_from_ms: int | None = None

    def state(self, key: str, ban: Ban, capacity: int) -> State:
        """Say how far what is written of a ban is enforced here, as of that note.

        Raises:
            NotNoted: If the note does not tell.
        """
        group = self.groups.get(family_of(key))
        if group is None:
            return State.NO_IP_SET
        if is_held_back(ban, self.held_back_from_ms):
            # Who was in a set when the surge was noticed stays there.
            if group.held_back is None:
                raise NotNoted
            if key in group.held_back:
                return State.HELD_BACK
        if group.out is None:
            raise NotNoted
        if key in group.out:
            is_full = all(each.entries >= capacity for each in group.sets)
            return State.LEFT_OUT if is_full else State.WAITING
        # Whether it is still there itself is not noted.
        if group.out and not set(around(key)).isdisjoint(group.out):
            raise NotNoted
        if ban.start_ms > self.known_ms:
            return State.WAITING
        if ban.start_ms > self.known_ms - JUDGED_WITHIN_MS:  # stored before that note, or after it: nobody noted
            raise NotNoted
        is_collapsed = bool(self.networks) and not self.networks.isdisjoint(around(key))
        return State.COVERED if is_collapsed else State.ENFORCED


def state_of(
    key: str,
    ban: Ban,
    places: Mapping[str, Place] | Mapping[str, NotedPlace],
    allowed: Networks,
    *,
    capacity: int = SET_CAPACITY,
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

    Raises:
        NotNoted: If that is not told by what was noted.
    """
    if ban is UNREADABLE:
        return State.UNREADABLE
    if ban.observed:
        return State.OBSERVED
    pieces = allowed.rest_of(key)
    if not pieces:
        return State.ALLOWLISTED
    return _least(_in_each(pieces, ban, places, capacity).values()) if places else None


def in_each(
    key: str,
    ban: Ban,
    places: Mapping[str, Place] | Mapping[str, NotedPlace],
    allowed: Networks = _NOBODY,
    *,
    capacity: int = SET_CAPACITY,
) -> dict[str, State]:
    """Say of each blocklist of a ban how far it is enforced there; see `state_of`."""
    return _in_each(allowed.rest_of(key), ban, places, capacity)


def _in_each(
    pieces: Sequence[str], ban: Ban, places: Mapping[str, Place] | Mapping[str, NotedPlace], capacity: int
) -> dict[str, State]:
    return {
        name: _least([place.state(piece, ban, capacity) for piece in pieces])
        if (place := places.get(name))
        else State.NO_IP_SET
        for name in ban.blocklists
    }


def _least(states: Collection[State]) -> State:
    if len(states) == 1:
        return next(iter(states))
    return min(states, key=_ORDER.index, default=State.NO_IP_SET)


def is_held_back(ban: Ban, from_ms: int | None) -> bool:
    """Tell whether the surge guard keeps a ban out where it holds those back that start at *from_ms* or later."""
    return from_ms is not None and ban.start_ms >= from_ms and ban.origin not in ORDERED
