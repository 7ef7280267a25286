"""The end of a connection whose client may still be sending: it is told, and then heard out for a while.

Whoever closes a socket with unread bytes in it, or gets some afterwards, sends a reset. That may take back an
answer that the client has not read yet (RFC 9112, 9.6). A proxy takes a server that resets for dead: nginx, as it
comes, sends it nothing for ten seconds. So the answer goes out, then our end of the stream. What still comes is
thrown away until the client closes, or a bound is reached. nginx (lingering_close), Apache and Go's net/http do
the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from f2b_worker.http.room import Room

SILENCE_S = 2.0
"""nginx's lingering_timeout is 5 s and Apache's 2 s: who has not gone on by then waits for us."""

LINGERS_S = 30.0
"""As long as nginx's lingering_time and Apache's."""

AT_STOP_S = 0.5
"""Left to who lingers where the server stops: the answer has long gone out."""

DISCARDED_BYTES_MAX = 64 * 1024 * 1024
"""Four times the longest body that the shim may be told to take; to throw them away costs 15 ms of CPU. Beyond it
nothing is read any more: that resets nobody who reads while he sends, as proxies do."""

_BIN = bytearray(256 * 1024)


class Lingering(asyncio.BufferedProtocol):
    """A connection that has its last answer: it parses nothing, holds nothing, and is nobody's place.

    It stands for its connection among those of the server, whose sweep bounds it, and whose stop waits for it.

    Args:
        transport: The connection's; the answer was written to it.
        room: Bounds how many there are.
        state: uvicorn's, of the server.
        loop: Whose clock counts.
    """

    def __init__(
        self, transport: asyncio.Transport, room: Room, state: Any, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport = transport
        self._room = room
        self._connections: set[Any] = state.connections
        self._loop = loop
        self._left_bytes = DISCARDED_BYTES_MAX
        self._is_heard = True
        self._heard_s = 0.0
        self._ends_s = loop.time() + LINGERS_S

    def begin(self) -> None:
        """End our half of the connection, and hear the client out."""
        self._connections.add(self)
        oldest = self._room.linger(self)
        if oldest is not None:
            oldest.abort()
        # uvloop reads into a protocol's own buffer only if reading begins with that protocol.
        if self._transport.is_reading():
            self._transport.pause_reading()
        if self._room.is_closed:
            self.shutdown()
        self._transport.set_protocol(self)
        self._transport.write_eof()
        self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's
        """Take what comes into the one bin that all share."""
        return _BIN

    def buffer_updated(self, nbytes: int) -> None:
        """Throw it away."""
        self._is_heard = True
        self._left_bytes -= nbytes
        if self._left_bytes < 0:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Let the transport close: the client has read to the end, or gone."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget it."""
        self._connections.discard(self)
        self._room.forget(self)

    def cut_if_late(self, now_s: float) -> None:
        """Close where the client has been silent, or has gone on for too long."""
        if self._is_heard or self._transport.get_write_buffer_size():  # who has not got it all yet cannot go
            self._is_heard, self._heard_s = False, now_s
        if now_s >= self._ends_s or now_s - self._heard_s >= SILENCE_S:
            self.abort()

    def shutdown(self) -> None:
        """Stop soon."""
        self._ends_s = min(self._ends_s, self._loop.time() + AT_STOP_S)

    def abort(self) -> None:
        """Close it now."""
        self._room.forget(self)
        self._transport.abort()


class _Gone(asyncio.Transport):
    """Stands where the transport of a lingering connection was: nothing is to be said, or to be closed."""

    def is_closing(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


GONE = _Gone()
