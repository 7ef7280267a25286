"""Writing to the ban log: a number is taken, and changes are put under it, once."""

from __future__ import annotations

import secrets
import threading
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.ban_log.counter import EpochChanged
from f2b_worker.adapters.dynamodb.ban_log.items import Entry
from f2b_worker.adapters.dynamodb.ban_log.packing import pack
from f2b_worker.adapters.dynamodb.patience import patiently
from f2b_worker.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.ports import Clock

T = TypeVar("T")

CHANGES_MAX = 4_000
"""So many changes are 64 KB."""

READ_S = 60.0
"""A state that was read so long ago is not written as it was: its successor may be forgotten by then."""

NUMBER_S = 60.0
"""A number that was asked for so long ago is not used, so that no entry comes after its void has expired."""

PAUSES_S = (0.05, 0.1, 0.2)
"""Between the tries of one append; then whoever wants it tries again later, with what the bans are then."""

_NUMBERS_MAX = 20  # one is refused where the scribe was quicker; so many in a row are somebody's mistake


class BanLogWriter:
    """Appends changes; one thread at a time.

    Args:
        items: The log.
        clock: Tells how old a number and what is to be said are.
        stop: Ends a pause between two tries.

    Attributes:
        epoch: Of the log in which it last took a number; empty if it took none.
    """

    def __init__(self, items: BanLogItems, clock: Clock, stop: threading.Event | None = None) -> None:
        self._items = items
        self._clock = clock
        self._stop = stop or threading.Event()
        self.epoch = ""

    def append(self, changes: Sequence[Change], *, read_s: float) -> bool:
        """Write changes, so that every reader learns of them; they are in the log once this answers.

        Args:
            changes: Whole bans, as the ledger answered them.
            read_s: When the ledger was asked for the oldest of them, on the clock that never goes back.

        Returns:
            Whether they were written. If not, they were read too long ago: read them again.

        Raises:
            F2bError: If DynamoDB did not take them; some or all of them may be written nevertheless.
        """
        return all(self._append(pack(batch), read_s) for batch in batches(changes, CHANGES_MAX))

    def _append(self, content: bytes, read_s: float) -> bool:
        entry = Entry(secrets.token_hex(8), content)
        for _ in range(_NUMBERS_MAX):
            # Counted from before the question: this process may sleep between the answer and the look at it.
            asked_s = self._clock.monotonic_s()
            place = self._retried(self._reserve)
            put = partial(self._put, place, entry, asked_s=asked_s, read_s=read_s)
            is_written = self._retried(put)
            if is_written is not None:
                return is_written
        raise Unavailable(f"the ban log refused {_NUMBERS_MAX} numbers in a row")

    def _reserve(self) -> int:
        self.epoch = self.epoch or self._items.top().epoch
        try:
            return self._items.reserve(self.epoch)
        except EpochChanged as changed:
            self.epoch = changed.epoch
            raise Unavailable("logging bans: the ban log was begun anew") from changed

    def _put(self, place: int, entry: Entry, *, asked_s: float, read_s: float) -> bool | None:
        """Write an entry; False if what it says is too old, None if its number is, or is somebody else's."""
        now_s = self._clock.monotonic_s()
        if now_s - read_s > READ_S:
            return False
        if now_s - asked_s > NUMBER_S:
            return None
        there = self._items.put(self.epoch, place, entry)
        # What is there may be this very entry, of which the answer was lost.
        return True if there is None or there == entry.id else None

    def _retried(self, call: Callable[[], T]) -> T:
        return patiently(call, self._clock, self._stop, PAUSES_S)
