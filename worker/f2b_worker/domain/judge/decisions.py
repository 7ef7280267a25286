"""What is to be stored of one offender, and what the ledger holds once it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from f2b_worker.domain.judge.verdicts import Offender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.verdicts import Ban


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one offender's ban, and what that was decided from.

    Attributes:
        seen: What was remembered.
        last: The ban that stands once this is stored: the one before with a later end, or the next one.
    """

    seen: Offender
    last: Ban

    @classmethod
    def on(cls, seen: Offender, changed: Sequence[Ban]) -> Decision:
        """Take the first step to the bans of a verdict, oldest first: a later end, or a new ban. Then judge again.

        Never both at once: a ban goes into the history as it stands in the state. Of two workers that extend it
        each by what it knows, and ban anew, one is refused, and nothing may be left of its longer end.
        """
        return cls(seen, changed[0])

    @property
    def ended(self) -> Ban | None:
        """The ban in the place of which another one stands then, as it ended; None if there is none."""
        return self.seen.ban if self.is_another else None

    @property
    def is_another(self) -> bool:
        """Whether another ban stands there afterwards than before."""
        return self.seen.ban is None or self.seen.ban.start_ms != self.last.start_ms

    def applied(self, current: Offender) -> Offender:
        """Say what is remembered of an offender once this is stored.

        Hits up to the last ban's end are used up; those that others added meanwhile stay, until they are judged.
        The evidence is no part of it: whoever wants that reads the history.

        Args:
            current: What the ledger holds now; its bans are those that were seen, or nothing may be stored.
        """
        spent = [hit for hit in self.seen.hits if hit.at_ms <= self.last.until_ms]
        ban = replace(self.last, evidence=())
        return Offender(current.hits.difference(spent), ban, current.revision + 1, current.lifted_ms)
