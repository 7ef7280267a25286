"""All bans that the log tells of, in so little memory that one worker may hold hundreds of thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import Change, is_newer, is_remembered
from f2b_worker.domain.judge.packed import Packing
from f2b_worker.domain.judge.verdicts import OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NONE: dict[str, bytes] = {}
_NUMBER_BYTES = 7  # more would take 16 bytes more a ban, as memory is handed out


class PackedBans:
    """What a scribe knows: of each offender the newest change, as `Bans` does, and under which number it was told.

    Attributes:
        last_number: The greatest of these numbers.
    """

    def __init__(self) -> None:
        # By jail and key: a pair would be one object more for each of them.
        self._packed: dict[str, dict[str, bytes]] = {}
        self._packing = Packing()
        self.last_number = 0

    def __len__(self) -> int:
        return sum(map(len, self._packed.values()))

    def __iter__(self) -> Iterator[Change]:
        """Go through the newest changes as they are now, whatever is learned meanwhile."""
        return self.above(0)

    def above(self, number: int) -> Iterator[Change]:
        """Go likewise through those that were told under a number above this one."""
        known = {
            jail: {key: packed for key, packed in of_jail.items() if not number or _number(packed) > number}
            for jail, of_jail in self._packed.items()
        }
        return (
            self._unpacked(OffenderId(jail, key), packed)
            for jail, of_jail in known.items()
            for key, packed in of_jail.items()
        )

    def numbered(self) -> Iterator[tuple[int, Change]]:
        """Go likewise through all, each with the number under which it was told."""
        known = [
            (OffenderId(jail, key), packed)
            for jail, of_jail in self._packed.items()
            for key, packed in of_jail.items()
        ]
        return ((_number(packed), self._unpacked(who, packed)) for who, packed in known)

    def get(self, who: OffenderId) -> Change | None:
        """Find the newest change of one offender."""
        packed = self._packed.get(who.jail, _NONE).get(who.key)
        return self._unpacked(who, packed) if packed else None

    def take_in(self, changes: Iterable[Change], number: int) -> None:
        """Learn changes that were told under a number, in any order, and some perhaps again."""
        for change in changes:
            who, ban, revision, lifted_ms = change
            if is_newer(change, self.get(who)):
                packed = self._packing.pack(ban, revision, lifted_ms)
                told = number.to_bytes(_NUMBER_BYTES, "little")
                self._packed.setdefault(who.jail, {})[who.key] = told + packed
                self.last_number = max(number, self.last_number)

    def remembered(self, complete_ms: float) -> Iterator[Change]:
        """Go through all as they are now, but for those that had ended for long; see `Bans.remembered`."""
        everything = iter(self)
        return (change for change in everything if is_remembered(change.ban, complete_ms))

    def forget_ended(self, complete_ms: float) -> None:
        """Forget those that `remembered` leaves out."""
        for change in self:
            if not is_remembered(change.ban, complete_ms):
                del self._packed[change.who.jail][change.who.key]

    def _unpacked(self, who: OffenderId, packed: bytes) -> Change:
        return Change(who, *self._packing.unpack(packed[_NUMBER_BYTES:]))


def _number(packed: bytes) -> int:
    return int.from_bytes(packed[:_NUMBER_BYTES], "little")
