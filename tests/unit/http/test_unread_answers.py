"""Clients that do not read, over real sockets: their kernel and ours hold much of what they are told."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.reading import GuardedProtocol
from f2b_worker.testing import MemoryOutbox
from tests.unit.http.line import get
from tests.unit.http.served import Served, said, with_a_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FEW = ConnectionLimits(connections_max=4, peer_share=1.0)
PAGE = "/openapi.json"
ROOM_BYTES = 1
"""The kernel takes the least that it can instead: less than a page."""


def reads_nothing(one: Served) -> socket.socket:
    """Connect as a client that has little room for answers; the server's kernel has not much more."""
    one.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM_BYTES)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
    client.connect(one.listener.getsockname())
    client.settimeout(30)
    return client


async def connected(one: Served, number: int = 1) -> list[GuardedProtocol]:
    """Let the server take so many connections; answer all that it has."""
    while len(one.server.server_state.connections) < number:  # noqa: ASYNC110 - the server of this loop takes it
        await asyncio.sleep(0)
    return [each for each in one.server.server_state.connections if isinstance(each, GuardedProtocol)]


async def has_unsent(connection: GuardedProtocol) -> None:
    async with asyncio.timeout(30):
        while not connection.transport.get_write_buffer_size():  # noqa: ASYNC110 - nor says it of what it writes
            await asyncio.sleep(0)


def does_not_read(act: Callable[[Served, socket.socket, GuardedProtocol], Awaitable[None]], sent: bytes) -> None:
    async def main(one: Served) -> None:
        with reads_nothing(one) as client:
            (connection,) = await connected(one)
            client.sendall(sent)
            await has_unsent(connection)
            assert connection.transport.get_write_buffer_size() < 65_536
            await act(one, client, connection)

    with_a_server(main, MemoryOutbox, limits=FEW)


@pytest.mark.parametrize("last", [(), ("Connection: close",)], ids=["kept", "closed"])
def test_who_leaves_little_of_his_answer_unread_is_cut_in_time_and_leaves_his_place(last: tuple[str, ...]) -> None:
    async def act(one: Served, _client: socket.socket, connection: GuardedProtocol) -> None:
        now_s = connection.loop.time()
        connection.cut_if_late(now_s + FEW.write_s - 1)
        assert one.server.server_state.connections
        connection.cut_if_late(now_s + FEW.write_s)
        await asyncio.sleep(0)
        assert not one.server.server_state.connections
        assert connection not in connection.peer.inside

    does_not_read(act, get(PAGE, *last))


def test_who_half_closes_and_reads_nothing_is_cut_in_time() -> None:
    async def act(one: Served, client: socket.socket, connection: GuardedProtocol) -> None:
        client.shutdown(socket.SHUT_WR)
        while not connection._at_eof:  # noqa: ASYNC110 - the server of this loop reads it
            await asyncio.sleep(0)
        connection.cut_if_late(connection.loop.time() + FEW.write_s)
        await asyncio.sleep(0)
        assert not one.server.server_state.connections

    does_not_read(act, get(PAGE))


def test_who_reads_nothing_of_his_last_answer_makes_room_for_a_newcomer() -> None:
    async def main(one: Served) -> None:
        with ExitStack() as clients:
            for number in range(1, FEW.connections_max + 1):
                client = clients.enter_context(reads_nothing(one))
                connections = await connected(one, number)
                client.sendall(get(PAGE, "Connection: close"))
            for each in connections:
                await has_unsent(each)
            newcomer = one.connected()
            newcomer.sendall(get("/", "Connection: close"))
            assert (await said(newcomer)).startswith(b"HTTP/1.1 200 OK")

    with_a_server(main, MemoryOutbox, limits=FEW)


def test_who_reads_slowly_but_each_answer_in_time_is_never_cut() -> None:
    pages = 12

    async def act(one: Served, client: socket.socket, connection: GuardedProtocol) -> None:
        client.setblocking(False)
        loop, told = connection.loop, b""
        ends_s = connection.write_ends_s
        times = 0
        async with asyncio.timeout(30):
            while told.count(b"HTTP/1.1 200 OK") < pages or not told.endswith(b"}\n"):
                told += await loop.sock_recv(client, 1024)
                await asyncio.sleep(0)
                connection.cut_if_late(loop.time())
                if connection.write_ends_s not in {ends_s, float("inf")}:
                    ends_s, times = connection.write_ends_s, times + 1
        assert times > 2, "it has no new time for each answer"
        assert one.server.server_state.connections

    does_not_read(act, get(PAGE) * pages)
