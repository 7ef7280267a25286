"""A ledger that only tells bans: its own cost is not the enforcer's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.ports import Changes
from f2b_worker.testing import MemoryFollower, MemoryLedger

if TYPE_CHECKING:
    from f2b_worker.ports import StandingBan


class Bans(MemoryLedger):
    """Bans that are followed from the first one on."""

    def __init__(self) -> None:
        super().__init__()
        self.everything: tuple[StandingBan, ...] = ()

    def store(self, bans: tuple[StandingBan, ...]) -> None:
        """Add bans, all at once."""
        self.everything += bans

    def follow(self) -> MemoryFollower:
        """Follow the bans from now on."""
        return _Follower(self)


class _Follower(MemoryFollower):
    """Answers every ban at first, and after that what is new."""

    def __init__(self, bans: Bans) -> None:
        super().__init__(bans, None)
        self._bans = bans
        self._told: int | None = None

    def poll(self) -> Changes:
        everything, told = self._bans.everything, self._told
        self._told = len(everything)
        return Changes(everything[told or 0 :], is_all=told is None)
