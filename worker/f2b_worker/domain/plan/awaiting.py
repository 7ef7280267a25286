"""Bans that were heard of and are in no IP set yet: how long they take is measured."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

AWAITED_MAX = 20_000
"""So many are remembered, about 200 bytes each. Of more the latest half: an update writes 10,000 at most."""


class Awaited(NamedTuple):
    """One ban that is to be enforced.

    Attributes:
        heard_ms: When the news was asked for that had it.
        reported_ms: When the infraction was that was one too many; None for a ban that nobody's infraction began.
    """

    heard_ms: int
    reported_ms: int | None


class Awaiting:
    """The bans that are new for this enforcer, by key, until an IP set is said to hold them.

    Args:
        most: So many are remembered.
    """

    def __init__(self, most: int = AWAITED_MAX) -> None:
        self._most = most
        self._bans: dict[str, Awaited] = {}

    def __len__(self) -> int:
        return len(self._bans)

    def note(self, key: str, ban: Awaited) -> None:
        """Take note of a ban; of one of the same key, that still waits, the time goes on."""
        if self._bans.setdefault(key, ban) is ban and len(self._bans) > self._most:
            # Half of them at once: a dictionary looks for its first key behind all that were taken out.
            self._bans = dict(islice(self._bans.items(), self._most // 2, None))

    def forget(self, key: str) -> None:
        """Wait no longer for a key: no ban of it runs any more."""
        if self._bans:
            self._bans.pop(key, None)

    def clear(self) -> None:
        """Wait for nothing."""
        self._bans.clear()

    def take(self, keys: Iterable[str]) -> list[Awaited]:
        """Take the bans of those that are in an IP set now."""
        if not self._bans:
            return []
        found = (self._bans.pop(key, None) for key in keys)
        return [ban for ban in found if ban]
