"""Those for whom one network is written, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Members:
    """The entries in a network, for which it is written as one.

    Attributes:
        members: Until when each is wanted, the newest last.
        until_ms: Until when the last of them is: so long the network lasts.
    """

    members: dict[str, int] = field(default_factory=dict)
    until_ms: int = 0
    _last: int = 0  # so many end then

    def put(self, entry: str, until_ms: int) -> None:
        """Take it that *entry* is wanted until then."""
        before = self.members.get(entry)
        self.members[entry] = until_ms
        self._follow(before, until_ms)

    def drop(self, entry: str) -> None:
        """Take it that *entry* is no longer wanted."""
        self._follow(self.members.pop(entry), None)

    def _follow(self, before_ms: int | None, after_ms: int | None) -> None:
        if after_ms is not None and after_ms > self.until_ms:
            self.until_ms, self._last = after_ms, 1
            return
        # All 65,536 of a /48 may be banned for ever, and lifted at once: they are not looked through for each.
        self._last += (after_ms == self.until_ms) - (before_ms == self.until_ms)
        if not self._last:
            ends_ms = list(self.members.values())
            self.until_ms = max(ends_ms, default=0)
            self._last = ends_ms.count(self.until_ms)
