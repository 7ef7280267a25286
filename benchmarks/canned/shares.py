"""What one new ban and one extension cost in write units, all in, and how much of all goes into snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.canned.kinds import BAN, EXTENSION, HISTORY, HITS, LOG, SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Shares:
    """Write units of some time by what they were for, as kinds.py tells them apart.

    What the log costs is shared out evenly among the bans and extensions that were stored: each is logged once.
    Writes that were refused are paid by those of their kind that were not.

    Attributes:
        units: Write units by kind.
        writes: Writes that took effect, by kind.
    """

    units: Mapping[str, float]
    writes: Mapping[str, int]

    @classmethod
    def between(cls, before: Mapping[str, Any], after: Mapping[str, Any]) -> Shares:
        """Tell what was written between two readings of the counters."""
        units, writes = (
            {kind: number - before[name].get(kind, 0) for kind, number in after[name].items()}
            for name in ("units_by_kind", "writes")
        )
        return cls(units, writes)

    @property
    def new_bans(self) -> int:
        """How many bans began."""
        return self.writes.get(BAN, 0)

    @property
    def extensions(self) -> int:
        """How often a ban's end was moved."""
        return self.writes.get(EXTENSION, 0)

    @property
    def of_a_new_ban(self) -> float:
        """Units of one new ban: its state, the ban before it kept in the history, and the log; 0 without any."""
        own = self.units.get(BAN, 0) + self.units.get(HISTORY, 0)
        return own / self.new_bans + self._log_of_each if self.new_bans else 0.0

    @property
    def hits_of_a_new_ban(self) -> float:
        """Units for hits, those of addresses that are not banned included, for one new ban; 0 without any."""
        return self.units.get(HITS, 0) / self.new_bans if self.new_bans else 0.0

    @property
    def of_an_extension(self) -> float:
        """Units of one extension: its state and the log; 0 without any."""
        return self.units.get(EXTENSION, 0) / self.extensions + self._log_of_each if self.extensions else 0.0

    @property
    def of_snapshots(self) -> float:
        """The part of all units that goes into snapshots, from 0 to 1."""
        total = sum(self.units.values())
        return self.units.get(SNAPSHOT, 0) / total if total else 0.0

    @property
    def _log_of_each(self) -> float:
        return self.units.get(LOG, 0) / (self.new_bans + self.extensions)
