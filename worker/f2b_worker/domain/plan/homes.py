"""Which sets of a group hold an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.plan.set_state import SetState


class Homes:
    """The ids of the sets that hold each entry: of nearly all one, and that is one object for all of them.

    Args:
        sets: The sets by their id, as whoever else changes them knows them.

    Attributes:
        of: By entry; what no set holds is not there.
    """

    def __init__(self, sets: Mapping[str, SetState]) -> None:
        self.of: dict[str, tuple[str, ...]] = {}
        self._sets = sets

    def add(self, entry: str, kept: SetState) -> None:
        """Take it that a set holds *entry* now."""
        homes = self.of.get(entry)
        if homes is None:
            self.of[entry] = kept.alone
        elif kept.id not in homes:
            self.of[entry] = (*homes, kept.id)

    def leave(self, entry: str, set_id: str) -> bool:
        """Take it that a set holds *entry* no longer; tell whether another one does."""
        homes = tuple(home for home in self.of.get(entry, ()) if home != set_id)
        if homes:
            self.of[entry] = self._sets[homes[0]].alone if len(homes) == 1 else homes
            return True
        self.of.pop(entry, None)
        return False

    def is_foreign(self, entry: str) -> bool:
        """Tell whether somebody else put *entry* into one of the sets, and it stays there."""
        for home in self.of.get(entry, ()):  # noqa: SIM110 - twice an entry, and `any` takes three times as long
            if entry in self._sets[home].foreign:
                return True
        return False

    def is_elsewhere(self, entry: str, set_id: str, usable: AbstractSet[str]) -> bool:
        """Tell whether a set of *usable* other than that one holds *entry*."""
        return any(home != set_id and home in usable for home in self.of.get(entry, ()))

    def fullest(self, homes: tuple[str, ...]) -> str:
        """Choose the set that holds most."""
        return homes[0] if len(homes) == 1 else max(homes, key=lambda home: (len(self._sets[home].held), home))
