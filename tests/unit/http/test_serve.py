"""The steps of a stop, over real sockets: readiness turns, the door closes, what has come is answered."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock

import pytest
import uvicorn

from f2b_worker.errors import Unavailable
from f2b_worker.http import serve
from f2b_worker.http.reading import GuardedProtocol
from f2b_worker.http.serve import GuardedServer
from f2b_worker.shim.serve import STOP_WITHIN_S
from f2b_worker.testing import MemoryOutbox
from tests.unit.http.line import get
from tests.unit.http.served import WAITING, Served, said, with_a_server
from tests.unit.shim.virtual_loop import jump, now_s, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from f2b_worker.domain.judge.infractions import Infraction


def test_whom_the_kernel_took_before_the_door_closed_is_answered_and_not_reset() -> None:
    async def act(one: Served) -> None:
        clients = [one.connected() for _ in range(WAITING)]  # nobody has accepted them: this loop did not turn
        for client in clients:
            client.sendall(get())
        stopping = asyncio.create_task(one.stop())
        answers = [await said(client) for client in clients]
        await stopping
        assert [each[:15] for each in answers] == [b"HTTP/1.1 200 OK"] * WAITING
        assert all(b"connection: close\r\n" in each for each in answers)
        assert len(one.outbox.stored) == WAITING

    with_a_server(act)


def test_nobody_is_let_in_after_the_last_look_and_before_the_door_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []
    accepted = serve._accepted

    def accepted_and_somebody_comes(listener: socket.socket) -> list[socket.socket]:
        found = accepted(listener)
        with socket.socket() as late:
            late.setblocking(False)
            late.connect_ex(listener.getsockname())
            looks.append(len(accepted(listener)))
        return found

    monkeypatch.setattr(serve, "_accepted", accepted_and_somebody_comes)
    with_a_server(Served.stop)
    assert looks == [0]


def test_a_kept_connection_may_bring_one_more_request_after_the_door_has_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "_LETS_IN_S", 0.0)

    async def act(one: Served) -> None:
        kept = one.connected()
        await asyncio.sleep(0)
        stopping = asyncio.create_task(one.stop())
        for _ in range(10):
            await asyncio.sleep(0)
        assert one.listener.fileno() < 0, "the door is open"
        kept.sendall(get())
        assert (await said(kept)).startswith(b"HTTP/1.1 200 OK")
        await stopping

    with_a_server(act)


def test_what_was_sent_ahead_of_a_stop_is_answered_though_nobody_has_read_it_yet() -> None:
    outbox = MemoryOutbox()

    async def act(one: Served) -> None:
        outbox.open.clear()
        client = one.connected()
        client.sendall(get() * 2)

        def is_waiting() -> bool:
            return any(getattr(each, "pipeline", ()) for each in one.server.server_state.connections)

        while not is_waiting():  # noqa: ASYNC110 - the server says nothing of a connection it has read
            await asyncio.sleep(0)
        client.sendall(get() * 3)
        stopping = asyncio.create_task(one.stop())
        while one.listener.fileno() >= 0:  # noqa: ASYNC110 - nor of its door
            await asyncio.sleep(0)
        outbox.open.set()
        told = (await said(client)).split(b"HTTP/1.1 200 OK")[1:]
        assert [b"connection: close" in each for each in told] == [False] * 4 + [True]
        await stopping

    with_a_server(act, lambda: outbox)


def test_a_kept_connection_on_which_nothing_comes_is_ended_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "LAST_REQUEST_S", 0.0)

    async def act(one: Served) -> None:
        idle = one.connected()
        stopping = asyncio.create_task(one.stop())
        assert await said(idle) == b""
        await stopping

    with_a_server(act)


@pytest.mark.parametrize("end", [GuardedProtocol.end_if_idle, lambda each: each.cut_if_late(each.ends_s)])
def test_a_kept_connection_whose_request_nobody_has_read_yet_is_not_idle(
    end: Callable[[GuardedProtocol], None],
) -> None:
    async def act(one: Served) -> None:
        kept = one.connected()
        while not one.server.server_state.connections:  # noqa: ASYNC110 - the server of this loop takes it
            await asyncio.sleep(0)
        kept.sendall(get())  # the loop looks at its clock before it reads
        (connection,) = one.server.server_state.connections
        assert isinstance(connection, GuardedProtocol)
        end(connection)
        stopping = asyncio.create_task(one.stop())
        assert (await said(kept)).startswith(b"HTTP/1.1 200 OK")
        await stopping

    with_a_server(act)


def test_a_request_that_does_not_come_to_its_end_hears_why_before_the_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "LAST_REQUEST_S", 0.0)
    monkeypatch.setattr(serve, "LAST_WORDS_S", STOP_WITHIN_S)

    async def act(one: Served) -> None:
        slow = one.connected()
        slow.sendall(b"POST /infractions HTTP/1.1\r\nHost: shim\r\nContent-Length: 100\r\n\r\n{")
        stopping = asyncio.create_task(one.stop())
        told = await said(slow)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"stopping; try again" in told
        await stopping

    with_a_server(act)


class HangingOutbox(MemoryOutbox):
    """Stores nothing, and gives up what waits when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = asyncio.Event()

    async def store(self, infractions: Sequence[Infraction]) -> None:  # noqa: ARG002 - an outbox's
        await self.closing.wait()
        raise Unavailable("given up")

    async def close(self) -> None:
        self.closing.set()


