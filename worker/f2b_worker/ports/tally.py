"""Where the numbers over time are kept, and whoever hears all changes of bans to count them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from f2b_worker.domain.ban_log.events import Changed
    from f2b_worker.domain.tally import BanSheets, Noted, Sheet


class TallyReader(Protocol):
    """The numbers over time, for whoever only looks; several threads at once."""

    def bans(self) -> BanSheets | None:
        """Read strongly what was counted of bans; None if nobody ever did, or it cannot be read."""
        ...

    def read(self, first_ms: int, last_ms: int) -> Sequence[Noted]:
        """Read what was noted of the hours from one moment's to another's; what cannot be read is left out."""
        ...


class Tally(TallyReader, Protocol):
    """The numbers over time; several threads at once."""

    def note(self, name: str, sheet: Sheet) -> None:
        """Store what one process counted in one hour, in the place of what it stored of that hour before."""
        ...

    def note_bans(self, counted: BanSheets) -> bool:
        """Store what was counted of bans, if what is there is what it goes on from: one version less.

        Returns:
            False if somebody else stored something meanwhile.
        """
        ...


class BanListener(Protocol):
    """Who hears each change of a ban in the order of the log; it keeps its own failures to itself."""

    def begin(self, epoch: str, number: int, bans: Callable[[], Iterable[tuple[int, Changed]]]) -> None:
        """Begin with all bans, as the log had them at a number.

        Args:
            epoch: Of which log.
            number: All changes up to it are in what *bans* says.
            bans: Goes through the last bans as they are known when it is called. The number with each is that
                of its last change, or a later one.
        """
        ...

    def hear(self, number: int, changes: Iterable[Changed]) -> None:
        """Hear all changes up to a number, from the last one that was told."""
        ...

    def settle(self) -> None:
        """Store what was heard: whoever begins after this may not be told of it one by one."""
        ...


class Deaf:
    """Nobody who hears."""

    def begin(self, epoch: str, number: int, bans: Callable[[], Iterable[tuple[int, Changed]]]) -> None:
        """Hear nothing."""

    def hear(self, number: int, changes: Iterable[Changed]) -> None:
        """Hear nothing."""

    def settle(self) -> None:
        """Store nothing."""
