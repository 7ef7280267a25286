"""Banned ranges that hold somebody who is allowed are written as the pieces around him, and joined again later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.domain.networks import Networks


@dataclass(slots=True)
class _Range:
    until_ms: int
    pieces: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()

    @property
    def entries(self) -> tuple[str, ...]:
        return (*self.pieces, *self.leaving)


class Parting:
    """The parted ranges of one blocklist, as the entries that its IP sets should hold.

    An entry may be a piece of several ranges, and be banned itself: it is wanted until the last of these ends.
    Where a range is parted otherwise than before, or joined, the earlier pieces stay until those after them, or
    the range itself, are held: nobody in it is let through in between. A piece that hits somebody who is allowed
    does not wait for that.

    Args:
        allowed: The allowlist.
        end_ms: Tells until when an entry is wanted by whoever does not part it.
        is_settled: Tells whether an entry is held, or will not be.
    """

    def __init__(
        self, allowed: Networks, *, end_ms: Callable[[str], int | None], is_settled: Callable[[str], bool]
    ) -> None:
        self.allowed = allowed
        self._end_ms = end_ms
        self._is_settled = is_settled
        self._ranges: dict[str, _Range] = {}
        self._owners: dict[str, set[str]] = {}
        # The end of what is a piece and is wanted as itself; None if it is not.
        self._own_ms: dict[str, int | None] = {}
        self._changed: dict[str, None] = {}

    def knows(self, key: str) -> bool:
        """Tell whether a range is parted, or was and is not joined yet."""
        return key in self._ranges

    def is_piece(self, entry: str) -> bool:
        """Tell whether *entry* is wanted on behalf of a range around it."""
        return entry in self._owners

    def owner_of(self, entry: str) -> str | None:
        """Name a range on behalf of which *entry* is wanted; None for none."""
        return min(self._owners.get(entry, ()), default=None)

    def put(self, key: str, until_ms: int, pieces: tuple[str, ...]) -> None:
        """Want the pieces of *key* until then; without pieces it is wanted as itself, by whoever says so."""
        found = self._ranges.get(key)
        if found is None:
            if not pieces:
                return
            found = self._ranges[key] = _Range(until_ms)
        before = found.entries
        found.until_ms = until_ms
        if pieces != found.pieces:
            found.leaving = tuple(each for each in before if each not in pieces)
        found.pieces = pieces
        found.leaving = tuple(each for each in found.leaving if not self.allowed.touches(each))
        self._show(key, before, found.entries)

    def drop(self, key: str) -> None:
        """Want nothing of *key* any longer."""
        found = self._ranges.pop(key, None)
        if found:
            self._show(key, found.entries, ())

    def until(self, entry: str, until_ms: int | None) -> int | None:
        """Tell until when an entry is wanted that is wanted as itself until *until_ms*; None: no longer."""
        if entry not in self._own_ms:
            return until_ms
        self._own_ms[entry] = until_ms
        return self._latest_ms(entry)

    def settle(self) -> None:
        """Let earlier pieces go whose successors are held."""
        for key, found in list(self._ranges.items()):
            successors = found.pieces or (key,)
            if (found.leaving or not found.pieces) and all(map(self._is_settled, successors)):
                before, found.leaving = found.entries, ()
                self._show(key, before, found.pieces)
                if not found.pieces:
                    del self._ranges[key]

    def take_changes(self) -> dict[str, int | None]:
        """Take the entries whose end may have changed since this was last asked; None: no longer wanted."""
        changed, self._changed = self._changed, {}
        ends_ms = {entry: self._latest_ms(entry) for entry in changed}
        for entry in changed:
            if entry not in self._owners:
                del self._own_ms[entry]
        return ends_ms

    def _show(self, key: str, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        for entry in after:
            if entry not in self._own_ms:
                self._own_ms[entry] = self._end_ms(entry)
            self._owners.setdefault(entry, set()).add(key)
        for entry in {*before}.difference(after):
            owners = self._owners[entry]
            owners.discard(key)
            if not owners:
                del self._owners[entry]
        self._changed.update(dict.fromkeys((*before, *after)))

    def _latest_ms(self, entry: str) -> int | None:
        ends_ms = [self._ranges[key].until_ms for key in self._owners.get(entry, ())]
        own_ms = self._own_ms[entry]
        return max(ends_ms if own_ms is None else [*ends_ms, own_ms], default=None)
