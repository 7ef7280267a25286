"""How the IP sets are, read from WAF now and then where no enforcer notes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.errors import F2bError
from f2b_worker.query.places import Places, look_into, open_ip_sets, placed
from f2b_worker.query.status import Filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.ports import Clock, Notes

READ_EVERY_S = 60.0
"""WAF answers five reads a second, of everybody together: the enforcer needs them more."""


class RememberedSets:
    """Remembers what WAF said for a minute, and that it said nothing, too; one thread at a time.

    Args:
        clock: The time.

    Attributes:
        seen_ms: When it was so; None if WAF was not asked, or did not say.
        problem: Why it did not, in one line.
    """

    def __init__(self, clock: Clock) -> None:
        self.seen_ms: int | None = None
        self.problem: str | None = None
        self._clock = clock
        self._read_s = float("-inf")
        self._blocklists: Sequence[Blocklist] = ()
        self._places = Places()

    def filled(self, blocklists: Sequence[Blocklist]) -> Iterator[Filled]:
        """Tell how full the IP sets of the blocklists are."""
        self._read(blocklists)
        for name, each, entries in self._places.sets:
            yield Filled(each.name, name, each.family, len(entries), self.seen_ms or 0)

    def places(self, blocklists: Sequence[Blocklist], notes: Mapping[str, Notes]) -> Places | None:
        """Tell what the IP sets of the blocklists hold, with what else was noted; None if nobody knows."""
        self._read(blocklists)
        return placed(self._places.sets, blocklists, notes) if self.seen_ms is not None else None

    def _read(self, blocklists: Sequence[Blocklist]) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._read_s < READ_EVERY_S and blocklists == self._blocklists:
            return
        self._read_s, self._blocklists = now_s, blocklists
        self._places, self.seen_ms, self.problem = Places(), None, None
        try:
            self._places = look_into(open_ip_sets(blocklists), blocklists, {})
        except F2bError as error:
            self.problem = f"the IP sets cannot be looked into: {error}"
        else:
            self.seen_ms = self._clock.now_ms() if blocklists else None
