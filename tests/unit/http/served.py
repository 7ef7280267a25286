"""A server in the loop of a test, with real sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvloop

from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.serve import GuardedServer
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.serve import Serving, uvicorn_config
from f2b_worker.testing import FakeClock, MemoryOutbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

WAITING = 50


class Served:
    """A server in this loop, and its door."""

    def __init__(self, outbox: MemoryOutbox, drain_s: float = 0.0, limits: ConnectionLimits | None = None) -> None:
        self.outbox = outbox
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
        how = Serving("127.0.0.1", 0, 1, "error", Limits(), limits or ConnectionLimits())
        config = uvicorn_config(how, lambda: self.outbox, FakeClock())
        config.load()
        self.server = GuardedServer(config, drain_s=drain_s, owns_door=True)
        self.server.lifespan = config.lifespan_class(config)

    def connected(self) -> socket.socket:
        client = socket.create_connection(self.listener.getsockname())
        client.settimeout(30)
        return client

    async def stop(self) -> None:
        await self.server.shutdown([self.listener])


@asynccontextmanager
async def served(made: Served) -> AsyncIterator[Served]:
    await made.server.startup([made.listener])
    try:
        yield made
    finally:
        for each in made.server.servers:  # where a test fails: a loop that still listens does not close
            each.close()
        made.listener.close()
        left: Any = list(made.server.server_state.connections)
        for each in left:
            each.abort()
        await asyncio.sleep(0)


def with_a_server(
    act: Callable[[Served], Awaitable[None]],
    make: Callable[[], MemoryOutbox] = MemoryOutbox,
    drain_s: float = 0.0,
    limits: ConnectionLimits | None = None,
) -> None:
    async def main() -> None:
        async with served(Served(make(), drain_s, limits)) as one:
            await act(one)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def said(client: socket.socket) -> bytes:
    """Read to the end of a connection."""
    client.setblocking(False)
    loop, told = asyncio.get_running_loop(), b""
    async with asyncio.timeout(30):
        while data := await loop.sock_recv(client, 65_536):
            told += data
    client.close()
    return told
