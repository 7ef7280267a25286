"""Making log and snapshot anew from the states, while workers work.

A new log first: from then on nobody is given a number of the one before. What was logged there was stored before
its number was taken, so the states have it, and what is logged from now on is in the new log. Hence the states,
read now, are the base of the new log. An act changes state and log at once and may be late: what nobody has
written of the log before is voided before the states are read, so who comes later is refused, and logs anew.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.ban_log.counter import EpochChanged
from f2b_worker.adapters.dynamodb.ban_log.items import READ_MAX, Entry
from f2b_worker.adapters.dynamodb.ban_log.packing import pack
from f2b_worker.adapters.dynamodb.ban_log.parts import Draft
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Snapshot
from f2b_worker.adapters.dynamodb.patience import patiently
from f2b_worker.adapters.dynamodb.states import PAUSES_S
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.errors import Permanent, Rejected, Unavailable, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.adapters.dynamodb.ban_log.counter import Top
    from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
    from f2b_worker.adapters.dynamodb.states import Found, States
    from f2b_worker.ports import Clock

T = TypeVar("T")

SETTLE_S = 5.0
"""So long the states are left alone: what an act changes at once is seen a moment one after the other."""

CLOSED_MAX = 20_000
"""So many of the last numbers are looked at: those of six minutes, in which one may be late, at 50 a second."""

_PUBLISHED_IN = 10  # tries; a scribe of the log before may be as quick a few times


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done.

    Attributes:
        epoch: Of the new log.
        bans: How many bans stand in its snapshot, those that cannot be read left out.
        states: How many states there are.
        unreadable: How many of them cannot be read: nobody lifts their bans.
    """

    epoch: str
    bans: int
    states: int
    unreadable: int


class Repair:
    """Makes log and snapshot of one table anew, once.

    Args:
        items: The log.
        states: What it is made from.
        clock: Paces it, and tells which bans ended long ago.
        stop: Ends pauses.

    Attributes:
        is_open: Whether there is, or may be, a new log that has no snapshot yet, and nobody else makes one.
    """

    def __init__(
        self, items: BanLogItems, states: States, clock: Clock, stop: threading.Event | None = None
    ) -> None:
        assert items.is_strong
        self.is_open = False
        self._items = items
        self._states = states
        self._clock = clock
        self._stop = stop or threading.Event()

    def run(self, told: Callable[[int], object] = lambda _: None) -> Repaired:
        """Make them; while `is_open`, followers know what they knew, and learn nothing.

        Args:
            told: Is told of how many more items were read.

        Raises:
            Rejected: If somebody else repairs, too.
            F2bError: If DynamoDB does not let it, or does not answer for a while.
        """
        epoch = secrets.token_hex(4)
        self._see_that_all_is_allowed(epoch)
        complete_ms = self._clock.now_ms()
        before = self._begin(epoch)
        if before:
            self._close(before)
        self._clock.wait(self._stop, SETTLE_S)
        found = self._states.read(complete_ms, told)
        self._publish(self._snapshot(epoch, found))
        self.is_open = False
        return Repaired(epoch, len(found.changes) - _unreadable_in(found), found.states, found.unreadable)

    def _see_that_all_is_allowed(self, epoch: str) -> None:
        """Call once whatever is called later: half a repair would be worse than none."""
        self._states.look()
        self._items.read(epoch, [1])
        self._items.put_part(epoch, 0, pack(()))

    def _begin(self, epoch: str) -> Top | None:
        try:
            before = self._retried(lambda: self._items.begin_anew(epoch))
            self.is_open = True
        except EpochChanged as changed:
            raise Rejected("another repair began at the same moment, and does the work") from changed
        except Permanent:
            raise
        except BaseException:
            self.is_open = True  # nobody knows: a request without an answer may have been carried out
            raise
        return before

    def _close(self, before: Top) -> None:
        """Void what nobody has written of the log before."""
        after = max(self._known_upto(before.epoch), before.number - CLOSED_MAX)
        for batch in batches(range(after + 1, before.number + 1), READ_MAX):
            found = self._retried(lambda batch=batch: self._items.read(before.epoch, batch))  # type: ignore[misc]
            for place in [each for each in batch if each not in found]:
                self._retried(lambda place=place: self._items.put(before.epoch, place, Entry()))  # type: ignore[misc]

    def _known_upto(self, epoch: str) -> int:
        try:
            snapshot = self._retried(self._items.snapshot)
        except Unreadable:
            return 0
        return snapshot.upto if snapshot and snapshot.epoch == epoch else 0

    def _snapshot(self, epoch: str, found: Found) -> Snapshot:
        # Readers take an item with something unreadable in it row by row: these stand at the end, by themselves.
        changes = sorted(found.changes, key=lambda change: change.ban is UNREADABLE)
        base = Draft(self._items, changes, self._clock, after=0, upto=0)
        while not base.is_done:
            self._retried(base.write_next)
        return Snapshot(epoch, 0, (base.part,), len(changes))

    def _publish(self, snapshot: Snapshot) -> None:
        """Let the pointer name the new snapshot, whatever it names now."""
        for _ in range(_PUBLISHED_IN):
            there = self._retried(self._items.pointer)
            # Asked after the pointer: who began later and has published by now has changed the pointer.
            if self._retried(self._items.top).epoch != snapshot.epoch:
                self.is_open = False
                raise Rejected("another repair began after this one, and does the work")
            if self._retried(lambda there=there: self._items.replace_pointer(snapshot, there)):  # type: ignore[misc]
                return
        raise Unavailable("publishing a snapshot of the bans: others are quicker each time")

    def _retried(self, call: Callable[[], T]) -> T:
        return patiently(call, self._clock, self._stop, PAUSES_S)


def _unreadable_in(found: Found) -> int:
    return sum(change.ban is UNREADABLE for change in found.changes)
