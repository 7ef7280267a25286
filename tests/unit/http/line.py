"""A connection to the shim, byte by byte, without a socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.server import ServerState

from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.lingering import Lingering
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.serve import Serving, uvicorn_config
from f2b_worker.testing import FakeClock, MemoryOutbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import uvicorn

    from f2b_worker.http.room import Room

IP = "203.0.113.7"
OK = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 3\r\ncache-control: no-store\r\n"
)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self, peer: str = "192.0.2.1") -> None:
        super().__init__()
        self.peer = peer
        self.unread_bytes = 0
        self.writes: list[bytes] = []
        self.closed = False
        self.half_closed = False
        self.reads = True
        self.next_protocol: asyncio.BaseProtocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.peer, 1234) if name == "peername" else default

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (0, None), "little would be left unsent for ever"

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    @property
    def ended(self) -> bool:
        """Whether the client reads the end of what we said."""
        return self.closed or self.half_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.next_protocol = protocol

    def is_reading(self) -> bool:
        return self.reads

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Line:
    """A connection to the shim over an outbox in memory; with *other*, one more to the same."""

    def __init__(
        self, limits: ConnectionLimits | None = None, peer: str = "192.0.2.1", other: Line | None = None
    ) -> None:
        self.outbox: MemoryOutbox = other.outbox if other else MemoryOutbox()
        how = Serving("127.0.0.1", 0, 1, "error", Limits(), limits or ConnectionLimits())
        self.config: uvicorn.Config = (
            other.config if other else uvicorn_config(how, lambda: self.outbox, FakeClock())
        )
        if not other:
            self.config.load()
        self.wire = Wire(peer)
        self.state: ServerState = other.state if other else ServerState()
        # Nobody is late here, and the sweep holds on to connections.
        self.state.f2b_sweeps = True  # type: ignore[attr-defined]
        make: Any = self.config.http_protocol_class
        self.protocol = make(config=self.config, server_state=self.state, app_state={})
        self.protocol.connection_made(self.wire)

    @property
    def lingering(self) -> Lingering | None:
        """What has taken the connection over, once that only hears its client out."""
        assert self.wire.next_protocol is None or isinstance(self.wire.next_protocol, Lingering)
        return self.wire.next_protocol

    @property
    def room(self) -> Room:
        room: Room = self.protocol._room
        return room

    async def send(self, data: bytes) -> None:
        """Send bytes, and let the shim do what it can do at once."""
        if self.lingering:
            self.lingering.buffer_updated(len(data))
        else:
            self.protocol.data_received(data)
        await self.settle()

    async def end(self) -> None:
        """Half-close it, as the client."""
        reader: Any = self.lingering or self.protocol
        if not reader.eof_received():
            self.wire.close()
        await self.settle()

    async def settle(self) -> None:
        """Let the shim do what it can do at once."""
        for _ in range(20):
            await asyncio.sleep(0)


def on_a_line(talk: Callable[[Line], Awaitable[None]]) -> Line:
    async def main() -> Line:
        line = Line()
        await talk(line)
        return line

    return asyncio.run(main())


def get(path: str = f"/infraction/{IP}", *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: shim", *headers, "", ""]).encode()


def mirrored(sent: bytes, length: int, method: str = "POST") -> bytes:
    """A login that a proxy passes on, with its body."""
    return get(f"/infraction/{IP}", f"Content-Length: {length}", method=method) + sent


def post(sent: bytes, length: int) -> bytes:
    return b"POST /infractions HTTP/1.1\r\nHost: shim\r\nContent-Length: %d\r\n\r\n" % length + sent
