"""Whose an entry is that turned up in an IP set: ours, or somebody else's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

_NOTHING: frozenset[str] = frozenset()


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


def is_foreign(entry: str, traces: Traces) -> bool:
    """Tell whether somebody else put *entry* into a set that did not hold it before, as far as anybody knew."""
    if entry in traces.tried:
        return False
    # In a set that we know, what we did not write is not ours, banned or not.
    if traces.is_known or entry in traces.foreign:
        return True
    if entry in traces.networks:
        return False
    return traces.is_lost or not traces.is_explained(entry)
