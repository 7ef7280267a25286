"""The bans that a worker knows of, so that what falls into their time needs not be recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId

KNOWN_MAX = 100_000
"""Banned offenders that are remembered, about 700 bytes each."""


class KnownBan(NamedTuple):
    """A banned offender as the ledger had it.

    Attributes:
        learned_s: When that was, on a clock that never goes back.
    """

    seen: Offender
    ban: Ban
    learned_s: float


class KnownBans:
    """What a worker remembers of banned offenders. It may be out of date: the ledger has the last word."""

    def __init__(self) -> None:
        self._known: dict[OffenderId, KnownBan] = {}

    def get(self, who: OffenderId) -> KnownBan | None:
        """Find the ban of *who*, if it is known."""
        return self._known.get(who)

    def learn(self, who: OffenderId, seen: Offender, now_s: float) -> None:
        """Remember what the ledger holds of *who*."""
        if seen.ban is None:
            self.forget(who)
            return
        if len(self._known) >= KNOWN_MAX and who not in self._known:
            self._known.clear()  # whoever misbehaves on is learned anew by the next write
        self._known[who] = KnownBan(seen, seen.ban, now_s)

    def forget(self, who: OffenderId) -> None:
        """Take *who* for somebody unknown."""
        self._known.pop(who, None)
