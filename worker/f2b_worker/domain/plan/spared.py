"""Which keys under a ban the allowlist keeps out of the IP sets, as a whole or in part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Iterable

_WHOLE: tuple[str, ...] = ()


class Spared:
    """The keys that touch the allowlist, of those that somebody noted.

    Args:
        allowed: The allowlist.

    Attributes:
        out: Those under a running ban of which nothing may be written.
        parted: Of the others the pieces that may be.
    """

    def __init__(self, allowed: Networks) -> None:
        self.out: set[str] = set()
        self.parted: dict[str, tuple[str, ...]] = {}
        self._allowed = allowed

    def note(self, key: str, *, is_running: bool = True) -> None:
        """Find out how far *key* is spared, whose ban runs, or cannot be read."""
        if self._allowed.touches(key):
            self.forget(key)
            rest = self._allowed.rest_of(key)
            if rest:
                self.parted[key] = rest
            elif is_running:
                self.out.add(key)
        elif self.out or self.parted:
            self.forget(key)

    def forget(self, key: str) -> None:
        """Take it that *key* is under no ban."""
        self.out.discard(key)
        self.parted.pop(key, None)

    def is_out(self, key: str) -> bool:
        """Tell whether nothing of *key* may be written, noted or not."""
        return key not in self.parted and self._allowed.touches(key)

    def pieces_of(self, key: str) -> tuple[str, ...]:
        """Name the pieces of *key* that may be written; none where it may be as a whole, or not at all."""
        return self.parted.get(key, _WHOLE) if self.parted else _WHOLE

    def use(self, allowed: Networks, keys: Iterable[str]) -> list[str]:
        """Use another allowlist; answer those of *keys* for which that may mean something, to be noted anew."""
        differing = Networks({*self._allowed.entries} ^ {*allowed.entries})
        self._allowed = allowed
        return [key for key in keys if differing.touches(key)] if differing.entries else []
