"""The bans that run, in so little memory that hundreds of thousands do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import BY_HAND, ORDERED

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIME_BITS = 49
_TIME = (1 << _TIME_BITS) - 1
_NONE: dict[str, int] = {}


class Running(NamedTuple):
    """A ban that runs, as the enforcer needs it."""

    start_ms: int
    until_ms: int
    blocklists: tuple[str, ...]
    length_ms: int
    origin: str = ""

    @property
    def attacked_ms(self) -> int:
        """When the last infraction that counts was: the ban ends so long after it, and began with one.

        A ban by hand counts as if somebody attacked all the time.
        """
        if self.origin == BY_HAND:
            return FOREVER_MS
        return max(self.start_ms, self.until_ms - self.length_ms)

    @property
    def is_ordered(self) -> bool:
        """Whether somebody ordered it, and so looked at it."""
        return self.origin in ORDERED


class RunningBans:
    """One number for each ban, by jail and then by key: 48 bytes, where an object with its times takes 128.

    From above, it holds the place of blocklists, length and origin, the start, and the end. Times are from
    -FOREVER_MS to FOREVER_MS, so what is packed counts from -FOREVER_MS.
    """

    def __init__(self) -> None:
        self._packed: dict[str, dict[str, int]] = {}
        # There are few: of all three one number takes no more than of the blocklists alone.
        self._places: dict[tuple[tuple[str, ...], int, str], int] = {}
        self._kinds: list[tuple[tuple[str, ...], int, str]] = []
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __contains__(self, key: str) -> bool:
        """Tell whether a ban of *key* runs in any jail."""
        for bans in self._packed.values():  # noqa: SIM110 - once a ban, and `any` takes three times as long
            if key in bans:
                return True
        return False

    def __iter__(self) -> Iterator[tuple[str, Running]]:
        """Go through all bans, each with its key."""
        for bans in self._packed.values():
            for key, packed in bans.items():
                yield key, self._unpacked(packed)

    def banned(self) -> set[str]:
        """Tell of which keys bans run."""
        return set().union(*self._packed.values())

    def banned_by_jail(self) -> dict[str, set[str]]:
        """Tell the same jail by jail."""
        return {jail: set(bans) for jail, bans in self._packed.items()}

    def number_by_jail(self) -> dict[str, int]:
        """Tell how many bans run in each jail."""
        return {jail: len(bans) for jail, bans in self._packed.items()}

    def get(self, jail: str, key: str) -> Running | None:
        """Find the ban of *key* in a jail."""
        packed = self._packed.get(jail, _NONE).get(key)
        return None if packed is None else self._unpacked(packed)

    def of(self, key: str) -> list[tuple[str, Running]]:
        """Find the bans of *key*, each with its jail."""
        found = []
        for jail, bans in self._packed.items():
            packed = bans.get(key)
            if packed is not None:
                found.append((jail, self._unpacked(packed)))
        return found

    def put(self, jail: str, key: str, ban: Running) -> None:
        """Take in a ban, or a ban as it is now."""
        kind = ban.blocklists, ban.length_ms, ban.origin
        place = self._places.get(kind)
        if place is None:
            place = self._places[kind] = len(self._kinds)
            self._kinds.append(kind)
        bans = self._packed.get(jail)
        if bans is None:
            bans = self._packed[jail] = {}
        self._number += key not in bans
        start, until = ban.start_ms + FOREVER_MS, ban.until_ms + FOREVER_MS
        bans[key] = (place << _TIME_BITS | start) << _TIME_BITS | until

    def pop(self, jail: str, key: str) -> Running | None:
        """Take out a ban, and answer what it was."""
        packed = self._packed.get(jail, _NONE).pop(key, None)
        if packed is None:
            return None
        self._number -= 1
        return self._unpacked(packed)

    def _unpacked(self, packed: int) -> Running:
        start, until = packed >> _TIME_BITS & _TIME, packed & _TIME
        return Running(start - FOREVER_MS, until - FOREVER_MS, *self._kinds[packed >> 2 * _TIME_BITS])
