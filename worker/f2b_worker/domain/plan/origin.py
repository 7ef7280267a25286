"""Whose an entry is that turned up in an IP set: ours, or somebody else's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.judge.verdicts import Ban

from f2b_worker.domain.judge.verdicts import UNREADABLE

_NOTHING: frozenset[str] = frozenset()


class Origin(Enum):
    """Whose an entry is: nobody who is still asked has said so of one in doubt."""

    OURS = auto()
    FOREIGN = auto()
    DOUBTED = auto()


@dataclass(frozen=True, slots=True)
class Traces:
    """What tells whose the entries of one set are.

    Attributes:
        tried: What updates of this enforcer without an answer may have put in, or may yet put in.
        is_known: Whether this enforcer knew the set before, and no other can have written it since.
        foreign: What an enforcer noted to be somebody else's.
        is_lost: Whether that note cannot be read: then a ban does not tell whose an entry is, since somebody else
            may have put it in before.
        networks: What an enforcer noted before it wrote it: networks that bans collapsed into.
        is_explained: Tells whether a ban, running or ended lately, explains an entry.
    """

    tried: AbstractSet[str]
    is_known: bool
    foreign: AbstractSet[str] = _NOTHING
    is_lost: bool = False
    networks: AbstractSet[str] = _NOTHING
    is_explained: Callable[[str], bool] = lambda _: False


def whose(entry: str, traces: Traces) -> Origin:
    """Tell who put *entry* into a set that did not hold it before, as far as anybody knew."""
    if entry in traces.tried:
        return Origin.OURS
    # In a set that we know, what we did not write is not ours, banned or not.
    if traces.is_known or entry in traces.foreign:
        return Origin.FOREIGN
    if entry in traces.networks:
        return Origin.OURS
    if traces.is_lost:
        return Origin.FOREIGN
    # Of bans that ended long ago only the address's own items tell.
    return Origin.OURS if traces.is_explained(entry) else Origin.DOUBTED


def whose_by_bans(
    bans: Iterable[Ban], *, found_ms: int, since_ms: int, is_unknown: Callable[[Ban], bool]
) -> Origin:
    """Tell whose an entry is by the last bans of its key in each jail.

    Args:
        bans: What the ledger holds of them.
        found_ms: When the entry was found in a set: what began later did not put it there.
        since_ms: Bans that ended before explain nothing.
        is_unknown: Tells whether a ban runs of which the roster has not heard: then nothing is decided yet.
    """
    bans = list(bans)
    if any(ban is UNREADABLE or is_unknown(ban) for ban in bans):
        return Origin.DOUBTED
    return Origin.OURS if any(_held_until_ms(ban, found_ms) >= since_ms for ban in bans) else Origin.FOREIGN


def _held_until_ms(ban: Ban, found_ms: int) -> float:
    """Tell until when, at the latest, a set may have had to hold an entry for a ban, or for the one before it."""
    if not ban.observed and ban.start_ms <= found_ms:
        return ban.until_ms
    return ban.start_ms if ban.count > 1 else float("-inf")
