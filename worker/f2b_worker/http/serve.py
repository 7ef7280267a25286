"""How every server of f2b serves: uvicorn with httptools and uvloop, and a stop that costs no client a request."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from f2b_worker.http.listening import let_nobody_in
from f2b_worker.http.reading import GuardedProtocol
from f2b_worker.signals import RELOAD, STOPS, UNHEEDED, outlive, tell_unheeded

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from types import FrameType

    from f2b_worker.http.room import Room

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LAST_REQUEST_S = 1.0
"""So long after the door has closed a kept connection may bring a request: its client may be just about to."""

LAST_WORDS_S = 0.6
"""So long before the end what waits for an answer is given up, and as long before that, who still sends a request:
each hears why, and the process has time to end."""

_LOOKS_EVERY_S = 0.05
_IS_SENT_S = 0.05
_LETS_IN_S = 0.02
"""So long who has begun to connect may take to end that: a way there and back within a Region takes 2 ms."""

_ENDS_AT_ONCE = 64


def guarded_config(
    make: Callable[[], Any], protocol: type[GuardedProtocol], *, stop_within_s: int, **where: Any
) -> uvicorn.Config:
    """Say to uvicorn how every server of f2b serves.

    Args:
        make: Makes the application, in the loop that serves it.
        protocol: What becomes of each connection.
        stop_within_s: For so long a stop waits for answers.
        where: What else uvicorn is told: address, port, processes.
    """
    return uvicorn.Config(
        make,
        factory=True,
        interface="asgi3",
        http=protocol,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        ws="none",
        lifespan="on",
        log_level="critical",
        access_log=False,
        proxy_headers=False,  # the peer is whoever connects: headers are written by anybody
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=stop_within_s,
        **where,
    )


class GuardedServer(uvicorn.Server):
    """A server whose stop costs no client a request.

    First readiness turns, and each answer says that it is the last of its connection. For `drain_s` from then on
    connections are taken and answered as before: who balances load asks for readiness meanwhile, and goes
    elsewhere. Then the door closes. What has come is answered, and a kept connection has a moment to bring one
    more request.

    Args:
        config: As `guarded_config` has it.
        drain_s: How long the door stays open once it is to stop.
        owns_door: Whether no other process has the listening socket.
    """

    def __init__(self, config: uvicorn.Config, *, drain_s: float = 0.0, owns_door: bool = False) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._owns_door = owns_door
        self._is_to_leave = False
        self._is_hurried = False
        self._unheeded: list[int] = []

    def leave(self) -> None:
        """Turn readiness soon, and go on; from any thread."""
        self._is_to_leave = True

    def stop(self) -> None:
        """Ask it to stop; from any thread."""
        self.should_exit = True

    def stop_by_signals(self) -> None:
        """Stop when a signal asks for that; once more, it asks for nothing: uvicorn raises it again at the end."""
        for number in STOPS:
            signal.signal(number, lambda *_: self.stop())

    def outlive_signals(self) -> None:
        """Go on when a signal comes that asks nothing of who serves, and say so in the log."""
        outlive(RELOAD, *UNHEEDED, by=self._note)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second Ctrl-C ends the drain. uvicorn's own would also cut whose request is in work."""
        if self.should_exit and sig == signal.SIGINT:
            self._is_hurried = True
        else:
            super().handle_exit(sig, frame)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._unheeded.append(number)

    async def on_tick(self, counter: int) -> bool:
        """Do what was asked for elsewhere, and answer whether to stop; ten times a second."""
        while self._unheeded:
            tell_unheeded([self._unheeded.pop()])
        if self._is_to_leave:
            self._room.ending = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in the steps above."""
        self._room.ending = True
        if self._drain_s:
            log.info("draining", drain_s=self._drain_s)
            await self._drain()
        await self._close_the_door(sockets or [])
        ending = asyncio.create_task(self._end_in_steps())
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()

    async def _end_in_steps(self) -> None:
        """End each connection in time; uvicorn would cancel what is left, and its client would hear nothing."""
        loop = asyncio.get_running_loop()
        within_s = float(self.config.timeout_graceful_shutdown or 0)
        ends_s = loop.time() + within_s
        moment_s = min(LAST_REQUEST_S, within_s / 2)
        words_s = min(LAST_WORDS_S, within_s / 8)
        await asyncio.sleep(moment_s)
        await self._end_the_idle()
        await asyncio.sleep(max(0.0, ends_s - 2 * words_s - loop.time()))  # to end the idle may take its time
        self._refuse_the_late()
        await asyncio.sleep(words_s)
        await self.lifespan.shutdown()  # the application gives up what waits, and says so
        await asyncio.sleep(_IS_SENT_S)
        left: Any = list(self.server_state.connections)
        for each in left:
            each.abort()

    @property
    def _room(self) -> Room:
        room: Room = self.config.loaded_app.room
        return room

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + self._drain_s  # by the clock: who started this process ends it if it is late
        while (left_s := ends_s - loop.time()) > 0 and not self._is_hurried:  # noqa: ASYNC110 - set by a signal
            await asyncio.sleep(min(left_s, _LOOKS_EVERY_S))

    async def _close_the_door(self, listeners: Sequence[socket.socket]) -> None:
        """Take all connections that the kernel has taken already, and no more: it would reset them."""
        if self._owns_door:
            for each in listeners:
                let_nobody_in(each)
            await asyncio.sleep(_LETS_IN_S)
        waiting = [each for listener in listeners for each in _accepted(listener)]
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()
        self._room.is_closed = True
        loop = asyncio.get_running_loop()
        for each in waiting:
            await loop.connect_accepted_socket(self._connection, each)

    def _connection(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        connection: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return connection

    async def _end_the_idle(self) -> None:
        """End each soon after it was seen to have brought nothing: the loop closes it when it turns."""
        for place, connection in enumerate(self._not_lingering(), 1):
            connection.end_if_idle()
            if place % _ENDS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _refuse_the_late(self) -> None:
        for connection in self._not_lingering():
            connection.refuse_if_late()

    def _not_lingering(self) -> list[GuardedProtocol]:
        return [each for each in list(self.server_state.connections) if isinstance(each, GuardedProtocol)]


def _accepted(listener: socket.socket) -> list[socket.socket]:
    accepted = []
    while True:
        try:
            accepted.append(listener.accept()[0])
        except OSError:  # nobody waits, or no more files may be opened
            return accepted