def test_who_still_waits_for_an_answer_near_the_end_hears_that_it_is_not_stored() -> None:
    async def act(one: Served) -> None:
        waits = one.connected()
        waits.sendall(get())
        one.server.config.timeout_graceful_shutdown = 1
        stopping = asyncio.create_task(one.stop())
        told = await said(waits)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"try again" in told
        await stopping

    with_a_server(act, HangingOutbox)


def test_who_reads_none_of_his_answers_is_let_go_of_before_the_process_ends() -> None:
    async def act(one: Served) -> None:
        reads_nothing = one.connected()
        reads_nothing.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reads_nothing.setblocking(False)
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await loop.sock_sendall(reads_nothing, get("/openapi.json") * 5000)
        one.server.config.timeout_graceful_shutdown = 1
        await one.stop()
        assert not one.server.server_state.connections
        reads_nothing.close()

    with_a_server(act)


def busy(monkeypatch: pytest.MonkeyPatch, late_s: float) -> None:
    """Have a loop with virtual time wake everybody so late, as while others hold its thread."""
    sleep = asyncio.sleep

    async def sleep_longer(for_s: float) -> None:
        await sleep(for_s)
        jump(late_s)

    monkeypatch.setattr(asyncio, "sleep", sleep_longer)


def test_a_drain_takes_no_longer_however_busy_the_process_is(monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, late_s=0.02)

    async def drain() -> float:
        server = GuardedServer(uvicorn.Config("none"), drain_s=60.0)
        await server._drain()
        return now_s()

    assert 60.0 <= run(drain()) < 60.1


def test_the_late_are_refused_in_time_however_long_it_takes_to_end_the_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def end_the_idle(_server: GuardedServer) -> None:
        jump(1.5)

    refused_s: list[float] = []
    monkeypatch.setattr(GuardedServer, "_end_the_idle", end_the_idle)
    monkeypatch.setattr(GuardedServer, "_refuse_the_late", lambda _: refused_s.append(now_s()))

    async def stop() -> None:
        server = GuardedServer(uvicorn.Config("none", timeout_graceful_shutdown=5))
        server.lifespan = AsyncMock()
        await server._end_in_steps()

    run(stop())
    assert refused_s == [pytest.approx(5 - 2 * serve.LAST_WORDS_S)]


def test_a_second_ctrl_c_ends_the_drain_and_whose_request_is_in_work_is_answered() -> None:
    async def act(one: Served) -> None:
        waits = one.connected()
        waits.sendall(get())
        await asyncio.sleep(0)
        one.server.config.timeout_graceful_shutdown = 1
        for _ in range(2):
            one.server.handle_exit(signal.SIGINT, None)
        await one.stop()
        assert (await said(waits)).startswith(b"HTTP/1.1 503 ")

    with_a_server(act, HangingOutbox, drain_s=3600.0)
