"""Threads for calls to AWS, which keep no process from ending."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, ParamSpec, TypeAlias, TypeVar

from f2b_worker.observe import traces

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
P = ParamSpec("P")

_Call: TypeAlias = "tuple[Future[T], Callable[[], T]]"


class Threads(Executor):
    """Does what a ThreadPoolExecutor does, but for its end: that waits at the exit for calls that hang.

    Args:
        number: How many calls are under way at once, at most.
        name: Of the threads.
    """

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._calls: SimpleQueue[_Call[object] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._is_shut = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a call made as soon as a thread is free.

        Raises:
            RuntimeError: After `shutdown`.
        """
        future: Future[T] = Future()
        call = partial(fn, *args, **kwargs)
        if traces.are_on():  # what the call does belongs to the span of who asked for it
            call = partial(copy_context().run, call)
        with self._lock:
            if self._is_shut:
                raise RuntimeError(f"the threads {self._name} were shut down")
            self._calls.put((future, call))  # type: ignore[arg-type]
            if len(self._threads) < self._number:
                thread = Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
                thread.start()
                self._threads.append(thread)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """Take no further calls; see `Executor.shutdown`."""
        with self._lock:
            self._is_shut = True
            if cancel_futures:
                self._cancel()
            for _ in self._threads:
                self._calls.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _cancel(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            if call:
                call[0].cancel()

    def _work(self) -> None:
        while call := self._calls.get():
            _make(*call)
            del call  # while it waits for the next, it keeps no messages


def _make(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        answer = call()
    except BaseException as error:  # noqa: BLE001 - whoever waits for the call gets it
        future.set_exception(error)
    else:
        future.set_result(answer)
