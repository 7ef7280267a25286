"""Something of each of many offenders, of which those that came up last are remembered, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import OffenderId

_NOTHING: dict[str, bytes] = {}


class Recent:
    """A few bytes for each offender. One thread at a time may change it, and any number may look.

    Args:
        most: So many are remembered; then those go that came up before the last half of so many.
    """

    def __init__(self, most: int) -> None:
        self._half = most // 2
        # By jail and key: a pair, or a text of both, would be one object more for each of them.
        self._newer: dict[str, dict[str, bytes]] = {}
        self._older: dict[str, dict[str, bytes]] = {}
        self._new = 0

    def get(self, who: OffenderId) -> bytes | None:
        """Find what is remembered of *who*."""
        jail, key = who
        return self._newer.get(jail, _NOTHING).get(key) or self._older.get(jail, _NOTHING).get(key)

    def put(self, who: OffenderId, packed: bytes) -> None:
        """Remember something of *who*; not nothing."""
        jail, key = who
        if key not in self._newer.get(jail, _NOTHING):
            if self._new >= self._half:
                self._older, self._newer, self._new = self._newer, {}, 0
            self._new += 1
        self._newer.setdefault(jail, {})[key] = packed

    def forget(self, who: OffenderId) -> None:
        """Take *who* for somebody unknown."""
        jail, key = who
        if self._newer.get(jail, _NOTHING).pop(key, None):
            self._new -= 1
        self._older.get(jail, _NOTHING).pop(key, None)
