"""When which bans may end, roughly: a dozen bytes a ban."""

from __future__ import annotations

from heapq import heappop, heappush

SPAN_MS = 4_000
"""Ends so near each other are one: many small lists take more memory, and long ones are looked at in vain."""


class Ends:
    """The keys of which a ban may end in each span of time; whether it has, whoever asks must look up.

    An extension leaves the earlier end behind, which is looked at in vain.
    """

    def __init__(self) -> None:
        self._keys: dict[int, list[str]] = {}
        self._spans: list[int] = []
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def note(self, key: str, until_ms: int) -> None:
        """Note that a ban of *key* may end then."""
        span = until_ms // SPAN_MS
        keys = self._keys.get(span)
        if keys is None:
            keys = self._keys[span] = []
            heappush(self._spans, span)
        keys.append(key)
        self._number += 1

    def take_due(self, now_ms: int) -> list[str]:
        """Take the keys that were noted for this span of time or an earlier one."""
        due: list[str] = []
        while self._spans and self._spans[0] <= now_ms // SPAN_MS:
            due += self._keys.pop(heappop(self._spans))
        self._number -= len(due)
        return due
