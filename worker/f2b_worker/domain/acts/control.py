"""What all workers obey: pauses of enforcement, and how often they were told to read their files again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from f2b_worker.domain.jails import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_BLOCKLIST = "*"
"""Stands for all blocklists, those that are made later included; no blocklist has this name."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is written to the IP sets of a blocklist; judging goes on.

    Attributes:
        from_ms: Since when.
        until_ms: The last moment of it; None until somebody resumes.
        by: Who paused.
        reason: Why.
    """

    from_ms: int
    until_ms: int | None = None
    by: str = ""
    reason: str = ""

    def counts_at(self, now_ms: int) -> bool:
        """Tell whether it holds."""
        return self.until_ms is None or now_ms <= self.until_ms


@dataclass(frozen=True, slots=True)
class Control:
    """What all workers obey.

    Attributes:
        pauses: By the name of the blocklist, or `EVERY_BLOCKLIST`; ended ones may still be there.
        generation: How often somebody asked all workers to read their files again.
        asked_ms: When somebody last did; None if nobody did, or if that is not known.
    """

    pauses: Mapping[str, Pause] = field(default_factory=dict)
    generation: int = 0
    asked_ms: int | None = None

    def pause_of(self, blocklist: str, now_ms: int) -> Pause | None:
        """Find the pause that holds for *blocklist*: of two the one that ends later; None if it is not paused."""
        found = [self.pauses[name] for name in (blocklist, EVERY_BLOCKLIST) if name in self.pauses]
        holding = [pause for pause in found if pause.counts_at(now_ms)]
        return max(holding, key=_end_of, default=None)


def _end_of(pause: Pause) -> int:
    return FOREVER_MS if pause.until_ms is None else pause.until_ms
