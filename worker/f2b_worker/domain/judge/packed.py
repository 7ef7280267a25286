"""Bans in few bytes, for as long as one process lives."""

from __future__ import annotations

from struct import Struct, error

from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban

# The start; the length, and how much later the ban ends; steps, revision, count; and a place.
_SHORT = Struct("<qIIHHHH")
_LONG = Struct("<qqqqqqqH")


class Packing:
    """Packs bans without their evidence: nearly all into 24 bytes, where an object with its numbers takes 260.

    What many bans share is kept once.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, tuple[str, ...], bool], int] = {}
        self._shared: list[tuple[str, tuple[str, ...], bool]] = []

    def pack(self, ban: Ban, revision: int, lifted_ms: int) -> bytes:
        """Pack a ban, the revision of its offender, and the time up to which infractions do not count."""
        shared = (ban.origin, ban.blocklists, ban.observed)
        place = self._places.setdefault(shared, len(self._shared))
        if place == len(self._shared):
            self._shared.append(shared)
        if not lifted_ms:
            late_ms = ban.until_ms - ban.start_ms - ban.length_ms
            try:
                return _SHORT.pack(ban.start_ms, ban.length_ms, late_ms, ban.extended, revision, ban.count, place)
            except error:  # a number is too large for its field, or negative
                pass
        numbers = (ban.start_ms, ban.until_ms, ban.length_ms, ban.extended, revision, ban.count)
        return _LONG.pack(*numbers, lifted_ms, place)

    def unpack(self, packed: bytes) -> tuple[Ban, int, int]:
        """Answer what was packed, UNREADABLE as the one that it is."""
        if len(packed) == _SHORT.size:
            start_ms, length_ms, late_ms, extended, revision, count, place = _SHORT.unpack(packed)
            until_ms, lifted_ms = start_ms + length_ms + late_ms, 0
        else:
            start_ms, until_ms, length_ms, extended, revision, count, lifted_ms, place = _LONG.unpack(packed)
            if length_ms == UNREADABLE.length_ms:  # no other has one below zero
                return UNREADABLE, revision, lifted_ms
        origin, blocklists, observed = self._shared[place]
        ban = Ban(start_ms, until_ms, count, length_ms, extended, (), observed, blocklists, origin)
        return ban, revision, lifted_ms
