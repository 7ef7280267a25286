"""The process that serves HTTP in standalone mode; the worker starts it as `python -m` with this name."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import socket
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.file import open_to_store
from f2b_worker.adapters.sqlite.inbox import SqliteQueue
from f2b_worker.adapters.sqlite.place import Place
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.errors import F2bError
from f2b_worker.http.serve import GuardedServer
from f2b_worker.observe.log import finish
from f2b_worker.process.standalone.child import DRAIN, NEWS, OVERLOAD, PROBLEM, STOP
from f2b_worker.shim.batching import BatchingOutbox
from f2b_worker.shim.outbox import TellableError
from f2b_worker.shim.serve import uvicorn_config

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from f2b_worker.domain.judge.infractions import Infraction
    from f2b_worker.shim.outbox import Outbox

BUSY_S = 1.0
"""How long a request waits for the judge to finish writing; nobody else is answered meanwhile."""

_PROBLEM = "infractions are taken, but the worker cannot do all of its work: its log and f2b status say why"

NEWS_EVERY_S = 0.02
"""Hundreds of commits a second need not wake the judge each: it gathers for longer than that anyway."""


class Parent:
    """The worker that started this process, at the other end of a socket.

    Args:
        socket_to_it: Ours.
        drain: Called in another thread when it asks for a stop that comes later.
        stop: The same when it asks for the stop.

    Attributes:
        problem: What keeps it from its work, as it last said.
        overload: Why it can take nothing more, as it last said.
        listening: The thread that hears it.
    """

    def __init__(self, socket_to_it: socket.socket, drain: Callable[[], None], stop: Callable[[], None]) -> None:
        self.problem: str | None = None
        self.overload: str | None = None
        self._socket = socket_to_it
        self._drain = drain
        self._stop = stop
        self._resting = False
        self._more = False
        self.listening = threading.Thread(target=self._listen, name="parent", daemon=True)
        self.listening.start()

    def tell_news(self) -> None:
        """Say that something was stored: at once after a silence, and now and then while it never ends."""
        if self._resting:
            self._more = True
            return
        self._resting = True
        asyncio.get_running_loop().call_later(NEWS_EVERY_S, self._end_rest)
        with suppress(OSError):  # a socket that is full says so already
            self._socket.send(NEWS, socket.MSG_DONTWAIT)

    def _end_rest(self) -> None:
        self._resting = False
        if self._more:
            self._more = False
            self.tell_news()

    def _listen(self) -> None:
        # A killed worker that had not read all of our news resets the connection instead of ending it.
        with suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                what, detail = json.loads(line)
                if what == PROBLEM:
                    self.problem = detail
                elif what == OVERLOAD:
                    self.overload = detail
                elif what == DRAIN:
                    self._drain()
                elif what == STOP:
                    self._stop()
                    return
        # It was killed. Whoever restarts it needs the port at once, and what was answered is on disk.
        finish()
        os._exit(1)


class StateOutbox:
    """The outbox of the whole of standalone mode: ready when the worker is, too."""

    def __init__(self, outbox: Outbox, parent: Parent) -> None:
        self._outbox = outbox
        self._parent = parent

    async def store(self, infractions: Sequence[Infraction]) -> None:
        """Store infractions; returns only when all of them are on disk.

        Raises:
            TellableError: If they are not, or the judge cannot keep up; nothing here is a secret.
        """
        await self._tellably(partial(self._outbox.store, infractions))

    async def check(self) -> None:
        """Return if infractions can be stored, judged and enforced now.

        Raises:
            TellableError: If they cannot; nothing in it is a secret.
        """
        await self._tellably(self._outbox.check)
        if self._parent.problem:  # the worker logs it, and what AWS says names accounts and roles
            raise TellableError(_PROBLEM)

    async def _tellably(self, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._parent.overload:
            raise TellableError(self._parent.overload)
        try:
            await ask()
        except F2bError as error:
            raise TellableError(str(error)) from error

    async def close(self) -> None:
        """Give up what is waiting."""
        await self._outbox.close()


def main() -> None:
    """Serve until the worker says so or dies; it has blocked all signals here, which are for itself alone."""
    told = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the worker
    how, path, known, owns_door, listener_number, parent_number = told
    clock = SystemClock()
    writer, place = Writer(open_to_store(path), busy_s=BUSY_S), Place(path, known)

    def open_outbox() -> StateOutbox:
        queue = SqliteQueue(writer, clock, parent.tell_news, place)
        return StateOutbox(BatchingOutbox(queue), parent)

    config = uvicorn_config(how, open_outbox, clock)
    server = GuardedServer(config, owns_door=owns_door)  # the worker says when to drain, and when to stop
    parent = Parent(socket.socket(fileno=parent_number), server.leave, server.stop)
    server.run(sockets=[socket.socket(fileno=listener_number)])


if __name__ == "__main__":
    main()
