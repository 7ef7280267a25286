"""The items of offenders as they were last seen, in so little memory that many are remembered."""

from __future__ import annotations

import marshal
import threading
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.adapters.dynamodb.items import as_offender, version_of
from f2b_worker.domain.judge.recent import Recent
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender

if TYPE_CHECKING:
    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import Clock

KNOWN_MAX = 80_000
"""Offenders whose items are remembered, in about 180 bytes each: who comes again soon is updated, not inserted."""

KNOWN_FOR_S = 86_400.0
"""An item that was collected and made anew counts its versions anew: long before that it is forgotten here."""

_BAN_FIELDS = tuple(name for name in Ban.__slots__ if name != "evidence")
_ban_values = attrgetter(*_BAN_FIELDS)


class Seen(NamedTuple):
    """An offender's item as it was last seen.

    Attributes:
        version: How often it was changed.
        offender: What stands in it, without the evidence of its ban.
        asked_s: When it was asked for, on the clock that never goes back: it is not younger.
    """

    version: int
    offender: Offender
    asked_s: float


class SeenItems:
    """Items as they were last seen; for any number of threads.

    Args:
        clock: Tells how old they are.
        most: So many are remembered; then those go that were seen before the last half of so many.
    """

    def __init__(self, clock: Clock, most: int = KNOWN_MAX) -> None:
        self._clock = clock
        self._recent = Recent(most)
        self._lock = threading.Lock()

    def get(self, who: OffenderId) -> Seen | None:
        """Answer what was seen of *who*; None for a stranger."""
        packed = self._recent.get(who)
        found = _unpacked(packed) if packed else None
        if found is None or self._clock.monotonic_s() - found.asked_s > KNOWN_FOR_S:
            return None
        return found

    def learn(self, who: OffenderId, item: Item, asked_s: float) -> Offender:
        """Remember an item that was asked for at *asked_s*, and read it."""
        offender = as_offender(item)
        self.keep(who, Seen(version_of(item), offender, asked_s))
        return offender

    def keep(self, who: OffenderId, seen: Seen) -> None:
        """Remember an offender; one without a version is a stranger."""
        if not seen.version:
            self.forget(who)
            return
        packed = _packed(seen)
        with self._lock:
            self._recent.put(who, packed)

    def forget(self, who: OffenderId) -> None:
        """Take *who* for a stranger."""
        with self._lock:
            self._recent.forget(who)


def _packed(seen: Seen) -> bytes:
    version, offender, asked_s = seen
    ban = _ban_values(offender.ban) if offender.ban else None
    hits = [part for hit in offender.hits for part in hit]
    # Within one process, so nothing depends on its format. The first version has no table of references.
    return marshal.dumps((version, asked_s, offender.revision, offender.lifted_ms, ban, *hits), 1)


def _unpacked(packed: bytes) -> Seen:
    parts: tuple[Any, ...] = marshal.loads(packed)  # noqa: S302 - this process wrote it
    version, asked_s, revision, lifted_ms, values, *hits = parts
    ban = Ban(**dict(zip(_BAN_FIELDS, values, strict=True))) if values else None
    each = iter(hits)
    return Seen(version, Offender(frozenset(map(Hit, each, each, each)), ban, revision, lifted_ms), asked_s)
