"""Long work of a request, in slices: each waits for a turn (`http/turns.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.http.turns import SLICE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.http.turns import Turns

    Begin = Callable[[Callable[[], bool]], "Slices"]

LIGHT_ITEMS = 100
"""So many infractions are packed in half a millisecond; more of them wait for a turn."""


class GoneError(Exception):
    """The client has gone: nobody would hear an answer."""


class Slices:
    """The slices of one request. The first one needs no turn, and most requests need no other.

    Args:
        turns: The event loop's.
        now_s: Tells the time, on a clock that never goes back.
        has_gone: Tells whether the client has gone.
    """

    __slots__ = ("_ends_s", "_has_gone", "_now_s", "_turns")

    def __init__(self, turns: Turns, now_s: Callable[[], float], has_gone: Callable[[], bool]) -> None:
        self._turns = turns
        self._now_s = now_s
        self._has_gone = has_gone
        self._ends_s = now_s() + SLICE_S

    def is_over(self) -> bool:
        """Tell whether the slice is used up."""
        return self._now_s() >= self._ends_s

    async def next(self) -> None:
        """Wait for the next slice.

        Raises:
            GoneError: If the client has gone; what it sent is in no connection's memory any more, and so must end.
        """
        await self._turns.next()
        if self._has_gone():
            raise GoneError
        self._ends_s = self._now_s() + SLICE_S
