"""All bans that the log tells of, in so little memory that one worker may hold hundreds of thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import Change, is_newer, is_remembered
from f2b_worker.domain.judge.compact import CompactTable
from f2b_worker.domain.judge.packed import Packing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.judge.verdicts import OffenderId

_NUMBER_BYTES = 7


class PackedBans:
    """What a scribe knows: of each offender the newest change, as `Bans` does, and under which number it was told.

    Attributes:
        last_number: The greatest of these numbers.
    """

    def __init__(self) -> None:
        self._packed = CompactTable()
        self._packing = Packing()
        self.last_number = 0

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Change]:
        """Go through the newest changes as they are now, whatever is learned meanwhile."""
        return self.above(0)

    def above(self, number: int) -> Iterator[Change]:
        """Go likewise through those that were told under a number above this one."""
        known = iter(self._packed)
        return (self._unpacked(who, packed) for who, packed in known if not number or _number(packed) > number)

    def get(self, who: OffenderId) -> Change | None:
        """Find the newest change of one offender."""
        packed = self._packed.get(who)
        return self._unpacked(who, packed) if packed else None

    def take_in(self, changes: Iterable[Change], number: int) -> None:
        """Learn changes that were told under a number, in any order, and some perhaps again."""
        told = number.to_bytes(_NUMBER_BYTES, "little")
        for change in changes:
            who, ban, revision, lifted_ms = change
            if is_newer(change, self.get(who)):
                self._packed.put(who, told + self._packing.pack(ban, revision, lifted_ms))
                self.last_number = max(number, self.last_number)

    def remembered(self, complete_ms: float) -> Iterator[Change]:
        """Go through all as they are now, but for those that had ended for long; see `Bans.remembered`."""
        everything = iter(self)
        return (change for change in everything if is_remembered(change.ban, complete_ms))

    def forget_ended(self, complete_ms: float) -> None:
        """Forget those that `remembered` leaves out."""
        for change in self:
            if not is_remembered(change.ban, complete_ms):
                self._packed.forget(change.who)

    def _unpacked(self, who: OffenderId, packed: bytes) -> Change:
        return Change(who, *self._packing.unpack(packed[_NUMBER_BYTES:]))


def _number(packed: bytes) -> int:
    return int.from_bytes(packed[:_NUMBER_BYTES], "little")
