"""The bans that a worker knows of, so that what falls into their time needs no ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.domain.jails import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.verdicts import Ban, Hit, Offender, OffenderId

KNOWN_MAX = 100_000
"""Banned offenders that are remembered, about 700 bytes each."""


@dataclass(slots=True, eq=False)
class KnownBan:
    """The last ban of one offender as the ledger had it, and how far infractions have moved its end since.

    Attributes:
        seen: The offender in the ledger.
        ban: Its last ban.
        until_ms: The end, with what is not stored yet.
        moves: How often infractions moved it since.
        stored_s: When it was last stored or read, on a clock that never goes back.
    """

    seen: Offender
    ban: Ban
    until_ms: int
    stored_s: float
    moves: int = 0

    def covers(self, hits: Sequence[Hit]) -> bool:
        """Tell whether all of *hits* fell into its time."""
        times_ms = [hit.at_ms for hit in hits]
        return self.ban.start_ms < min(times_ms) and max(times_ms) <= self.until_ms

    def hear(self, hits: Sequence[Hit]) -> None:
        """Move the end as the judge does: to the time of each infraction and the ban's length after it."""
        for at_ms in sorted(hit.at_ms for hit in hits):
            until_ms = min(FOREVER_MS, at_ms + self.ban.length_ms)
            if until_ms > self.until_ms:
                self.until_ms = until_ms
                self.moves += 1


class KnownBans:
    """What a worker remembers of banned offenders; the ledger is asked again where it matters."""

    def __init__(self) -> None:
        self._known: dict[OffenderId, KnownBan] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, who: OffenderId) -> KnownBan | None:
        """Find the ban of *who*, if it is known."""
        return self._known.get(who)

    def learn(self, who: OffenderId, seen: Offender, now_s: float) -> None:
        """Remember what the ledger holds of *who*."""
        if seen.ban is None:
            self._known.pop(who, None)
            return
        if len(self._known) >= KNOWN_MAX and who not in self._known:
            self._known.clear()  # whoever misbehaves on is learned anew by the next write
        self._known[who] = KnownBan(seen, seen.ban, seen.ban.until_ms, now_s)
