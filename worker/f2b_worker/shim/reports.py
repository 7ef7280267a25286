"""From a request that reports infractions to the answer that says what became of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.addresses import plain_address
from f2b_worker.domain.jails import DEFAULT_JAIL, JAIL_NAME
from f2b_worker.domain.judge.infractions import Infraction, Reason, Refusal
from f2b_worker.errors import F2bError
from f2b_worker.http.replies import Reply, line
from f2b_worker.shim import answers, metrics
from f2b_worker.shim.answers import OVERLOADED, QUEUE_AWAY, FailedPart, Failure
from f2b_worker.shim.bodies import BodyReader, Defaults
from f2b_worker.shim.items import Items, Placed, chunks, read_infraction
from f2b_worker.shim.outbox import SentError, TellableError
from f2b_worker.shim.replies import OK, later
from f2b_worker.shim.slices import LIGHT_ITEMS
from f2b_worker.shim.unanswered import Report, Unanswered, UnansweredReports
from f2b_worker.wire import wrong_jail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.http.turns import Turns
    from f2b_worker.ports import Clock
    from f2b_worker.shim.outbox import Outbox
    from f2b_worker.shim.slices import Slices
    from f2b_worker.shim.state import State

_FOR_SINGLE_ONES = 0.1
"""This part of the places is for infractions that come one by one: no body, however long, takes them."""
_NOTHING = Refusal(Reason.EMPTY, "the body has no infraction", None)


class Reports:
    """Stores what is reported, and answers truly.

    Args:
        outbox: Where infractions go.
        clock: Dates infractions that carry no time.
        waiting_max: How many infractions may wait for the outbox at once.
        state: Remembers what was stored, if anybody may look.
        turns: For requests that have much to do.
    """

    def __init__(
        self, outbox: Outbox, clock: Clock, *, waiting_max: int, state: State | None, turns: Turns
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._turns = turns
        self._reader = BodyReader()
        self._waiting_max = waiting_max
        self._places_for_bodies = waiting_max - int(waiting_max * _FOR_SINGLE_ONES)
        self._waiting = 0
        self._state = state
        self._unanswered = UnansweredReports()

    async def one(self, ip: str, jail: str | None = None, *, peer: str = "") -> Reply:
        """Take the infraction that a GET reports; if it was answered 503 shortly before, it is the same one.

        Args:
            ip: Who misbehaved.
            jail: Where; by default in the jail `default`.
            peer: Who reports.
        """
        infraction = _read(ip, jail, self._clock.now_ms())
        if isinstance(infraction, Refusal):
            metrics.refused.labels(infraction.reason).inc()
            return line(400, infraction.detail)
        if self._unanswered:
            report = Report(peer, infraction.ip, infraction.jail)
            earlier = self._unanswered.take(report, self._clock.monotonic_s())
            if earlier is not None:
                return self._told(await self._again(earlier), earlier)
        failure = await self._store(infraction)
        if failure is None:
            return OK
        return self._told(failure, Unanswered(Report(peer, infraction.ip, infraction.jail), infraction))

    def _told(self, failure: Failure | None, one: Unanswered) -> Reply:
        if failure is None:
            return OK
        if failure.sent is not None:
            one.sent(failure.sent)
        if one.was_sent:
            self._unanswered.keep(one, self._clock.monotonic_s())
        return later(failure.detail)

    async def _again(self, one: Unanswered) -> Failure | None:
        """Store again what was sent before, under its name; it is enough if either is stored."""
        metrics.repeated.inc()
        if one.is_stored:
            self._found_stored(one)
            return None
        storing: asyncio.Future[Failure | None] = asyncio.create_task(self._store(one.infraction))
        try:
            while not (one.is_stored or storing.done()):
                waiting: list[asyncio.Future[Any]] = [storing, *one.undecided]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if storing.done():
                return storing.result()
        finally:
            storing.cancel()
        self._found_stored(one)
        return None

    def _found_stored(self, one: Unanswered) -> None:
        metrics.stored.inc()
        if self._state is not None:
            self._state.take([one.infraction])

    async def read(self, body: bytes, content_type: bytes, jail: str | None, slices: Slices) -> Items | Reply:
        """Read the infractions that a POST reports, and take their places; `put` gives them back.

        Raises:
            GoneError: If the client goes before all of it was read.
        """
        if jail is not None and not JAIL_NAME.fullmatch(jail):
            return _refused_whole(wrong_jail(jail, None))
        items = Items(self._take_place)
        try:
            await self._reader.read(body, content_type, items, Defaults(jail, self._clock.now_ms()), slices)
        except BaseException:
            self._waiting -= items.placed
            raise
        return items if items.number else _refused_whole(_NOTHING)

    async def put(self, items: Items) -> Reply:
        """Store what was read: each for itself, in a few messages together."""
        try:
            _count(items)
            return answers.answer(items, await self._store_all(items.good))
        finally:
            self._waiting -= items.placed

    def _take_place(self) -> bool:
        """Take a place for one infraction of a body; the last of them are for those that come alone."""
        if self._waiting >= self._places_for_bodies:
            return False
        self._waiting += 1
        return True

    async def _store_all(self, good: Sequence[Placed]) -> list[FailedPart]:
        """Store in chunks; answer what was not stored, and why."""
        parts: list[list[Placed]] = []
        storing: list[asyncio.Task[Failure | None]] = []
        for part in chunks(good):
            parts.append(part)
            storing.append(asyncio.create_task(self._put([item.infraction for item in part])))
            if len(part) > LIGHT_ITEMS:
                await self._turns.next()
        outcomes = enumerate(await asyncio.gather(*storing))
        return [FailedPart(number, parts[number], why) for number, why in outcomes if why is not None]

    async def _store(self, infraction: Infraction) -> Failure | None:
        """Store an infraction that came alone; answer why not."""
        if self._waiting >= self._waiting_max:
            metrics.refused.labels(OVERLOADED.reason).inc()
            return OVERLOADED
        self._waiting += 1
        try:
            return await self._put([infraction])
        finally:
            self._waiting -= 1

    async def _put(self, infractions: list[Infraction]) -> Failure | None:
        """Store infractions that have their places; answer why not."""
        try:
            await self._outbox.store(infractions)
        except F2bError as error:  # who owns the outbox logs it, once for all requests
            metrics.refused.labels("queue").inc(len(infractions))
            if isinstance(error, TellableError):
                return Failure("queue", f"{error}; try again")
            return QUEUE_AWAY._replace(sent=error) if isinstance(error, SentError) else QUEUE_AWAY
        metrics.stored.inc(len(infractions))
        if self._state is not None:
            self._state.take(infractions)
        return None


def _refused_whole(refusal: Refusal) -> Reply:
    metrics.refused.labels(refusal.reason).inc()
    return answers.refused_whole(refusal.detail)


def _read(ip: str, jail: str | None, now_ms: int) -> Infraction | Refusal:
    """Read the infraction that a GET reports; most name no jail, and take the short way."""
    if jail is not None:
        return read_infraction({"ip": ip, "jail": jail}, jail=None, now_ms=now_ms)
    try:
        return Infraction(plain_address(ip), DEFAULT_JAIL, now_ms, "")
    except ValueError as error:
        return Refusal(Reason.BAD_ADDRESS, str(error), None)


def _count(items: Items) -> None:
    for reason, number in items.bad.items():
        metrics.refused.labels(reason).inc(number)
    if items.crowded:
        metrics.refused.labels(OVERLOADED.reason).inc(items.crowded)
