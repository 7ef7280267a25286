"""The way of an entry into a group: as itself, or, while the sets are full, in the crowded network around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.plan.crowding import EASED_AT, LEAVING_MS, Crowding

if TYPE_CHECKING:
    from f2b_worker.domain.plan.group import Group


class Relief:
    """Relieves one group while it has not room for all; before that it costs nothing.

    Args:
        group: The group, which nobody else tells what is wanted.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._crowding: Crowding | None = None

    def end_ms(self, entry: str) -> int | None:
        """Tell until when *entry* is wanted, in whatever form it is written."""
        return self._group.end_ms(entry) if self._crowding is None else self._crowding.end_ms(entry)

    def holds(self, entry: str) -> bool:
        """Tell whether a set holds *entry*, or the network that stands for it."""
        return self._group.holds(entry) or bool(self._crowding and self._crowding.covers(entry))

    def keeps(self, entry: str) -> bool:
        """Tell whether a set holds *entry*, or the network that stands for it, and that is ours."""
        network = self._crowding and self._crowding.network(entry)
        return self._group.keeps(entry) or bool(network and self._group.keeps(network))

    def is_settled(self, entry: str) -> bool:
        """Tell whether nothing more happens for a wanted entry, in whatever form it is written."""
        network = self._crowding and self._crowding.network(entry)
        return self._group.is_settled(entry) or bool(network and self._group.is_settled(network))

    @property
    def networks(self) -> int:
        """How many networks are written on behalf of those in them, since the sets are full."""
        return len(self._crowding.networks) if self._crowding else 0

    def is_network(self, entry: str) -> bool:
        """Tell whether *entry* is written on behalf of those in it."""
        return bool(self._crowding and self._crowding.is_network(entry))

    def is_leaving(self, entry: str) -> bool:
        """Tell whether *entry* only stays until another one is held."""
        return bool(self._crowding and self._crowding.is_leaving(entry))

    def is_hidden(self, entry: str) -> bool:
        """Tell whether *entry* is wanted, and a network stands for it."""
        return bool(self._crowding and self._crowding.is_hidden(entry))

    def newest_in(self, entry: str) -> str | None:
        """Name the entry that came last of those for which this network stands; None if it is none."""
        return self._crowding.newest_in(entry) if self._crowding else None

    def start(self, ends_ms: dict[str, int], now_s: float) -> None:
        """Want all of these before any set was read."""
        if len(ends_ms) > self._group.room > 0:
            crowding = self._open(ends_ms)
            crowding.relieve(self._group.room)
            crowding.take_changes()
            ends_ms = crowding.written()
        self._group.start(ends_ms, now_s)

    def place(self, entry: str, until_ms: int | None, now_s: float) -> None:
        """Want *entry* until then; None: no longer."""
        if self._crowding is None:
            self._place(entry, until_ms, now_s)
        elif until_ms is None:
            self._crowding.drop(entry)
        else:
            self._crowding.put(entry, until_ms)

    def settle(self, now_s: float) -> None:
        """Go on with what collapses or parts; begin, or end, with whether there is room for all."""
        group = self._group
        # Where there is no set at all, larger entries find no room either.
        if self._crowding is None and (not group.left_out or group.room <= 0):
            return
        crowding = self._crowding or self._open(group.wanted)
        room = group.room + group.roomless
        crowding.relieve(room)
        crowding.settle()
        self._pass_on(crowding, now_s)
        if group.is_dividing:
            group.advance(now_s)
        if crowding.is_idle and crowding.number <= EASED_AT * room:
            self._crowding, group.ahead = None, ()

    def reconsider(self, now_s: float) -> None:
        """Find out anew which networks must not be written."""
        if self._crowding:
            self._crowding.reconsider()
            self._pass_on(self._crowding, now_s)

    def _open(self, ends_ms: dict[str, int]) -> Crowding:
        group = self._group
        crowding = self._crowding = Crowding(
            group.family, holds=group.holds, is_settled=group.is_settled, is_spared=group.must_spare
        )
        crowding.fill(ends_ms)
        group.ahead = crowding.networks
        return crowding

    def _pass_on(self, crowding: Crowding, now_s: float) -> None:
        changes = crowding.take_changes()
        # What makes room goes first: else whoever waits would lose the place for a moment, and its turn.
        for entry in [entry for entry, until_ms in changes.items() if until_ms is None or until_ms == LEAVING_MS]:
            self._place(entry, changes.pop(entry), now_s)
        for entry, until_ms in changes.items():
            self._place(entry, until_ms, now_s)

    def _place(self, entry: str, until_ms: int | None, now_s: float) -> None:
        if until_ms is not None:
            self._group.want(entry, until_ms, now_s)
        # What came and went while its network was held was never wanted by itself.
        elif self._group.end_ms(entry) is not None:
            self._group.unwant(entry, now_s)
