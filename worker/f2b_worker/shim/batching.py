"""Many requests, few sends: what comes within a few milliseconds shares a batch, and each hears its own fate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError, Retryable, Unavailable
from f2b_worker.http.turns import Turns
from f2b_worker.shim import metrics
from f2b_worker.shim.outbox import SentError
from f2b_worker.shim.packing import Parcel, size_bytes
from f2b_worker.shim.slices import LIGHT_ITEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.infractions import Infraction
    from f2b_worker.shim.outbox import Queue

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LINGER_S = 0.010
SENDS_MAX = 16
ANSWER_WITHIN_S = 1.7  # the client hears of it within two seconds, the way there and back included
FOLLOWED_S = 5.0
"""How much longer an answer is awaited for which nobody waits any more: a client that comes again hears of it."""
FOLLOWED_MAX = 64  # sends; with all of SENDS_MAX unanswered, so many are begun in that time
BATCH_PARCELS_MAX = 4  # of 64 KiB: a queue may still be limited to 256 KiB a batch
YOUNG_SHARE = 0.2
"""Of the time for an answer: what has waited longer for its turn takes nobody in any more, who would have less."""
FAILING_FOR_S = 5.0
_STOOD_STILL_S = 0.02  # a timer of the loop that is so late was held up by something else, and so were answers
_TOO_LATE = "sending infractions: the queue has not answered in time"


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
        self._young_s = answer_within_s * YOUNG_SHARE
        self._sends_max = sends_max
        self._turns = Turns()
        self._open: list[Parcel] = []  # in the order in which they were begun
        self._filling: dict[bool, Parcel] = {}
        self._asking = 0  # how many requests the open parcels hold
        self._crowd = 1  # how many requests have lately waited at the same time
        self._waiting = 0
        self._linger: asyncio.TimerHandle | None = None
        self._soon = False
        self._under_way = 0
        self._took_s = 0.0  # how long the last send took; if it is not answered, longer than anybody waits
        self._sends: set[asyncio.Task[None]] = set()
        self._followed: dict[asyncio.Task[None], None] = {}  # in the order in which they became late
        self._last_outcome: tuple[float, F2bError | None] | None = None
        self._is_failing = False

    async def store(self, infractions: Sequence[Infraction]) -> None:
        """Store infractions; returns only when the queue has all of them.

        Raises:
            SentError: If the one infraction was sent, and may be stored or not.
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
            raise _told(failure, parcels, infractions) from failure

    async def check(self) -> None:
        """Return if the queue has lately taken something, or answers now."""
        if self._last_outcome is not None:
            at_s, failure = self._last_outcome
            if asyncio.get_running_loop().time() - at_s < FAILING_FOR_S:
                if failure is not None:
                    raise Unavailable(str(failure)) from failure
                return
        try:
            await self._queue.check()
        except F2bError as error:
            self._say(error)
            raise
        if self._last_outcome is None or self._last_outcome[1] is None:  # else it may take nothing all the same
            self._say(None)

    async def close(self) -> None:
        """Let go of the queue; what is waiting then is given up, and so is what is under way."""
        waiting = self._open
        self._forget(waiting)
        for parcel in waiting:
            parcel.settle(Unavailable("sending infractions: given up before they were sent: this process stops"))
        await asyncio.sleep(0)  # each send begins: cancelled before that, it would tell nobody
        for sending in [*self._sends]:
            sending.cancel()
        await asyncio.gather(*self._sends, return_exceptions=True)
        await self._queue.close()

    def _fill(self, infractions: Sequence[Infraction], loop: asyncio.AbstractEventLoop) -> list[Parcel]:
        filled: list[Parcel] = []
        begun_since_s = loop.time() - self._young_s
        for infraction in infractions:
            more_bytes = size_bytes(infraction)
            named = infraction.id != ""
            parcel = self._filling.get(named)
            if parcel is None or not parcel.has_room(more_bytes) or parcel.began_s < begun_since_s:
                parcel = self._begin(loop, named=named)
            parcel.add(infraction, more_bytes)
            if parcel not in filled:
                filled.append(parcel)
        return filled

    def _begin(self, loop: asyncio.AbstractEventLoop, *, named: bool) -> Parcel:
        parcel = self._filling[named] = Parcel(
            named=named,
            began_s=loop.time(),
            expires=lambda made: loop.call_later(self._answer_within_s, self._time_is_over, made),
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
        while self._under_way < self._sends_max and (batch := self._due()):
            self._forget(batch)
            self._asking = 0
            self._under_way += 1
            sending = asyncio.get_running_loop().create_task(self._send(batch))
            for parcel in batch:
                parcel.sending = sending
            self._sends.add(sending)  # the loop itself would let it be collected
            sending.add_done_callback(self._sends.discard)
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _forget(self, parcels: Sequence[Parcel]) -> None:
        """Let these wait for company or for their send no more."""
        self._open = [each for each in self._open if each not in parcels]
        self._filling = {named: each for named, each in self._filling.items() if each not in parcels}

    def _due(self) -> list[Parcel]:
        """Choose what to send: not what had to wait for so long that the queue would probably answer too late."""
        needed_s = min(self._took_s, self._answer_within_s - self._young_s)
        begun_since_s = asyncio.get_running_loop().time() + needed_s - self._answer_within_s
        return [parcel for parcel in self._open if parcel.began_s > begun_since_s][:BATCH_PARCELS_MAX]

    async def _send(self, batch: list[Parcel]) -> None:
        began_s = asyncio.get_running_loop().time()
        failure: F2bError | None = Unavailable("sending infractions: given up before the queue answered")
        outcomes: Sequence[F2bError | None] = [failure] * len(batch)
        try:
            outcomes = await self._ask(batch)
        finally:
            now_s = asyncio.get_running_loop().time()
            self._took_s = now_s - began_s
            self._is_sent(batch, outcomes, now_s)
        if self._open and self._linger is None:  # it was time for them while too many were under way
            self._leave()

    async def _ask(self, batch: list[Parcel]) -> Sequence[F2bError | None]:
        bodies = [await self._written(parcel) for parcel in batch]
        left_s = batch[0].began_s + self._answer_within_s - asyncio.get_running_loop().time()
        if left_s <= 0:  # this loop was busy: they have heard, or are about to hear, that it is not stored
            return [self._too_late(parcel) for parcel in batch]
        for parcel in batch:
            parcel.is_sent = True
        return await self._queue.send(bodies, within_s=left_s, followed_s=FOLLOWED_S)

    async def _written(self, parcel: Parcel) -> str:
        """Write a parcel; sixteen batches of large ones, which may leave together, would hold up everybody."""
        if len(parcel.infractions) > LIGHT_ITEMS:
            await self._turns.next()
        return parcel.body()

    def _is_sent(self, batch: list[Parcel], outcomes: Sequence[F2bError | None], now_s: float) -> None:
        sending = batch[0].sending
        if sending in self._followed:
            del self._followed[sending]
        else:
            self._under_way -= 1
        for parcel, failure in zip(batch, outcomes, strict=True):
            if parcel.fate is not None:  # what it says of the queue is as old as the call
                metrics.stored_late.inc(len(parcel.infractions) if failure is None else 0)
            else:
                self._note(failure)
                if failure is None:
                    metrics.store_s.observe(now_s - parcel.began_s)
            parcel.settle(failure)

    def _time_is_over(self, parcel: Parcel) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() > parcel.began_s + self._answer_within_s + _STOOD_STILL_S:  # read first what came meanwhile
            loop.call_later(_STOOD_STILL_S, self._expire, parcel)
        else:
            self._expire(parcel)

    def _expire(self, parcel: Parcel) -> None:
        if parcel.is_settled:
            return
        failure = self._too_late(parcel)
        self._note(failure)
        if parcel.sending is None:  # not sent, and never will be
            self._forget([parcel])
            parcel.settle(failure)
            return
        parcel.leave_undecided(asyncio.get_running_loop(), failure)
        if parcel.sending not in self._followed:
            self._follow(parcel.sending)

    def _too_late(self, parcel: Parcel) -> Unavailable:
        if parcel.is_sent:
            return Unavailable(_TOO_LATE)
        why = "this process is too busy, or earlier sends are not answered"
        return Unavailable(f"sending infractions: not sent within {self._answer_within_s:.1f} s: {why}")

    def _follow(self, sending: asyncio.Task[None]) -> None:
        """Let a send go on for which nobody waits any more, beside those that are under way."""
        self._followed[sending] = None
        self._took_s = self._answer_within_s
        self._under_way -= 1
        if len(self._followed) > FOLLOWED_MAX:
            next(iter(self._followed)).cancel()
        if self._open and self._linger is None:
            self._leave()

    def _note(self, failure: F2bError | None) -> None:
        self._last_outcome = (asyncio.get_running_loop().time(), failure)
        self._say(failure)

    def _say(self, failure: F2bError | None) -> None:
        """Say in the log that the queue begins to fail, or that it is back."""
        if failure is not None and not self._is_failing:
            log.warning("queue_fails", reason=str(failure))
        elif failure is None and self._is_failing:
            log.info("queue_is_back")
        self._is_failing = failure is not None


def _told(failure: F2bError, parcels: Sequence[Parcel], infractions: Sequence[Infraction]) -> F2bError:
    """Make the error that one client hears: of one infraction that was sent, it says its name and its fate."""
    if len(infractions) == 1 and parcels[0].is_sent and isinstance(failure, Retryable):
        return SentError(str(failure), parcels[0].named_one(infractions[0]), parcels[0].fate)
    return type(failure)(str(failure))
