"""Entries that were refused together with a bad one: many bad ones must cost the good ones little."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_AS_IF_REFUSED = 2


class Suspects:
    """Whose update was refused how often: WAF names one bad entry of an update and refuses all of it.

    Attributes:
        times: How often each entry was in such an update.
    """

    def __init__(self) -> None:
        self.times: dict[str, int] = {}
        self._refusals = 0

    def are_all(self, waiting: Collection[str]) -> bool:
        """Tell whether all that waits was refused together with a bad entry."""
        return bool(waiting) and all(entry in self.times for entry in waiting) if self.times else False

    def refused(self, entries: Iterable[str]) -> None:
        """Take it that an update was refused because of one of *entries*."""
        for entry in entries:
            self.times[entry] = self.times.get(entry, 0) + 1
        self._refusals += 1

    def took_all(self) -> None:
        """Take it that an update went through: what was refused before was not in it."""
        self._refusals = 0

    def clear(self, entry: str) -> None:
        """Suspect *entry* no longer."""
        self.times.pop(entry, None)

    def try_again(self, entry: str) -> None:
        """Have an entry tried when nothing else waits, so that another refusal costs nobody anything."""
        self.times[entry] = self._refusals = _AS_IF_REFUSED

    def first_of(self, waiting: Collection[str]) -> Iterable[str]:
        """Choose what may be written now, the longest waiting first.

        Who was refused least often goes first, and by halves when that happens again.
        """
        if not self.times or not waiting:
            return waiting
        least = min(self.times.get(entry, 0) for entry in waiting)
        first = [entry for entry in waiting if self.times.get(entry, 0) == least]
        return first if self._refusals < _AS_IF_REFUSED or not least else first[: (len(first) + 1) // 2]
