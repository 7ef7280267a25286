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
        before: The one before as it ended, if another one is the last and it was extended first.
    """

    seen: Offender
    last: Ban
    before: Ban | None = None

    @classmethod
    def on(cls, seen: Offender, changed: Sequence[Ban]) -> Decision:
        """Take the first step to the bans of a verdict, oldest first: one new ban at most. Then judge again."""
        first = changed[0]
        if seen.ban and seen.ban.start_ms == first.start_ms and len(changed) > 1:
            return cls(seen, changed[1], first)
        return cls(seen, first)

    @property
    def changed(self) -> tuple[Ban, ...]:
        """Both bans, the older one first."""
        return (self.before, self.last) if self.before else (self.last,)

    @property
    def ended(self) -> Ban | None:
        """The ban in the place of which another one stands then, as it ended; None if there is none."""
        return (self.before or self.seen.ban) if self.is_another else None

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
