"""Clients that mean no good to a port of ours, until their standard input ends.

python -m benchmarks.doors.attackers KIND HOST PORT CONNECTIONS

They say "attacking" on a line when all have connected once. Who is cut off connects again. At the end they print
as JSON how often they connected and how many answers they got.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from f2b_worker.open_files import raise_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NICE = 10
"""An attacker has a machine of his own. Here he shares ours, and stands back."""

CONNECTS_WITHIN_S = 5.0
COMES_BACK_AFTER_S = 0.2
QUESTION = b"GET /metrics HTTP/1.1\r\nHost: f2b\r\n"


class Attack:
    """So many connections of one kind.

    Attributes:
        connected: How often one was made.
        answers: How many answers, or parts of them, came.
    """

    def __init__(self, kind: str, host: str, port: int) -> None:
        kinds: dict[str, Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]] = {
            "idle": self._say_nothing,
            "slow": self._drip,
            "greedy": self._ask_on_and_on,
        }
        self._do = kinds[kind]
        self._host, self._port = host, port
        self.connected = self.answers = 0

    async def go_on(self, begun: asyncio.Semaphore) -> None:
        """Attack with one connection after another."""
        while True:
            writer = None
            try:
                async with asyncio.timeout(CONNECTS_WITHIN_S):
                    reader, writer = await asyncio.open_connection(self._host, self._port)
                self.connected += 1
                begun.release()
                await self._do(reader, writer)
            except (OSError, TimeoutError):
                begun.release()
            finally:
                if writer:
                    writer.close()
            await asyncio.sleep(COMES_BACK_AFTER_S)

    async def _say_nothing(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def _drip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(QUESTION + b"X: ")
        while not reader.at_eof():
            writer.write(b"a")
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await reader.read(65_536)

    async def _ask_on_and_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            writer.write(QUESTION + b"\r\n")
            await writer.drain()
            self.answers += bool(await reader.read(65_536))


async def attack(kind: str, host: str, port: int, connections: int) -> Attack:
    """Attack until standard input ends."""
    attack, begun = Attack(kind, host, port), asyncio.Semaphore(0)
    attackers = [asyncio.create_task(attack.go_on(begun)) for _ in range(connections)]
    for _ in attackers:
        await begun.acquire()
    print("attacking", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for each in attackers:
        each.cancel()
    await asyncio.wait(attackers)
    return attack


def main() -> None:
    """Do what the command line says."""
    kind, host, port, connections = sys.argv[1:]
    raise_limit()
    os.nice(NICE)
    done = asyncio.run(attack(kind, host, int(port), int(connections)))
    print(json.dumps({"connected": done.connected, "answers": done.answers}))


if __name__ == "__main__":
    main()
