"""Threads in which pages are made: few, because they read and write tables; and only so many wait for them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

THREADS = 6
WAITING_MAX = 100


class BusyError(Exception):
    """So much is asked already that this would wait too long."""


class Workers:
    """Does what may take its time, beside the loop that answers all others.

    Args:
        threads: How much is done at once.
        waiting_max: How much may wait or be done; more is refused.
    """

    def __init__(self, threads: int = THREADS, waiting_max: int = WAITING_MAX) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="page")
        self._waiting_max = waiting_max
        self._waiting = 0

    async def do(self, work: Callable[[], T]) -> T:
        """Do something in a thread.

        Raises:
            BusyError: If too much waits already.
        """
        if self._waiting >= self._waiting_max:
            raise BusyError
        self._waiting += 1
        # Also where nobody waits for it any more it is done, and takes its place until then.
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._end)
        return await asyncio.shield(future)

    def close(self) -> None:
        """Begin nothing more, and wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _end(self, future: asyncio.Future[T]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # it may be that nobody else looks
