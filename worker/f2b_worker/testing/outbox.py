"""The shim's queue in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.infractions import Infraction
    from f2b_worker.errors import F2bError


class MemoryOutbox:
    """An outbox in memory. Set `failure` to make every call raise it, clear `open` to make `store` wait."""

    def __init__(self) -> None:
        self.stored: list[Infraction] = []
        self.failure: F2bError | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def store(self, infractions: Sequence[Infraction]) -> None:
        """Keep infractions."""
        await self.open.wait()
        await self.check()
        self.stored += infractions

    async def check(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure:
            raise self.failure

    async def close(self) -> None:
        """Do nothing: memory needs no closing."""
