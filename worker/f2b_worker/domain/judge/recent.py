"""Something of each of many offenders, of which those that came up last are remembered, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import OffenderId


class Recent:
    """A few bytes for each offender. One thread at a time may change it, and any number may look.

    Args:
        most: So many are remembered; then those go that came up before the last half of so many.
    """

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._newer: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}

    def get(self, who: OffenderId) -> bytes | None:
        """Find what is remembered of *who*."""
        name = _name(who)
        return self._newer.get(name) or self._older.get(name)

    def put(self, who: OffenderId, packed: bytes) -> None:
        """Remember something of *who*; not nothing."""
        name = _name(who)
        if len(self._newer) >= self._half and name not in self._newer:
            self._older, self._newer = self._newer, {}
        self._newer[name] = packed

    def forget(self, who: OffenderId) -> None:
        """Take *who* for somebody unknown."""
        name = _name(who)
        self._newer.pop(name, None)
        self._older.pop(name, None)


def _name(who: OffenderId) -> str:
    # One text is half as large as a tuple of two.
    return f"{who.jail} {who.key}"
