"""The queue that the shim's outbox stands on, in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from f2b_worker.errors import Unavailable
from f2b_worker.shim.batching import ANSWER_WITHIN_S, FOLLOWED_S
from f2b_worker.wire import read_body
from tests.unit.shim.virtual_loop import now_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.infractions import Infraction
    from f2b_worker.errors import F2bError


class MemoryQueue:
    """Keeps what is sent, and when; each send takes `takes_s`. `fate` decides about each body of a batch."""

    def __init__(self, takes_s: float = 0.005) -> None:
        self.takes_s = takes_s
        self.batches: list[list[str]] = []
        self.sent_at_s: list[float] = []
        self.within_s: list[float] = []
        self.under_way = 0
        self.most_under_way = 0
        self.fate: dict[int, F2bError] = {}
        self.checked = 0
        self.closed = False

    async def send(
        self, bodies: Sequence[str], *, within_s: float, followed_s: float
    ) -> Sequence[F2bError | None]:
        assert 0 < within_s <= ANSWER_WITHIN_S + 1e-9
        assert followed_s == FOLLOWED_S
        self.within_s.append(within_s)
        self.batches.append(list(bodies))
        self.sent_at_s.append(now_s())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(min(self.takes_s, within_s + followed_s))
        finally:
            self.under_way -= 1
        if self.takes_s > within_s + followed_s:
            return [Unavailable("no answer")] * len(bodies)
        return [self.fate.get(place) for place in range(len(bodies))]

    async def check(self) -> None:
        self.checked += 1
        if self.fate:
            raise self.fate[0]

    async def close(self) -> None:
        self.closed = True

    def infractions(self) -> list[Infraction]:
        read = [read_body(body, message_id="m", sent_at_ms=0) for batch in self.batches for body in batch]
        assert not any(body.refused for body in read)
        return [one for body in read for one in body.infractions]
