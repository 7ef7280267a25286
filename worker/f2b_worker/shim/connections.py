"""Connections that behave, or are cut: uvicorn's protocol with limits on heads, bodies, idling and numbers.

uvicorn reads requests here and keeps their order; the way back is ours. An answer stands ready as bytes and goes
out in one write: ASGI's two messages, each checked and written for itself, were a quarter of a request's CPU.

uvicorn has a timeout for kept-alive connections only: one that never sends a whole request stays for ever
(https://github.com/encode/uvicorn/issues/1151).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from f2b_worker.shim import metrics

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from f2b_worker.shim.limits import ConnectionLimits
    from f2b_worker.shim.replies import Reply
    from f2b_worker.shim.room import Peer, Room

log: structlog.stdlib.BoundLogger = structlog.get_logger()

SWEEP_EVERY_S = 0.25
PARSED_AT_ONCE_BYTES = 2048
"""A client may send requests ahead of our answers. Of so few bytes at once they take shape: 256 KB, as much as
comes in one reading, would be 14,000 of them, and 40 MB."""

_NOTHING = memoryview(b"")
_TOO_MANY = "too many connections; try again"


class GuardedProtocol(HttpToolsProtocol):
    """One connection. The application carries the limits, as `connection_limits`, and the room."""

    peer: Peer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits: ConnectionLimits = self.config.loaded_app.connection_limits
        self._room: Room = self.config.loaded_app.room
        self.ends_s = math.inf  # when the client's patience with us, or ours with it, is over
        self.write_ends_s = math.inf
        self._head_bytes = 0
        self._in_head = False
        self._in_message = False
        self._body_left = 0  # what a body has yet to come, if that was said: no request begins before its end
        self._ahead = _NOTHING  # what was sent ahead of our answers, and is not parsed yet
        self._refusal: tuple[int, str, str] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it where there are too many and nobody can make room."""
        super().connection_made(transport)
        self._idle()
        leaving, reason = self._room.enter(self, self.client[0] if self.client else "")
        if leaving is self:
            self._room.leave(self)
            self._refuse(503, reason, _TOO_MANY)
        elif leaving is not None:
            leaving.make_room()
        _sweep_from_now_on(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._room.leave(self)
        super().connection_lost(exc)

    def make_room(self) -> None:
        """End a connection that waits for its client, for one that is new."""
        self._room.leave(self)
        if self._in_message and not self.transport.get_write_buffer_size():
            self._refuse(503, "crowded_out", _TOO_MANY)
        else:  # it has asked nothing, or does not read: there is nothing to wait for
            metrics.refused.labels("crowded_out").inc()
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, up to the first request that was sent ahead of an answer; the rest waits for that."""
        if not self._ahead and len(data) <= max(PARSED_AT_ONCE_BYTES, self._body_left) and not self.pipeline:
            self._parse(data)
            return
        self._ahead = memoryview(b"".join((self._ahead, data)))
        self._read_on()

    def _read_on(self) -> None:
        while self._ahead and not self.pipeline and not self.transport.is_closing():
            size = max(PARSED_AT_ONCE_BYTES, self._body_left)
            part, self._ahead = self._ahead[:size], self._ahead[size:]
            self._parse(bytes(part))
        if not self._ahead or self.transport.is_closing():
            self._ahead = _NOTHING  # also an empty part would keep the whole in memory
        else:
            self._hold(len(self._ahead))

    def _parse(self, data: bytes) -> None:
        """Parse on; a head that does not end is cut off."""
        super().data_received(data)
        if self._in_head and self._refusal is None:
            self._head_bytes += len(data)  # of headers that have not ended nothing is heard otherwise
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(431, "head_too_large", "the headers are too large")

    def on_message_begin(self) -> None:
        """Give the head its time."""
        super().on_message_begin()
        self._head_bytes = self._body_left = 0
        self._in_head = self._in_message = True
        self.ends_s = self.loop.time() + self.limits.head_s

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._measure(len(name) + len(value) + 4)
        super().on_header(name, value)
        if len(name) == len("content-length") and name.lower() == b"content-length":
            self._body_left = int(value)

    def on_headers_complete(self) -> None:
        """Give the body its time."""
        self._in_head = False
        self.ends_s = self.loop.time() + self.limits.body_s
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        super().on_body(body)
        self._body_left -= len(body)
        if not self.cycle.response_complete:
            self._hold(len(body))

    def _hold(self, more_bytes: int) -> None:
        """Count what is in memory of a client; where all have too much, the one that began first is given up."""
        if self not in self.peer.inside:
            return
        leaving = self._room.holds(self, more_bytes)
        if leaving is not None:
            leaving.make_room()

    def on_message_complete(self) -> None:
        """Give the application its time: it bounds itself."""
        self._in_message = False
        self._body_left = 0
        super().on_message_complete()
        if self.cycle.response_complete:  # it did not wait for the end
            self._idle()
        else:
            self.ends_s = math.inf
            if not self.flow.write_paused:
                self._room.is_served(self)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Let the application answer; its answers stand ready as bytes, and need none of ASGI's messages."""
        task = self.loop.create_task(self._serve(cycle, app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, cycle: RequestResponseCycle, app: Any) -> None:
        try:
            answer: Reply | None = await app.answer(cycle.scope, cycle.receive)
            if self.flow.write_paused and not cycle.disconnected:
                await self.flow.drain()
            if answer is not None and not cycle.disconnected and not self.transport.is_closing():
                self._send(cycle, answer)
        except Exception:
            await cycle.send_500_response()
            log.exception("request_failed")
        finally:
            cycle.on_response = _nothing  # or it and the connection would hold each other

    def _send(self, cycle: RequestResponseCycle, answer: Reply) -> None:
        """Send an answer in one write, and do what uvicorn does after its own."""
        cycle.response_started = cycle.response_complete = True
        keep_alive = cycle.keep_alive and not answer.closes
        self.transport.write(answer.whole(cycle.scope["method"], keep_alive=keep_alive))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Go on with what was sent ahead, or wait for the next request; uvicorn's timer for that is our sweep."""
        self.server_state.total_requests += 1
        self._room.holds_nothing(self)
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._room.waits(self)
        if self._ahead:
            self._read_on()
        if not self.pipeline:
            self.flow.resume_reading()
        if not self._in_message:
            self._idle()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or was found too large while it was parsed."""
        status, reason, text = self._refusal or (400, "bad_http", msg)
        self._refusal = None
        self._refuse(status, reason, text)

    def pause_writing(self) -> None:
        """Give the client its time to read; until it does, we wait for it, and not it for us."""
        if self in self.peer.inside:
            self._room.waits(self)
        self.write_ends_s = self.loop.time() + self.limits.write_s
        super().pause_writing()

    def resume_writing(self) -> None:
        """Be patient again."""
        self.write_ends_s = math.inf
        if self.cycle and not (self._in_message or self.cycle.response_complete):
            self._room.is_served(self)
        super().resume_writing()

    def cut_if_late(self, now_s: float) -> None:
        """End the connection if the client has used up its time."""
        if now_s >= self.write_ends_s:
            metrics.refused.labels("too_slow").inc()
            self.transport.abort()
        elif now_s >= self.ends_s and self._in_message:
            self._refuse(408, "too_slow", "the request did not come in time")
        elif now_s >= self.ends_s:
            self.transport.close()

    def _idle(self) -> None:
        self.ends_s = self.loop.time() + self.limits.idle_s

    def _measure(self, more_bytes: int) -> None:
        self._head_bytes += more_bytes
        if self._head_bytes > self.limits.head_bytes:
            self._refusal = (431, "head_too_large", "the headers are too large")
            raise ValueError("the headers are too large")  # the parser stops, and asks for `send_400_response`

    def _refuse(self, status: int, reason: str, text: str) -> None:
        if self._refusal is not None or self.transport.is_closing():
            return
        self._refusal = (status, reason, text)
        metrics.refused.labels(reason).inc()
        self.ends_s = math.inf
        body = f"{text}\n".encode()
        cycle = self.cycle
        # Not into an answer, nor in the place of one to an earlier request.
        if cycle is None or cycle.response_complete or not (self._in_head or cycle.response_started):
            head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head % len(body) + body)
        self.transport.close()


def _nothing() -> None:
    pass


def _sweep_from_now_on(first: GuardedProtocol) -> None:
    """Look at all connections of a server now and then, as long as there are any: cheaper than timers for each."""
    state: Any = first.server_state
    if getattr(state, "f2b_sweeps", False):
        return
    state.f2b_sweeps = True

    def sweep() -> None:
        now_s = first.loop.time()
        for connection in list(state.connections):
            connection.cut_if_late(now_s)
        state.f2b_sweeps = bool(state.connections)
        if state.f2b_sweeps:
            first.loop.call_later(SWEEP_EVERY_S, sweep)

    first.loop.call_later(SWEEP_EVERY_S, sweep)
