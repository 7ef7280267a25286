"""The allowlist that is kept beside the bans, and changes while workers run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.domain.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """A network that nobody bans for a time.

    Attributes:
        network: In canonical form, `203.0.113.7/32`: see `addresses.canonical`.
        until_ms: The last moment at which it counts; None for ever.
        comment: Why, in the words of who added it.
        by: Who added it.
        at_ms: When.
    """

    network: str
    until_ms: int | None = None
    comment: str = ""
    by: str = ""
    at_ms: int = 0

    def counts_at(self, now_ms: int) -> bool:
        """Tell whether it counts."""
        return self.until_ms is None or now_ms <= self.until_ms


def with_entries(allowed: Networks, entries: Iterable[AllowEntry], now_ms: int) -> Networks:
    """Add the entries that count now to the allowlist of a file."""
    return Networks((*allowed.entries, *(each.network for each in counting(entries, now_ms))))


def counting(entries: Iterable[AllowEntry], now_ms: int) -> list[AllowEntry]:
    """Choose the entries that count now: ended ones may still be stored."""
    return [entry for entry in entries if entry.counts_at(now_ms)]
