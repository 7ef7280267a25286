"""The enforcer's decision: which IP set to write next, and what, so that it equals the active bans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import family_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.addresses import Networks
    from f2b_worker.domain.verdicts import OffenderId

CAPACITY = 10_000
"""Addresses in one IP set: AWS's quota, which it does not raise."""


@dataclass(frozen=True, slots=True)
class SetView:
    """One IP set as the enforcer knows it.

    Attributes:
        held: What it holds, foreign entries included.
        ours: Every key that was ever banned and is still remembered: what of *held* may be removed.
    """

    family: int
    held: frozenset[str]
    ours: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The next content of one IP set.

    Attributes:
        entries: All of it, since UpdateIPSet replaces the whole set.
        left_out: Bans that found no room: those that end soonest.
    """

    entries: frozenset[str]
    added: frozenset[str]
    removed: frozenset[str]
    left_out: frozenset[str]

    @property
    def changes(self) -> bool:
        """Whether the set must be written at all."""
        return bool(self.added or self.removed)


def running(bans: Mapping[OffenderId, int], now_ms: int) -> dict[str, int]:
    """Find the keys under an active ban, each with the latest end over all jails.

    Args:
        bans: The end of the last ban of each offender, in epoch milliseconds; at its end a ban still counts.
        now_ms: The time to judge by.
    """
    active: dict[str, int] = {}
    for who, until_ms in bans.items():
        if until_ms >= now_ms and until_ms > active.get(who.key, 0):
            active[who.key] = until_ms
    return active


def enforceable(active: Mapping[str, int], allowed: Networks) -> dict[str, int]:
    """Leave out every key that touches an allowlisted address: the last door before WAF."""
    return {key: until_ms for key, until_ms in active.items() if not allowed.touches(key)}


def plan(view: SetView, active: Mapping[str, int], *, capacity: int = CAPACITY) -> Plan:
    """Say what one IP set should hold next.

    Foreign entries stay. When there is no room for all, the bans that end soonest stay out; they enter when
    room appears.
    """
    wanted = {key for key in active if family_of(key) == view.family}
    foreign = view.held - view.ours - wanted
    room = max(0, capacity - len(foreign))
    chosen = _longest(wanted, active, room)
    entries = foreign | chosen
    return Plan(
        entries=frozenset(entries),
        added=frozenset(entries - view.held),
        removed=frozenset(view.held - entries),
        left_out=frozenset(wanted - chosen),
    )


def _longest(wanted: Collection[str], active: Mapping[str, int], room: int) -> set[str]:
    if len(wanted) <= room:
        return set(wanted)
    # The key breaks ties, so that two enforcers choose alike.
    return set(sorted(wanted, key=lambda key: (-active[key], key))[:room])


@dataclass(slots=True)
class Waiting:
    """Since when one set has waited to be written, in seconds of a clock that never goes back."""

    bans_since_s: float | None = None
    removals_since_s: float | None = None

    def note(self, planned: Plan, now_s: float) -> None:
        """Take note of what waits at *now_s*."""
        self.bans_since_s = _since(self.bans_since_s, now_s) if planned.added else None
        self.removals_since_s = _since(self.removals_since_s, now_s) if planned.removed else None

    def due_s(self, unban_lag_s: float) -> float | None:
        """Tell when the set should be written: at once for a ban, after the lag for a removal; None for never."""
        removals_s = None if self.removals_since_s is None else self.removals_since_s + unban_lag_s
        return min((at_s for at_s in (self.bans_since_s, removals_s) if at_s is not None), default=None)


def _since(earlier_s: float | None, now_s: float) -> float:
    return now_s if earlier_s is None else earlier_s


def next_set(dues_s: Mapping[int, float | None], now_s: float) -> int | None:
    """Choose the set to write next: the one that is due for longest, so that none starves another."""
    due = {number: due_s for number, due_s in dues_s.items() if due_s is not None and due_s <= now_s}
    return min(due, key=lambda number: due[number], default=None)
