"""The surge guard: more new bans within a minute than anybody expects are a mistake until somebody has looked.

A broken X-Forwarded-For must not ban the world (docs/design.md, promise 7).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.jails import MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

BACKLOG_MS = 3_600_000
"""So far back a ban's own time counts when it becomes known: by it, an honest backlog's bans are no surge.

What is dated earlier counts as of then. Who reports decides how infractions are dated; so nobody can have more in
one go than an hour's worth, and on the long run not more than the limit.
"""

_FEW = 200


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


class _Counted(NamedTuple):
    """A new ban: as of when it counts, and when it starts."""

    at_ms: int
    start_ms: int


class SurgeGuard:
    """Counts new bans by when they start, and by when they became known.

    Args:
        limit: So many bans may start within one minute; 0 switches the guard off.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.released_ms: int | None = None
        self._counted: list[_Counted] = []

    def __len__(self) -> int:
        return len(self._counted)

    def release(self, released_ms: int | None) -> None:
        """Count only bans that start after *released_ms*."""
        if released_ms is not None and released_ms > (self.released_ms or 0):
            self.released_ms = released_ms
            # Who released them has seen all that started up to that time.
            self._counted = [each for each in self._counted if each.start_ms > released_ms]

    def count(self, starts_ms: Iterable[int], known_ms: int) -> int | None:
        """Count new bans; tell from which start on bans must be held back, or None.

        Args:
            starts_ms: When each of them starts, in epoch milliseconds.
            known_ms: When they became known.
        """
        if not self.limit:
            return None
        earliest_ms = known_ms - BACKLOG_MS
        # What is to come counts as of that time at the earliest; no minute before it fills any more.
        del self._counted[: bisect_left(self._counted, (earliest_ms - MINUTE_MS,))]
        released_ms = self.released_ms
        new = [
            _Counted(max(start_ms, earliest_ms), start_ms)
            for start_ms in starts_ms
            if released_ms is None or start_ms > released_ms
        ]
        if not new:
            return None
        if len(new) <= _FEW:
            for each in new:
                insort(self._counted, each)
        else:
            # Each that is inserted moves all behind it, and a sort looks at all of them once.
            self._counted += sorted(new)
            self._counted.sort()
        return self._first_of_surge(min(new).at_ms, max(new).at_ms)

    def uncount(self, starts_ms: Iterable[int]) -> None:
        """Take back bans that turned out not to be new."""
        gone = Counter(starts_ms)
        kept = []
        for each in self._counted:
            if gone[each.start_ms]:
                gone[each.start_ms] -= 1
            else:
                kept.append(each)
        self._counted = kept

    def first(self) -> int | None:
        """Find the first ban of a surge among all that count."""
        counted = self._counted
        return self._first_of_surge(counted[0].at_ms, counted[-1].at_ms) if counted else None

    def _first_of_surge(self, first_ms: int, last_ms: int) -> int | None:
        """Find the first ban from the first minute on that has more than the limit, and touches that time."""
        counted = self._counted
        # A late ban can fill a minute of long ago; no minute that touches none of the new ones has changed.
        low = bisect_left(counted, (first_ms - MINUTE_MS + 1,))
        high = bisect_left(counted, (last_ms + MINUTE_MS,))
        for place in range(low, high - self.limit):
            if counted[place + self.limit].at_ms < counted[place].at_ms + MINUTE_MS:
                # Of what counts as of that minute or later, some may start long before.
                return min(each.start_ms for each in counted[place:])
        return None
