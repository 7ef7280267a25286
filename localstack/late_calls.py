"""Calls that take effect when nobody waits for their answer any more."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any


class LateCalls:
    """Carries calls out later; what becomes of them nobody hears."""

    def __init__(self) -> None:
        self._due: set[asyncio.Task[None]] = set()

    def add(self, call: Coroutine[Any, Any, object], delay_s: float) -> None:
        """Carry *call* out after so many seconds."""
        task = asyncio.create_task(_carry_out(call, delay_s))
        self._due.add(task)
        task.add_done_callback(self._due.discard)

    @property
    def due(self) -> int:
        """How many have not taken effect yet."""
        return len(self._due)

    def clear(self) -> None:
        """Let none of them take effect any more."""
        for task in self._due:
            task.cancel()


async def _carry_out(call: Coroutine[Any, Any, object], delay_s: float) -> None:
    try:
        await asyncio.sleep(delay_s)
        with contextlib.suppress(OSError):  # the emulator has gone
            await call
    finally:
        call.close()
