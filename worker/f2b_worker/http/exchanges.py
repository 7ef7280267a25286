"""A request and its answer, and what lets its client send more of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from f2b_worker.http.requests import Scope

UNUSED_BYTES_MAX = 65_536
"""While more than this of a body waits for the application, no more of it is read."""


class Flow:
    """Lets a client send, or wait. It waits while its connection waits for a turn, whoever would resume it.

    The application resumes it whenever it has used what there is of a body.

    Args:
        transport: The connection's.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.is_paused = self.is_held = False

    def hold(self) -> None:
        """Read nothing until it is let go."""
        self.is_held = True
        self.pause()

    def pause(self) -> None:
        """Let the client wait."""
        if not self.is_paused:
            self.is_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on, if there is nothing left to parse."""
        if self.is_paused and not self.is_held:
            self.is_paused = False
            self.transport.resume_reading()


class Exchange:
    """A request whose head has come, with its answer.

    Args:
        scope: What its head says.
        flow: Of its connection.
        keep_alive: Whether the client would keep the connection.
        waits_to_be_asked: Whether it sends the body only once it hears that it may.
    """

    def __init__(self, scope: Scope, flow: Flow, *, keep_alive: bool, waits_to_be_asked: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.waits_to_be_asked = waits_to_be_asked
        self.disconnected = False  # the client has gone, or is given up
        self.is_whole = False  # all of the body has come
        self.is_answered = False  # the answer is on its way
        self.body = bytearray()  # as much as waits for the application
        self.task: asyncio.Task[None] | None = None  # who answers it
        self._flow = flow
        self._news: asyncio.Future[None] | None = None

    def take(self, part: bytes) -> None:
        """Take a part of the body."""
        self.body += part
        if len(self.body) > UNUSED_BYTES_MAX:
            self._flow.pause()
        self._tell()

    def end(self) -> None:
        """Take it that the body is whole."""
        self.is_whole = True
        self._tell()

    def give_up(self) -> None:
        """Take it that the client has gone, or is to go."""
        self.disconnected = True
        self._tell()

    async def receive(self) -> dict[str, Any]:
        """Hand over what has come of the body, in ASGI's words; wait if that is nothing new."""
        if self.waits_to_be_asked and not self._flow.transport.is_closing():
            self.waits_to_be_asked = False
            self._flow.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.disconnected:
            self._flow.resume()
        while not (self.body or self.is_whole or self.disconnected):
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        if self.disconnected:
            return {"type": "http.disconnect"}
        body, self.body = self.body, bytearray()
        return {"type": "http.request", "body": bytes(body), "more_body": not self.is_whole}

    def _tell(self) -> None:
        if self._news and not self._news.done():
            self._news.set_result(None)
