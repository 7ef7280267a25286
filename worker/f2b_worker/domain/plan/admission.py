"""Which of the wanted entries fit when there is not room for all: those that end last."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from f2b_worker.domain.addresses import number_of

_SLACK = 1000


class Admission:
    """Admits the entries that end last, as many as there is room for.

    Of entries that end together the wider one goes first: of the pieces of a range those that hold most of it.
    Then the one with the smaller address does, so that two enforcers choose alike.
    Where there is room for all, that is all there is to know. Else each change costs O(log n): one heap holds what
    was admitted, the worst first, another what was not, the best first. What a heap says is believed only if it
    still holds.

    Attributes:
        admitted: The end of each entry that fits, in epoch milliseconds.
        left_out: The end of each entry that does not.
    """

    def __init__(self, room: int = 0) -> None:
        self.admitted: dict[str, int] = {}
        self.left_out: dict[str, int] = {}
        self._changed: set[str] = set()
        self._room = room
        self._worst: list[tuple[int, int, str]] | None = None  # made when it is first needed
        self._best: list[tuple[int, int, str]] = []

    @property
    def has_changes(self) -> bool:
        """Whether `take_changes` has something to tell."""
        return bool(self._changed)

    def take_changes(self) -> set[str]:
        """Take the entries that moved between the two since this was last asked."""
        changed, self._changed = self._changed, set()
        return changed

    def put(self, entry: str, until_ms: int) -> None:
        """Take *entry* as wanted until then."""
        if self.admitted.get(entry) == until_ms:
            return
        if entry in self.admitted or (not self.left_out and len(self.admitted) < self._room):
            self._admit(entry, until_ms)
        else:
            self._leave_out(entry, until_ms)
        self._balance()

    def fill(self, ends_ms: dict[str, int]) -> bool:
        """Take all of these as wanted at once, if nothing was before and there is room for all; tell whether."""
        if self.admitted or self.left_out or len(ends_ms) > self._room:
            return False
        self.admitted = dict(ends_ms)
        self._worst = None
        return True

    def drop(self, entry: str) -> None:
        """Take *entry* as no longer wanted."""
        if self.admitted.pop(entry, None) is not None:
            self._balance()
        else:
            self.left_out.pop(entry, None)

    def resize(self, room: int) -> None:
        """Take it that so many entries fit."""
        if room != self._room:
            self._room = room
            self._balance()

    def _balance(self) -> None:
        # The room may have shrunk: a set is gone, or somebody else put entries into one.
        while len(self.admitted) > max(0, self._room):
            self._evict()
        while self.left_out:
            until_ms, number, entry = self._next_in()
            if len(self.admitted) >= self._room:
                # A strict order, by end and then by address; else two would push each other out for ever.
                if not self.admitted or (until_ms, -number) <= self._next_out()[:2]:
                    return
                self._evict()
            del self.left_out[entry]
            self._admit(entry, until_ms)
            self._changed.add(entry)

    def _evict(self) -> None:
        until_ms, _, entry = self._next_out()
        del self.admitted[entry]
        self._leave_out(entry, until_ms)
        self._changed.add(entry)

    def _next_out(self) -> tuple[int, int, str]:
        worst = self._worst = self._worst or self._all_admitted()
        # An entry whose end moved, or that is gone, left its old place in the heap.
        while self.admitted.get(worst[0][2]) != worst[0][0]:
            heappop(worst)
        return worst[0]

    def _all_admitted(self) -> list[tuple[int, int, str]]:
        worst = [(end_ms, -number_of(each), each) for each, end_ms in self.admitted.items()]
        heapify(worst)
        return worst

    def _next_in(self) -> tuple[int, int, str]:
        while self.left_out.get(self._best[0][2]) != -self._best[0][0]:
            heappop(self._best)
        until_ms, number, entry = self._best[0]
        return -until_ms, number, entry

    def _admit(self, entry: str, until_ms: int) -> None:
        self.admitted[entry] = until_ms
        if self._worst is not None:
            heappush(self._worst, (until_ms, -number_of(entry), entry))
            if len(self._worst) > 2 * len(self.admitted) + _SLACK:
                # Where there is room again it is of no use, and half of all memory.
                self._worst = self._all_admitted() if self.left_out else None

    def _leave_out(self, entry: str, until_ms: int) -> None:
        self.left_out[entry] = until_ms
        heappush(self._best, (-until_ms, number_of(entry), entry))
        if len(self._best) > 2 * len(self.left_out) + _SLACK:
            self._best = [(-end_ms, number_of(each), each) for each, end_ms in self.left_out.items()]
            heapify(self._best)
