"""Something of each of many offenders, of which those that came up last are remembered, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.judge.compact import CompactTable

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import OffenderId


class Recent:
    """A few bytes for each offender. One thread at a time may change it, and any number may look.

    Args:
        most: So many are remembered; then those go that came up before the last half of so many.
    """

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._newer = CompactTable(self._half)
        self._older = CompactTable(self._half)

    def get(self, who: OffenderId) -> bytes | None:
        """Find what is remembered of *who*."""
        return self._newer.get(who) or self._older.get(who)

    def put(self, who: OffenderId, packed: bytes) -> None:
        """Remember something of *who*; not nothing."""
        if len(self._newer) >= self._half and who not in self._newer:
            self._older, self._newer = self._newer, CompactTable(self._half)
        self._newer.put(who, packed)

    def forget(self, who: OffenderId) -> None:
        """Take *who* for somebody unknown."""
        self._newer.forget(who)
        self._older.forget(who)
