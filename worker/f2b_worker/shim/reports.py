"""From a request that reports infractions to the answer that says what became of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.addresses import plain_address
from f2b_worker.domain.jails import DEFAULT_JAIL
from f2b_worker.domain.judge.infractions import Infraction, Reason, Refusal
from f2b_worker.errors import F2bError
from f2b_worker.shim import metrics
from f2b_worker.shim.items import Items, Placed, chunks, documents, read_infraction, read_items
from f2b_worker.shim.outbox import TellableError
from f2b_worker.shim.replies import OK, RETRY_AFTER_S, Reply, json_reply, later, line, retry_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.ports import Clock
    from f2b_worker.shim.outbox import Outbox
    from f2b_worker.shim.state import State

_READ_AT_ONCE = 500  # items; other requests have their turn in between
_OVERLOADED = ("overloaded", "too many infractions wait for the queue; try again")
_QUEUE_AWAY = ("queue", "the queue cannot be reached; try again")


class Reports:
    """Stores what is reported, and answers truly.

    Args:
        outbox: Where infractions go.
        clock: Dates infractions that carry no time.
        waiting_max: How many infractions may wait for the outbox at once.
        state: Remembers what was stored, if anybody may look.
    """

    def __init__(self, outbox: Outbox, clock: Clock, *, waiting_max: int, state: State | None) -> None:
        self._outbox = outbox
        self._clock = clock
        self._waiting_max = waiting_max
        self._waiting = 0
        self._state = state

    async def one(self, ip: str, jail: str | None = None) -> Reply:
        """Take the infraction that a GET reports."""
        now_ms = self._clock.now_ms()
        if jail is None:
            try:
                ip = plain_address(ip)
            except ValueError as error:
                return _refused(Reason.BAD_ADDRESS, str(error))
            infraction = Infraction(ip, DEFAULT_JAIL, now_ms, "")
        else:
            read = read_infraction({"ip": ip, "jail": jail}, jail=None, now_ms=now_ms)
            if isinstance(read, Refusal):
                return _refused(read.reason, read.detail)
            infraction = read
        failure = await self._store([infraction])
        return OK if failure is None else later(failure[1])

    async def many(self, body: bytes, content_type: bytes, jail: str | None = None) -> Reply:
        """Take the infractions that a POST reports: each for itself, in a few messages together."""
        now_ms = self._clock.now_ms()
        wrong = _wrong_jail(jail) if jail is not None else None
        if wrong is not None:
            metrics.refused.labels(wrong.reason).inc()
            return json_reply(400, {"stored": 0, "results": [], "detail": wrong.detail})
        items = Items()
        found = documents(body, content_type)
        for start in range(0, len(found), _READ_AT_ONCE):
            read_items(items, found[start : start + _READ_AT_ONCE], jail=jail, now_ms=now_ms)
            if items.number < len(found):
                await asyncio.sleep(0)
        if not found:
            metrics.refused.labels(Reason.EMPTY).inc()
            return json_reply(400, {"stored": 0, "results": [], "detail": "the body has no infraction"})
        for refusal in items.bad.values():
            metrics.refused.labels(refusal.reason).inc()
        failures = await self._store_all(items.good)
        return _result(items, failures)

    async def _store_all(self, good: Sequence[Placed]) -> dict[int, tuple[str, str]]:
        """Store in chunks; answer, by place, why not."""
        parts = list(chunks(good))
        outcomes = await asyncio.gather(*(self._store([item.infraction for item in part]) for part in parts))
        return {
            item.place: failure
            for part, failure in zip(parts, outcomes, strict=True)
            if failure is not None
            for item in part
        }

    async def _store(self, infractions: list[Infraction]) -> tuple[str, str] | None:
        number = len(infractions)
        if self._waiting + number > self._waiting_max:
            metrics.refused.labels("overloaded").inc(number)
            return _OVERLOADED
        self._waiting += number
        try:
            await self._outbox.store(infractions)
        except F2bError as error:  # who owns the outbox logs it, once for all requests
            metrics.refused.labels("queue").inc(number)
            return ("queue", f"{error}; try again") if isinstance(error, TellableError) else _QUEUE_AWAY
        finally:
            self._waiting -= number
        metrics.stored.inc(number)
        if self._state is not None:
            self._state.take(infractions)
        return None


def _wrong_jail(jail: str) -> Refusal | None:
    read = read_infraction({"ip": "192.0.2.1", "jail": jail}, jail=None, now_ms=0)
    return read if isinstance(read, Refusal) else None


def _refused(reason: str, detail: str) -> Reply:
    metrics.refused.labels(reason).inc()
    return line(400, detail)


def _result(items: Items, failures: dict[int, tuple[str, str]]) -> Reply:
    stored = len(items.good) - len(failures)
    if stored == items.number:
        return json_reply(200, {"stored": stored})
    results = [_item(index, items, failures) for index in range(items.number)]
    if stored == 0 and failures:
        return json_reply(503, {"stored": 0, "results": results}, retry_after(RETRY_AFTER_S))
    return json_reply(207 if stored else 400, {"stored": stored, "results": results})


def _item(index: int, items: Items, failures: dict[int, tuple[str, str]]) -> dict[str, Any]:
    refusal = items.bad.get(index)
    if refusal is not None:
        return {"index": index, "status": 400, "reason": str(refusal.reason), "detail": refusal.detail}
    if index in failures:
        reason, detail = failures[index]
        return {"index": index, "status": 503, "reason": reason, "detail": detail}
    return {"index": index, "status": 200}
