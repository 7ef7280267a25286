"""Many requests, few sends: what comes within a few milliseconds shares a batch, and each hears its own fate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError, Unavailable
from f2b_worker.shim.packing import Parcel, size_bytes, write_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.infractions import Infraction
    from f2b_worker.shim.outbox import Queue

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LINGER_S = 0.010
SENDS_MAX = 16
ANSWER_WITHIN_S = 1.7  # the client hears of it within two seconds, the way there and back included
BATCH_PARCELS_MAX = 4  # of 64 KiB: a queue may still be limited to 256 KiB a batch
FAILING_FOR_S = 5.0


class BatchingOutbox:
    """An outbox over a queue. One per event loop.

    A batch leaves when everybody who has lately waited at the same time is waiting again, since nobody else is
    to be expected then, and at the latest *linger_s* after its first infraction. So a lone client is not held up,
    a few busy ones share each send, and many cost a send per *linger_s* at most, however many they are.

    Args:
        queue: Where the batches go.
        linger_s: How long the first infraction of a batch waits for others, at most.
        answer_within_s: When it is given up, queueing included.
        sends_max: How many batches are under way at once, at most.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        linger_s: float = LINGER_S,
        answer_within_s: float = ANSWER_WITHIN_S,
        sends_max: int = SENDS_MAX,
    ) -> None:
        self._queue = queue
        self._linger_s = linger_s
        self._answer_within_s = answer_within_s
        self._sends_max = sends_max
        self._open: list[Parcel] = []  # in the order in which they were begun
        self._filling: dict[bool, Parcel] = {}
        self._asking = 0  # how many requests the open parcels hold
        self._crowd = 1  # how many requests have lately waited at the same time
        self._waiting = 0
        self._linger: asyncio.TimerHandle | None = None
        self._soon = False
        self._under_way = 0
        self._sends: set[asyncio.Task[None]] = set()
        self._last_outcome: tuple[float, F2bError | None] | None = None

    async def store(self, infractions: Sequence[Infraction]) -> None:
        """Store infractions; returns only when the queue has all of them.

        Raises:
            F2bError: If some may not have been stored; at the latest after *answer_within_s*.
        """
        loop = asyncio.get_running_loop()
        parcels = self._fill(infractions, loop)
        self._waiting += 1
        self._crowd = max(self._crowd, self._waiting)
        self._asking += 1
        fates = [parcel.join(loop) for parcel in parcels]
        self._leave_when_complete(loop)
        failure: F2bError | None = None
        try:
            for fate in fates:
                failure = await fate or failure
        finally:
            self._waiting -= 1
        if failure is not None:
            # One of its own for each: an exception that thousands raise gathers all of their tracebacks.
            raise type(failure)(str(failure)) from failure

    async def check(self) -> None:
        """Return if the queue has lately taken something, or answers now."""
        if self._last_outcome is not None:
            at_s, failure = self._last_outcome
            if asyncio.get_running_loop().time() - at_s < FAILING_FOR_S:
                if failure is not None:
                    raise Unavailable(str(failure)) from failure
                return
        await self._queue.check()

    async def close(self) -> None:
        """Let go of the queue; what is waiting then is given up."""
        for parcel in [*self._open]:
            self._expire(parcel)
        await self._queue.close()

    def _fill(self, infractions: Sequence[Infraction], loop: asyncio.AbstractEventLoop) -> list[Parcel]:
        filled: list[Parcel] = []
        for infraction in infractions:
            more_bytes = size_bytes(infraction)
            named = infraction.id != ""
            parcel = self._filling.get(named)
            if parcel is None or not parcel.has_room(more_bytes):
                parcel = self._begin(loop, named=named)
            parcel.add(infraction, more_bytes)
            if parcel not in filled:
                filled.append(parcel)
        return filled

    def _begin(self, loop: asyncio.AbstractEventLoop, *, named: bool) -> Parcel:
        parcel = self._filling[named] = Parcel(
            named=named, expires=lambda made: loop.call_later(self._answer_within_s, self._expire, made)
        )
        self._open.append(parcel)
        if self._linger is None:
            self._linger = loop.call_later(self._linger_s, self._linger_is_over)
        return parcel

    def _leave_when_complete(self, loop: asyncio.AbstractEventLoop) -> None:
        everybody_waits = self._asking >= self._crowd and not self._under_way
        if not self._soon and (everybody_waits or len(self._open) > BATCH_PARCELS_MAX):
            # Not at once: requests that came in the same read of the sockets are run before this.
            self._soon = True
            loop.call_soon(self._leave)

    def _linger_is_over(self) -> None:
        self._linger = None
        # Somebody was expected who did not come: expect fewer from now on.
        self._crowd = max(1, (self._crowd + self._waiting) // 2)
        self._leave()

    def _leave(self) -> None:
        self._soon = False
        while self._open and self._under_way < self._sends_max:
            batch = self._open[:BATCH_PARCELS_MAX]
            del self._open[:BATCH_PARCELS_MAX]
            self._filling = {named: each for named, each in self._filling.items() if each not in batch}
            self._asking = 0
            self._under_way += 1
            sending = asyncio.get_running_loop().create_task(self._send(batch))
            self._sends.add(sending)  # the loop itself would let it be collected
            sending.add_done_callback(self._sends.discard)
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    async def _send(self, batch: list[Parcel]) -> None:
        bodies = [write_body(parcel.infractions) for parcel in batch]
        try:
            outcomes = await self._queue.send(bodies, within_s=self._answer_within_s)
        finally:
            self._under_way -= 1
        for parcel, failure in zip(batch, outcomes, strict=True):
            self._note(failure)
            parcel.settle(failure)
        if self._open and self._linger is None:  # it was time for them while too many were under way
            self._leave()

    def _expire(self, parcel: Parcel) -> None:
        failure = Unavailable("sending infractions: the queue has not answered in time")
        if parcel in self._open:  # not sent, and never will be
            self._open.remove(parcel)
            self._filling = {named: each for named, each in self._filling.items() if each is not parcel}
        self._note(failure)
        parcel.settle(failure)

    def _note(self, failure: F2bError | None) -> None:
        was_failing = self._last_outcome is not None and self._last_outcome[1] is not None
        self._last_outcome = (asyncio.get_running_loop().time(), failure)
        if failure is not None and not was_failing:
            log.warning("queue_fails", reason=str(failure))
        elif failure is None and was_failing:
            log.info("queue_is_back")
