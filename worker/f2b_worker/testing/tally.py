"""The numbers over time in memory."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from f2b_worker.domain.tally import Noted, hour_of

if TYPE_CHECKING:
    from f2b_worker.domain.tally import BanSheets, Sheet


class MemoryTally:
    """The twin of `adapters.dynamodb.tally`."""

    def __init__(self) -> None:
        self._noted: dict[tuple[int, str], Sheet] = {}
        self._bans: BanSheets | None = None

    def note(self, name: str, sheet: Sheet) -> None:
        """Store what one process counted in one hour."""
        self._noted[sheet.hour_ms, name] = deepcopy(sheet)

    def note_bans(self, counted: BanSheets) -> bool:
        """Store what was counted of bans, unless somebody else stored something meanwhile."""
        if counted.version != (self._bans.version if self._bans else 0) + 1:
            return False
        self._bans = deepcopy(counted)
        return True

    def bans(self) -> BanSheets | None:
        """Read what was counted of bans."""
        return deepcopy(self._bans)

    def read(self, first_ms: int, last_ms: int) -> list[Noted]:
        """Read what was noted of these hours."""
        return [
            Noted(name, deepcopy(sheet))
            for (hour_ms, name), sheet in sorted(self._noted.items(), key=lambda each: each[0])
            if hour_of(first_ms) <= hour_ms <= last_ms
        ]
