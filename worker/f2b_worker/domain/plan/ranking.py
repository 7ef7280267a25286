"""The best of many by any order, kept by differences."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Rank = int
"""Of two entries the one with the larger rank is the better one; no two are equal. One number takes a third of the
memory of several, and there are hundreds of thousands."""

_SLACK = 1000


class Ranking:
    """Keeps apart those entries that are the best, up to a number, and all others.

    Where there is room for all, that is all there is to know. Else each change costs O(log n): one heap holds
    the best, the worst of them first, another the others, the best of them first. What a heap says is believed
    only if it still holds: an entry that was ranked anew, or is gone, left its old place there.

    Args:
        room: How many are kept apart.

    Attributes:
        inside: The rank of each of the best.
        outside: The rank of each other one.
    """

    def __init__(self, room: int = 0) -> None:
        self.inside: dict[str, Rank] = {}
        self.outside: dict[str, Rank] = {}
        self._room = room
        self._changed: set[str] = set()
        self._worst: list[tuple[Rank, str]] | None = None  # made when it is first needed
        self._best: list[tuple[Rank, str]] = []

    def __contains__(self, entry: object) -> bool:
        return entry in self.inside or entry in self.outside

    def __len__(self) -> int:
        return len(self.inside) + len(self.outside)

    def take_changes(self) -> set[str]:
        """Take the entries that moved, and those that came, since this was last asked."""
        changed, self._changed = self._changed, set()
        return changed

    def fill(self, ranks: Mapping[str, Rank]) -> None:
        """Take all of these at once, in a tenth of the time, if nothing was there before."""
        room = max(0, self._room)
        if len(ranks) <= room:
            self.inside = dict(ranks)
            return
        ordered = sorted(ranks, key=ranks.__getitem__, reverse=True)
        self.inside = {entry: ranks[entry] for entry in ordered[:room]}
        self.outside = {entry: ranks[entry] for entry in ordered[room:]}
        # What is in order is a heap.
        self._best = [(-rank, entry) for entry, rank in self.outside.items()]
        self._worst = None

    def put(self, entry: str, rank: Rank) -> None:
        """Take an entry in, or rank it anew."""
        if entry in self.inside or (not self.outside and len(self.inside) < self._room):
            if self.inside.get(entry) == rank:
                return
            if entry not in self.inside:
                self._changed.add(entry)
            self._let_in(entry, rank)
        elif self.outside.get(entry) != rank:
            if entry not in self.outside:
                self._changed.add(entry)
            self._keep_out(entry, rank)
        self._balance()

    def drop(self, entry: str) -> None:
        """Forget an entry."""
        if self.inside.pop(entry, None) is not None:
            self._balance()
        else:
            self.outside.pop(entry, None)

    def resize(self, room: int) -> None:
        """Keep so many apart from now on."""
        if room != self._room:
            self._room = room
            self._balance()

    def _balance(self) -> None:
        while len(self.inside) > max(0, self._room):
            self._evict()
        while self.outside:
            rank, entry = self._next_in()
            if len(self.inside) >= self._room:
                # A strict order; else two would push each other out for ever.
                if not self.inside or rank <= self._next_out()[0]:
                    return
                self._evict()
            del self.outside[entry]
            self._let_in(entry, rank)
            self._changed.add(entry)

    def _evict(self) -> None:
        rank, entry = self._next_out()
        del self.inside[entry]
        self._keep_out(entry, rank)
        self._changed.add(entry)

    def _next_out(self) -> tuple[Rank, str]:
        worst = self._worst = self._worst or self._all_inside()
        while self.inside.get(worst[0][1]) != worst[0][0]:
            heappop(worst)
        return worst[0]

    def _all_inside(self) -> list[tuple[Rank, str]]:
        worst = [(rank, entry) for entry, rank in self.inside.items()]
        heapify(worst)
        return worst

    def _next_in(self) -> tuple[Rank, str]:
        while True:
            turned, entry = self._best[0]
            if self.outside.get(entry) == -turned:
                return -turned, entry
            heappop(self._best)

    def _let_in(self, entry: str, rank: Rank) -> None:
        self.inside[entry] = rank
        if self._worst is not None:
            heappush(self._worst, (rank, entry))
            if len(self._worst) > 2 * len(self.inside) + _SLACK:
                # Where there is room again it is of no use, and half of all memory.
                self._worst = self._all_inside() if self.outside else None

    def _keep_out(self, entry: str, rank: Rank) -> None:
        self.outside[entry] = rank
        heappush(self._best, (-rank, entry))
        if len(self._best) > 2 * len(self.outside) + _SLACK:
            self._best = [(-each, name) for name, each in self.outside.items()]
            heapify(self._best)
