"""A connection that behaves, or is cut: its place, its time, its answers, and its end.

An answer stands ready as bytes and goes out in one write: ASGI's two messages, each checked and written for
itself, were a quarter of a request's CPU. uvicorn serves, but its own protocol is not used: it has a timeout for
kept-alive connections only, and one that never sends a whole request stays for ever
(https://github.com/encode/uvicorn/issues/1151).
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import termios
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from uvicorn.protocols.utils import get_remote_addr

from f2b_worker.http.exchanges import Exchange, Flow
from f2b_worker.http.lingering import GONE, Lingering
from f2b_worker.http.replies import line
from f2b_worker.http.unread import CROWDED_OUT, TOO_MANY_BODIES

if TYPE_CHECKING:
    import uvicorn
    from prometheus_client import Counter
    from uvicorn.server import ServerState

    from f2b_worker.http.limits import ConnectionLimits
    from f2b_worker.http.replies import Reply
    from f2b_worker.http.room import Peer, Room
    from f2b_worker.http.unread import Unread

log: structlog.stdlib.BoundLogger = structlog.get_logger()

SWEEP_EVERY_S = 0.25
SKIPPED_BYTES_MAX = 256 * 1024
"""So much of a body that nobody wants is read to its end, for the sake of the connection: as in Go's net/http."""

NOTHING = memoryview(b"")
_DEFECT = line(500, "a defect; see the log")
_INT = Struct("i")


