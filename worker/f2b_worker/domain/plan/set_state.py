"""One IP set as the enforcer knows it: what it holds, whose that is, and what has to go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, KeysView


@dataclass(slots=True)
class SetState:
    """One IP set as the enforcer knows it.

    Attributes:
        foreign: What somebody else put there and we leave there.
        doubted: What of that may be ours after all, and since when, on that clock: the ledger is still asked.
        removals: What of ours has to go, and when it is due, on a clock that never goes back.
        hurried: What of that goes with the very next update: somebody waits for it.
        known: Whether it was ever read.
        alone: Its id as the only home of an entry: one object for all of them.
    """

    id: str
    foreign: set[str] = field(default_factory=set)
    doubted: dict[str, float] = field(default_factory=dict)
    removals: dict[str, float] = field(default_factory=dict)
    hurried: set[str] = field(default_factory=set)
    known: bool = False
    alone: tuple[str, ...] = ()
    _held: dict[str, None] = field(default_factory=dict)  # takes 40 % of the memory of a set of texts
    _due_s: float | None = None

    def __post_init__(self) -> None:
        self.alone = (self.id,)

    @property
    def held(self) -> KeysView[str]:
        """What it holds, as it is now; all of it that is not *foreign* is ours."""
        return self._held.keys()

    def put_in(self, entries: Iterable[str]) -> None:
        """Take it that it holds *entries*, too; many at once take less memory than one after the other."""
        # Made of a set, and not of what goes through it, a dictionary would keep room for hashes, too.
        self._held.update(dict.fromkeys(iter(entries)))

    def take_out(self, entry: str) -> None:
        """Take it that *entry* is gone, whoever put it there."""
        self._held.pop(entry, None)
        self.foreign.discard(entry)
        self.doubted.pop(entry, None)
        self.keep(entry)

    @property
    def theirs(self) -> frozenset[str]:
        """What is somebody else's without a doubt."""
        return frozenset(self.foreign.difference(self.doubted))

    @property
    def ours(self) -> int:
        """How many entries of ours stay in it."""
        return len(self.held) - len(self.foreign) - len(self.removals)

    @property
    def due_s(self) -> float | None:
        """When the first removal is due; None without any."""
        if self._due_s is None and self.removals:
            self._due_s = min(self.removals.values())
        return self._due_s

    def remove_at(self, entry: str, due_s: float, *, is_hurried: bool = False) -> None:
        """Have *entry* removed at that time, or sooner if that was said before."""
        # What was promised earlier must not be put off by a ban that ends a second time.
        due_s = min(due_s, self.removals.get(entry, due_s))
        self.removals[entry] = due_s
        if is_hurried:
            self.hurried.add(entry)
        else:
            self.hurried.discard(entry)
        if len(self.removals) == 1 or (self._due_s is not None and due_s < self._due_s):
            self._due_s = due_s

    def keep(self, entry: str) -> None:
        """Have *entry* stay."""
        if self.hurried:
            self.hurried.discard(entry)
        # The first is gone; which is next is looked up when somebody asks, not for each of thousands.
        if self.removals.pop(entry, None) == self._due_s:
            self._due_s = None


class Drift(NamedTuple):
    """What a reading found that nobody here wrote: entries of somebody else's, and bans that are gone."""

    foreign: frozenset[str]
    gone: frozenset[str]
