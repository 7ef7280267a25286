"""The surge guard: more new bans within a minute than anybody expects are a mistake until somebody has looked.

A broken X-Forwarded-For must not ban the world (docs/design.md, promise 7).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE_MS = 60_000

REMEMBERED_S = 900.0
"""How long after a ban became known it counts; by their own times, a backlog's bans are no surge."""


def held_back_from(noted_ms: int | None, released_ms: int | None) -> int | None:
    """Tell from when on bans are held back: a release ends a surge that was noted from its time or earlier.

    So a release is never lost, whoever writes last, and a later surge stays.

    Args:
        noted_ms: Since when a surge was noted, if one was.
        released_ms: When somebody last released held back bans, if ever.
    """
    if noted_ms is None or released_ms is None or noted_ms > released_ms:
        return noted_ms
    return None


class SurgeGuard:
    """Counts the starts of new bans, on the bans' own times.

    Args:
        limit: So many bans may start within one minute; 0 switches the guard off.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.released_ms: int | None = None
        self._starts_ms: list[int] = []
        self._known: deque[tuple[float, int]] = deque()

    def release(self, released_ms: int | None) -> None:
        """Count only bans that start after *released_ms*."""
        if released_ms is not None and released_ms > (self.released_ms or 0):
            self.released_ms = released_ms
            # Who released them has seen all that started up to that time.
            del self._starts_ms[: bisect_left(self._starts_ms, released_ms + 1)]

    def count(self, starts_ms: Iterable[int], now_s: float) -> int | None:
        """Count new bans; tell from which start on bans must be held back, or None.

        Args:
            starts_ms: When each of them starts, in epoch milliseconds.
            now_s: When they became known, on a clock that never goes back.
        """
        if not self.limit:
            return None
        self._forget(now_s - REMEMBERED_S)
        counted = [start_ms for start_ms in starts_ms if self._add(start_ms, now_s)]
        return self._first_of_surge(min(counted), max(counted)) if counted else None

    def uncount(self, starts_ms: Iterable[int]) -> None:
        """Take back bans that turned out not to be new."""
        for start_ms in starts_ms:
            self._drop(start_ms)

    def first(self) -> int | None:
        """Find the first ban of a surge among all that count."""
        return self._first_of_surge(self._starts_ms[0], self._starts_ms[-1]) if self._starts_ms else None

    def _add(self, start_ms: int, now_s: float) -> bool:
        if self.released_ms is not None and start_ms <= self.released_ms:
            return False
        insort(self._starts_ms, start_ms)
        self._known.append((now_s, start_ms))
        return True

    def _forget(self, before_s: float) -> None:
        # By when they became known: a backlog's bans start long ago, and must count as long as any.
        while self._known and self._known[0][0] < before_s:
            self._drop(self._known.popleft()[1])

    def _drop(self, start_ms: int) -> None:
        place = bisect_left(self._starts_ms, start_ms)
        if place < len(self._starts_ms) and self._starts_ms[place] == start_ms:
            del self._starts_ms[place]

    def _first_of_surge(self, first_ms: int, last_ms: int) -> int | None:
        """Find the first ban of a minute with more than the limit, among all minutes that touch that time."""
        starts_ms = self._starts_ms
        # A late ban can fill a minute of long ago; no minute that touches none of the new ones has changed.
        low = bisect_left(starts_ms, first_ms - MINUTE_MS + 1)
        high = bisect_left(starts_ms, last_ms + MINUTE_MS)
        for place in range(low, high - self.limit):
            if starts_ms[place + self.limit] < starts_ms[place] + MINUTE_MS:
                return starts_ms[place]
        return None
