"""The load of `benchmarks.shim`: GETs over raw sockets, as JSON on standard output what came of them.

python -m benchmarks.shim.load PORT SECONDS CONNECTIONS RATE      # RATE 0: as fast as they are answered
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import NamedTuple

import uvloop

ADDRESSES = 1 << 24
"""Those of 199.0.0.0/8: none of them is special, and so each that is reported is judged."""

GOOD = b"HTTP/1.1 200 "


class Load(NamedTuple):
    """What to do: one connection after another asks again once it is answered, at most *rate_per_s* in all."""

    port: int
    run_s: float
    connections: int
    rate_per_s: float


@dataclass(frozen=True)
class Outcome:
    """What came of it; times from the moment at which a request was due."""

    answered: int
    errors: int
    took_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: float


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, number: int, load: Load) -> None:
        self.waited_s: list[float] = []
        self.errors = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._load = load
        self._every_s = load.connections / load.rate_per_s if load.rate_per_s else 0.0
        self._next = number * 1_000_003
        self._read = b""
        self._due_s = self._ends_s = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment]
        self._due_s = time.perf_counter()
        self._ends_s = self._due_s + self._load.run_s
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that the shim ended."""
        del exc
        if not self.done.done():
            self.errors += 1
            self.done.set_result(None)

    def _ask(self) -> None:
        self._next = (self._next + 1) % ADDRESSES
        a, b, c = self._next >> 16, self._next >> 8 & 255, self._next & 255
        assert self._transport is not None
        self._transport.write(b"GET /infraction/199.%d.%d.%d HTTP/1.1\r\nHost: shim\r\n\r\n" % (a, b, c))

    def data_received(self, data: bytes) -> None:
        """Take an answer, and ask again when it is time."""
        self._read += data
        if not self._read.endswith(b"\r\n\r\nok\n") and (
            self._read.startswith(GOOD) or b"\r\n\r\n" not in self._read
        ):
            return
        now_s = time.perf_counter()
        self.waited_s.append(now_s - self._due_s)
        self.errors += not self._read.startswith(GOOD)
        self._read = b""
        self._due_s = self._due_s + self._every_s if self._every_s else now_s
        if now_s >= self._ends_s:
            self.done.set_result(None)
        elif self._due_s > now_s:
            asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + self._due_s - now_s, self._ask)
        else:
            self._ask()


async def run(load: Load) -> Outcome:
    """Open the connections, and wait until all are done."""
    loop = asyncio.get_running_loop()
    began_s = time.perf_counter()
    opened = []
    for number in range(load.connections):
        _, client = await loop.create_connection(lambda n=number: Client(n, load), "127.0.0.1", load.port)  # type: ignore[misc]
        opened.append(client)
    await asyncio.wait_for(asyncio.gather(*(client.done for client in opened)), load.run_s + 30)
    took_s = time.perf_counter() - began_s
    waited_ms = sorted(waited_s * 1000 for client in opened for waited_s in client.waited_s)
    errors = sum(client.errors for client in opened)
    p50_ms, p99_ms = (waited_ms[int(len(waited_ms) * share)] for share in (0.5, 0.99))
    return Outcome(len(waited_ms) - errors, errors, took_s, p50_ms, p99_ms, time.process_time())


def main() -> None:
    """Do what the command line says."""
    port, run_s, connections, rate_per_s = sys.argv[1:]
    load = Load(int(port), float(run_s), int(connections), float(rate_per_s))
    print(json.dumps(asdict(uvloop.run(run(load)))))


if __name__ == "__main__":
    main()
