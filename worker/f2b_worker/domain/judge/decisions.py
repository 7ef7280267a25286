"""What is to be stored of one offender, and what the ledger holds once it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from f2b_worker.domain.judge.verdicts import Offender

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import Ban


@dataclass(frozen=True, slots=True)
class Decision:
    """Bans of one offender, oldest first, and what they were decided from."""

    seen: Offender
    changed: tuple[Ban, ...]

    @property
    def last(self) -> Ban:
        """The ban that stands once all of them are stored."""
        return self.changed[-1]

    def applied(self, current: Offender) -> Offender:
        """Say what is remembered of an offender once this is stored.

        Hits up to the last ban's end are used up; those that others added meanwhile stay, until they are judged.
        The evidence stands in the ban's history only.

        Args:
            current: What the ledger holds now; its bans are those that were seen, or nothing may be stored.
        """
        spent = [hit for hit in self.seen.hits if hit.at_ms <= self.last.until_ms]
        return Offender(current.hits.difference(spent), replace(self.last, evidence=()), current.revision + 1)
