"""How far a reader of the ban log has come: the number up to which nothing is missing, and what it knows above."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Asked(NamedTuple):
    """When the counter was asked for, and what it said: whatever was logged before has no greater number."""

    at_s: float
    top: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the ban log; it holds no time but its own reader's.

    Attributes:
        epoch: Of which log: after a repair there is another one.
        number: Every number up to it was read, or stands in a snapshot that was.
        seen: The numbers above it that were read.
        missing_since_s: The numbers that should be there and are not, and since when this reader misses each.
        asked: What the counter said, as far as the reader has not come yet.
        complete_s: Everything that was logged before this moment is known.
    """

    epoch: str
    number: int
    seen: frozenset[int] = frozenset()
    missing_since_s: Mapping[int, float] = field(default_factory=dict)
    asked: tuple[Asked, ...] = ()
    complete_s: float = float("-inf")

    @property
    def top(self) -> int:
        """The greatest number that is known to be given away."""
        return self.asked[-1].top if self.asked else max(self.seen, default=self.number)

    def ask(self, top: int, at_s: float) -> Cursor:
        """Take it that the counter said *top* when it was asked at *at_s*; a stale answer says too little."""
        known = Asked(at_s, max(top, self.top))
        before = self.asked[:-1] if self.asked and self.asked[-1].top == known.top else self.asked
        return replace(self, asked=(*before, known)).settled()

    def wanted(self, above: int = 0) -> Iterator[int]:
        """Go through the numbers above one that were not read yet, the oldest first."""
        first = max(self.number, above) + 1
        return (number for number in range(first, self.top + 1) if number not in self.seen)

    def take(self, found: Iterable[int], absent: Iterable[int], at_s: float) -> Cursor:
        """Take it that these numbers were read, and that others are not there."""
        seen = self.seen.union(found)
        number = self.number
        while number + 1 in seen:
            number += 1
        still = self.missing_since_s
        missing = {each: still.get(each, at_s) for each in {*still, *absent} if each > number and each not in seen}
        seen = frozenset(each for each in seen if each > number)
        return replace(self, number=number, seen=seen, missing_since_s=missing).settled()

    def jump(self, number: int) -> Cursor:
        """Go on from a snapshot of everything up to *number*."""
        return replace(self, number=max(number, self.number)).take((), (), 0.0)

    def missed_for(self, seconds: float, now_s: float) -> list[int]:
        """Tell which numbers have been missing for so long, the oldest first."""
        return sorted(each for each, since_s in self.missing_since_s.items() if now_s - since_s >= seconds)

    def complete_ms(self, *, now_ms: int, now_s: float) -> float:
        """Tell up to which time of the day everything is known that was logged, by what both clocks show now."""
        return now_ms - 1000 * (now_s - self.complete_s)

    def settled(self) -> Cursor:
        """Take it that everything is known that was logged before it was asked for what the cursor has reached."""
        reached = [each for each in self.asked if each.top <= self.number]
        if not reached:
            return self
        return replace(self, asked=self.asked[len(reached) :], complete_s=reached[-1].at_s)
