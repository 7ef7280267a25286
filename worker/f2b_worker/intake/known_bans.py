"""The bans that a worker knows of, so that what falls into their time needs not be recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.judge.packed import Packing
from f2b_worker.domain.judge.recent import Recent
from f2b_worker.domain.judge.verdicts import Ban, Offender

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import OffenderId

KNOWN_MAX = 200_000
"""So many banned offenders are remembered, in about 165 bytes each: half of them at least once there are more."""


class KnownBan(NamedTuple):
    """A banned offender as the ledger had it, but for hits.

    Attributes:
        revision: Counts the changes of the ban.
        lifted_ms: Infractions up to then count no more.
    """

    ban: Ban
    revision: int
    lifted_ms: int

    @property
    def seen(self) -> Offender:
        """What a later end is decided from. Hits that are there count once the ledger has answered with them."""
        return Offender(ban=self.ban, revision=self.revision, lifted_ms=self.lifted_ms)


class KnownBans:
    """What a worker remembers of banned offenders. It may be out of date: the ledger has the last word.

    Args:
        most: So many are remembered; then those go that were learned before the last half of so many.
    """

    def __init__(self, most: int = KNOWN_MAX) -> None:
        self._recent = Recent(most)
        self._packing = Packing()

    def get(self, who: OffenderId) -> KnownBan | None:
        """Find the ban of *who*, if it is known."""
        packed = self._recent.get(who)
        return KnownBan(*self._packing.unpack(packed)) if packed else None

    def learn(self, who: OffenderId, seen: Offender) -> None:
        """Remember what the ledger holds of *who*."""
        if seen.ban is None:
            self.forget(who)
        else:
            self._recent.put(who, self._packing.pack(seen.ban, seen.revision, seen.lifted_ms))

    def forget(self, who: OffenderId) -> None:
        """Take *who* for somebody unknown."""
        self._recent.forget(who)
