"""The bans that a worker knows of, so that what falls into their time needs not be recorded."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.judge.verdicts import Ban, Offender

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import OffenderId

KNOWN_MAX = 200_000
"""So many banned offenders are remembered, in about 250 bytes each: half of them at least once there are more."""

_PACKED = Struct("<qqqqqqqd?I")


class KnownBan(NamedTuple):
    """A banned offender as the ledger had it, but for hits.

    Attributes:
        revision: Counts the changes of the ban.
        lifted_ms: Infractions up to then count no more.
        learned_s: When that was, on a clock that never goes back.
    """

    ban: Ban
    revision: int
    lifted_ms: int
    learned_s: float

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
        self._half = most // 2
        self._newer: dict[OffenderId, bytes] = {}
        self._older: dict[OffenderId, bytes] = {}
        self._places: dict[tuple[str, ...], int] = {}
        self._blocklists: list[tuple[str, ...]] = []

    def get(self, who: OffenderId) -> KnownBan | None:
        """Find the ban of *who*, if it is known."""
        packed = self._newer.get(who) or self._older.get(who)
        return self._unpacked(packed) if packed else None

    def learn(self, who: OffenderId, seen: Offender, now_s: float) -> None:
        """Remember what the ledger holds of *who*."""
        self.forget(who)
        if seen.ban is None:
            return
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, {}
        self._newer[who] = self._as_packed(seen, seen.ban, now_s)

    def forget(self, who: OffenderId) -> None:
        """Take *who* for somebody unknown."""
        self._newer.pop(who, None)
        self._older.pop(who, None)

    def _as_packed(self, seen: Offender, ban: Ban, learned_s: float) -> bytes:
        place = self._places.setdefault(ban.blocklists, len(self._blocklists))
        if place == len(self._blocklists):
            self._blocklists.append(ban.blocklists)
        numbers = (ban.start_ms, ban.until_ms, ban.count, ban.length_ms, ban.extended)
        return _PACKED.pack(*numbers, seen.revision, seen.lifted_ms, learned_s, ban.observed, place)

    def _unpacked(self, packed: bytes) -> KnownBan:
        start_ms, until_ms, count, length_ms, extended, *rest = _PACKED.unpack(packed)
        revision, lifted_ms, learned_s, observed, place = rest
        blocklists = self._blocklists[place]
        ban = Ban(start_ms, until_ms, count, length_ms, extended, observed=observed, blocklists=blocklists)
        return KnownBan(ban, revision, lifted_ms, learned_s)
