"""Which of the wanted entries fit when there is not room for all."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from f2b_worker.domain.plan.division import Claim, Division, Ranked

if TYPE_CHECKING:
    from collections.abc import Callable

_DIVIDED_FROM = 0.9
"""Where so much of the room is wanted, or more, it stays divided: to divide it anew would cost as much again."""

AT_ONCE = 20_000
"""So many entries are divided at once, in a third of a second; of more a part in each turn of the loop."""

PART = 10_000
"""So many are a part, which takes a third of a second, too: no lease waits for 500,000 of them."""


class Admission:
    """Admits as many entries as there is room for; where that is not enough for all, `Division` says whom.

    Args:
        room: How many fit.
        claim: Tells of an entry what decides whether it finds room; asked only where there is not enough for all.

    Attributes:
        room: How many fit.
        admitted: The end of each entry that fits, in epoch milliseconds.
        left_out: The end of each entry that does not.
    """

    def __init__(self, room: int = 0, claim: Callable[[str], Claim] = lambda _: Claim()) -> None:
        self.room = room
        self.admitted: dict[str, int] = {}
        self.left_out: dict[str, int] = {}
        self._claim = claim
        self._changed: set[str] = set()
        self._division: Division | None = None
        self._next: Division | None = None  # the one that is being made
        self._left: dict[str, None] = {}  # who is not in it yet

    @property
    def is_dividing(self) -> bool:
        """Whether `advance` has something to do; until then those who came first stay, and no others come."""
        return self._next is not None

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
        if self._division is None and self._next is None and not self.left_out:
            self.admitted[entry] = until_ms
            if len(self.admitted) > self.room:
                self._changed.add(entry)
                self._divide()
            return
        where = self.admitted if entry in self.admitted else self.left_out
        if where.get(entry) != until_ms:
            where[entry] = until_ms
            if self._division is not None:
                self._division.put(entry, self._ranked(entry, until_ms))
                self._follow()
            if self._next is not None:
                self._left[entry] = None
                self._fill_up()

    def fill(self, ends_ms: dict[str, int]) -> bool:
        """Take all of these as wanted at once, in a tenth of the time, if nothing was before; tell whether."""
        if self.admitted or self.left_out:
            return False
        self.admitted = dict(ends_ms)
        if len(self.admitted) > self.room:
            self._divide()
        return True

    def drop(self, entry: str) -> None:
        """Take *entry* as no longer wanted."""
        if self.admitted.pop(entry, None) is None and self.left_out.pop(entry, None) is None:
            return
        if self._division is not None:
            self._division.drop(entry)
            self._follow()
        if self._next is not None:
            self._left.pop(entry, None)
            self._next.discard(entry)
            self._fill_up()

    def resize(self, room: int) -> None:
        """Take it that so many entries fit."""
        if room == self.room:
            return
        self.room = room
        # Each share is another one; that is seldom: a set came or went, or somebody else put entries into one.
        if self._division or self._next or len(self.admitted) > room:
            self._divide()

    def advance(self) -> None:
        """Go on dividing, as far as one go may take."""
        division = self._next
        if division is None:
            return
        for entry in list(islice(self._left, PART)):
            del self._left[entry]
            until_ms = self.admitted[entry] if entry in self.admitted else self.left_out[entry]
            division.put(entry, self._ranked(entry, until_ms))
        if not self._left:
            division.take_touched()
            self._use(division)

    def _ranked(self, entry: str, until_ms: int) -> Ranked:
        return Ranked.of(entry, until_ms, self._claim(entry))

    def _divide(self) -> None:
        """Divide the room among all anew; of very many, a part in each go."""
        self._division = self._next = None
        wanted = {**self.admitted, **self.left_out}
        if len(wanted) <= AT_ONCE or len(wanted) <= self.room:
            ranked = {entry: self._ranked(entry, until_ms) for entry, until_ms in wanted.items()}
            self._use(Division(self.room, ranked))
            return
        self._next = Division(self.room, {})
        self._left = dict.fromkeys(wanted)
        self._fill_up()

    def _fill_up(self) -> None:
        """While it is being divided, keep within the room: who came first stays."""
        room = max(0, self.room)
        while len(self.admitted) > room:
            entry, until_ms = self.admitted.popitem()
            self.left_out[entry] = until_ms
            self._changed.add(entry)
        while self.left_out and len(self.admitted) < room:
            entry, until_ms = self.left_out.popitem()
            self.admitted[entry] = until_ms
            self._changed.add(entry)

    def _use(self, division: Division) -> None:
        self._division, self._next = division, None
        wanted = {**self.admitted, **self.left_out}
        out_before, self.admitted, self.left_out = self.left_out, {}, {}
        for entry, until_ms in wanted.items():
            is_in = division.is_in(entry)
            (self.admitted if is_in else self.left_out)[entry] = until_ms
            if is_in is (entry in out_before):
                self._changed.add(entry)

    def _follow(self) -> None:
        """Move between admitted and left out whoever came to the other side."""
        division = self._division
        if division is None:
            return
        for entry in division.take_touched():
            to, back = (self.left_out, self.admitted)
            if division.is_in(entry):
                to, back = back, to
            if entry in back:
                to[entry] = back.pop(entry)
                self._changed.add(entry)
        if len(self.admitted) + len(self.left_out) < _DIVIDED_FROM * self.room:
            self._division = None
