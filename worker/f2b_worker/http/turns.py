"""Turns on the event loop for who has much to do: a slice of one, everybody else, a slice of the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SLICE_S = 0.004
"""For so long a connection is parsed, or a request works, before others have their turn: 256 KB, as much as comes
in one reading, may be 65,000 chunks or empty lines, and take 0.3 s."""


class Turns:
    """Whoever has much to do, one after another.

    Those who read have one line, and what is sent to the queue has another: of each a slice may run between two
    looks at everybody.

    Twenty requests that each took a slice and then let the others go on would hold the loop for twenty slices.
    Here the loop looks after everybody between two slices, however many have much to do.
    """

    def __init__(self) -> None:
        self._line: deque[Callable[[], None]] = deque()

    def wait(self, go_on: Callable[[], None]) -> None:
        """Have something go on when those before it have."""
        self._line.append(go_on)
        if len(self._line) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    async def next(self) -> None:
        """Wait until it is one's turn."""
        turn = asyncio.get_running_loop().create_future()
        self.wait(lambda: None if turn.done() else turn.set_result(None))  # who was cancelled has none
        await turn

    def _next(self) -> None:
        go_on = self._line.popleft()
        if self._line:
            asyncio.get_running_loop().call_soon(self._next)
        go_on()