class Connection(asyncio.Protocol):
    """One connection, but for how it is read. The application carries the limits and the room.

    Args:
        config: Of the server; it has the application.
        server_state: The server's connections, and what they are waited for.

    Attributes:
        refused: Counts what is cut or refused, by reason; each server has its own.
        limits: What it may cost.
        ends_s: When the client's patience with us, or ours with it, is over.
        write_ends_s: When we wait no more for it to read.
        exchange: Whose head came last.
        pipeline: Those that were sent ahead of our answers, the oldest first.
    """

    refused: ClassVar[Counter]
    peer: Peer
    transport: asyncio.Transport
    flow: Flow

    def __init__(self, config: uvicorn.Config, server_state: ServerState, **_more: Any) -> None:
        self.app = config.loaded_app
        self.loop = asyncio.get_running_loop()
        self.limits: ConnectionLimits = self.app.connection_limits
        self.ends_s = self.write_ends_s = math.inf
        self.exchange: Exchange | None = None
        self.pipeline: deque[Exchange] = deque()
        self._room: Room = self.app.room
        self._state: Any = server_state
        self._in_head = self._in_message = self._at_eof = False
        self._body_left = 0  # what a body has yet to come, if that was said: no request begins before its end
        self._begun = b""  # a head that has not come whole
        self._ahead = NOTHING  # what was sent ahead of our answers or of our turn, and is not parsed yet
        self._ahead_held = 0  # so much of it is counted
        self._is_read = asyncio.Event()  # set as long as the client has read what we wrote
        self._is_read.set()
        self._last_words: bytes | None = None  # to be said once those who asked before have their answers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it where there are too many and nobody can make room."""
        self.transport = transport
        transport.set_write_buffer_limits(0)  # whatever is left unsent has its time, also as the last answer
        self.flow = Flow(transport)
        self.client = get_remote_addr(transport)
        self.address = self.client[0] if self.client else ""  # a UNIX socket has none
        self._state.connections.add(self)
        self._idle()
        leaving, reason = self._room.enter(self, self.address)
        if leaving is self:
            self._room.leave(self)
            self._refuse(*CROWDED_OUT._replace(reason=reason))
        elif leaving is not None:
            leaving.make_room(CROWDED_OUT)
        _sweep_from_now_on(self._state, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Forget it."""
        self._room.leave(self)
        self._state.connections.discard(self)
        self.transport = GONE
        if self.exchange and not self.exchange.is_answered:
            self.exchange.give_up()
        self._is_read.set()

    def make_room(self, why: Unread) -> None:
        """End a connection that waits for its client, for one that is new or has more to keep."""
        self._room.leave(self)
        if (self._in_message or self._ahead) and not self.transport.get_write_buffer_size():
            self._refuse(*why)
        else:  # it has asked nothing, or does not read: there is nothing to wait for
            self.refused.labels(why.reason).inc()
            self.transport.abort()

    def _hold(self, more_bytes: int) -> None:
        """Count what is in memory of a client; where all have too much, the one that began first is given up."""
        if self not in self.peer.inside:
            return
        leaving = self._room.holds(self, more_bytes)
        if leaving is not None:
            leaving.make_room(TOO_MANY_BODIES)

    def _serve(self, exchange: Exchange) -> None:
        """Let the application answer."""
        exchange.task = self.loop.create_task(self._answer(exchange))
        self._state.tasks.add(exchange.task)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._give(exchange, await self.app.answer(exchange.scope, exchange.receive))
        except Exception:
            log.exception("request_failed")
            exchange.keep_alive = False
            if exchange.is_answered:
                self._end()
            else:
                await self._give(exchange, _DEFECT)
        finally:
            self._state.tasks.discard(exchange.task)

    async def _give(self, exchange: Exchange, answer: Reply | None) -> None:
        """Send an answer once the client has read the one before."""
        await self._is_read.wait()
        if self.transport.is_closing():
            return
        if answer is not None:
            self._send(exchange, answer)
        elif self._last_words is not None:
            self._part()

    def _send(self, exchange: Exchange, answer: Reply) -> None:
        exchange.is_answered = True
        scope = exchange.scope
        keep_alive = exchange.keep_alive and (exchange.is_whole or self._skips_the_rest(exchange))
        if self._room.ending and not self._is_asked_more():
            keep_alive = False
        self.transport.write(answer.whole(scope["method"], keep_alive=keep_alive, version=scope["http_version"]))
        if not keep_alive:
            self._end()
        self._go_on()

    def _skips_the_rest(self, exchange: Exchange) -> bool:
        """Tell whether what is left of a body is read; who waits to be asked for it may never send it."""
        is_coming = not exchange.waits_to_be_asked and self._last_words is None
        return is_coming and 0 < self._body_left <= SKIPPED_BYTES_MAX

    def _end(self) -> None:
        """End the connection after an answer: at once, if nothing more can come."""
        if self.transport.is_closing():
            return
        if self._in_message or self.flow.is_paused:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Let go of the connection, which then only hears its client out."""
        if self._at_eof:  # it says no more
            self.transport.close()
            return
        lingering = Lingering(self.transport, self._room, self._state, self.loop)
        self._ahead = NOTHING
        lingering.begin()
        self.connection_lost(None)

    def _go_on(self) -> None:
        """Go on with what was sent ahead, or wait for the next request."""
        self._room.holds_nothing(self)
        self._ahead_held = 0
        if self.transport.is_closing():
            return
        if self.pipeline or self._begun:
            self._hold(len(self._begun) + sum(len(each.body) for each in self.pipeline))
        if self.pipeline:
            self._serve(self.pipeline.popleft())
            if self._in_message:  # what comes last was not read meanwhile
                self.ends_s = self.loop.time() + self.limits.body_s
                if not self._is_asked:
                    self._room.waits(self)
        elif self._last_words is not None:
            self._part()
            return
        else:
            self._room.waits(self)
        if self._ahead:
            self._read_slice()
        if not self.pipeline:
            self.flow.resume()
        if self._is_answered and not self._in_message:
            self._idle()

    def shutdown(self) -> None:
        """Hear that the door is closed; what was sent ahead until then is answered, too."""
        if self.exchange and not (self._is_answered or self._is_asked_more()):
            self.exchange.keep_alive = False

    def _is_asked_more(self) -> bool:
        """Tell whether a client has sent more than what is answered now, and so has more to hear."""
        is_known = self.pipeline or self._ahead or self._last_words
        return bool(is_known) or (not self._in_message and self._has_unread())

    def end_if_idle(self) -> None:
        """End a connection on which nothing is asked."""
        if self._is_answered and not (self._in_message or self._ahead or self._has_unread()):
            self.transport.close()

    def _has_unread(self) -> bool:
        """Tell whether something has come that nobody has read: a loop that is late closes before it reads.

        The kernel would throw it away and reset the connection, and its client would not know what became of it.
        """
        opened = self.transport.get_extra_info("socket")
        if opened is None or self.transport.is_closing():
            return False
        unread = fcntl.ioctl(opened.fileno(), termios.FIONREAD, bytes(_INT.size))
        return bool(_INT.unpack(unread)[0])

    def refuse_if_late(self) -> None:
        """Refuse what has not come to its end, and what waits for its turn: the process ends now."""
        if self._in_message or self._ahead or self.pipeline:
            self.pipeline.clear()
            self._refuse("stopping", 503, "stopping; try again")

    def abort(self) -> None:
        """End the connection, whatever its client has not read: the process ends now."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Give the client its time to read; until it does, we wait for it, and not it for us."""
        self._room.waits(self)
        self.write_ends_s = self.loop.time() + self.limits.write_s
        self._is_read.clear()

    def resume_writing(self) -> None:
        """Be patient again."""
        self.write_ends_s = math.inf
        if self._is_asked:
            self._room.is_served(self)
        self._is_read.set()

    def cut_if_late(self, now_s: float) -> None:
        """End the connection if the client has used up its time."""
        is_late = now_s >= self.ends_s and not self.pipeline  # nothing is read while requests wait in that
        if now_s >= self.write_ends_s:
            self.refused.labels("too_slow").inc()
            self.transport.abort()
        elif is_late and self._in_message:
            self._refuse("too_slow", 408, "the request did not come in time")
        elif is_late and not self._has_unread():
            self.transport.close()

    def _idle(self) -> None:
        self.ends_s = self.loop.time() + self.limits.idle_s

    @property
    def _is_answered(self) -> bool:
        """Whether the request whose head came last has its answer; so it is before the first, too."""
        return self.exchange is None or self.exchange.is_answered

    @property
    def _is_asked(self) -> bool:
        """Whether the request that is answered now has come whole, so that its client waits for us."""
        is_whole = not self._in_message or self._in_head or self._last_words is not None
        return bool(self.pipeline) or (is_whole and not self._is_answered)

    def _refuse(self, reason: str, status: int, text: str) -> None:
        """Read no more, and say why when those who asked before have their answers."""
        if self._last_words is not None or self.transport.is_closing():
            return
        self.refused.labels(reason).inc()
        self.ends_s = math.inf
        self._ahead = NOTHING
        in_body = self._in_message and not self._in_head
        has_heard = in_body and self._is_answered
        self._last_words = b"" if has_heard else line(status, text).whole("GET", keep_alive=False)
        if self._is_answered:
            self._part()
        elif in_body and self.pipeline:
            self.pipeline.pop()  # it is the newest, and the only one that has not come whole
        elif in_body and self.exchange:
            self.exchange.give_up()  # whoever waits for its body stops; who does not need it answers

    def _part(self) -> None:
        if self._last_words:
            self.transport.write(self._last_words)
        self._linger()

    def _read_slice(self) -> None:
        """Read on in what was sent ahead."""
        raise NotImplementedError


def _sweep_from_now_on(state: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Look at all connections of a server now and then, as long as there are any: cheaper than timers for each."""
    if getattr(state, "f2b_sweeps", False):
        return
    state.f2b_sweeps = True

    def sweep() -> None:
        now_s = loop.time()
        for connection in list(state.connections):
            connection.cut_if_late(now_s)
        state.f2b_sweeps = bool(state.connections)
        if state.f2b_sweeps:
            loop.call_later(SWEEP_EVERY_S, sweep)

    loop.call_later(SWEEP_EVERY_S, sweep)
