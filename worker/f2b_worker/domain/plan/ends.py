"""When which bans may end: by the second, a dozen bytes a ban."""

from __future__ import annotations

from heapq import heappop, heappush


class Ends:
    """The keys of which a ban may end in each second; whether it does, whoever asks must look up.

    An extension leaves the earlier end behind, which is looked at in vain.
    """

    def __init__(self) -> None:
        self._keys: dict[int, list[str]] = {}
        self._seconds: list[int] = []
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def note(self, key: str, until_ms: int) -> None:
        """Note that a ban of *key* may end then."""
        second = until_ms // 1000
        keys = self._keys.get(second)
        if keys is None:
            keys = self._keys[second] = []
            heappush(self._seconds, second)
        keys.append(key)
        self._number += 1

    def take_due(self, now_ms: int) -> list[str]:
        """Take the keys that were noted for this second or an earlier one."""
        due: list[str] = []
        while self._seconds and self._seconds[0] <= now_ms // 1000:
            due += self._keys.pop(heappop(self._seconds))
        self._number -= len(due)
        return due
