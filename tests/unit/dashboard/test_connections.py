"""Connections of the dashboard: a stream ends with its reader."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.server import ServerState

from f2b_worker.dashboard.connections import DashboardProtocol, Streamed
from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.room import Room
from f2b_worker.http.serve import guarded_config
from tests.unit.http.line import Wire, get

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class OnePage:
    """An application that streams one page to whoever asks, once it may."""

    def __init__(self) -> None:
        self.connection_limits = ConnectionLimits()
        self.room = Room(self.connection_limits)
        self.ended = False
        self.may_begin = asyncio.Event()

    async def answer(self, _scope: object, _receive: object) -> Streamed:
        await self.may_begin.wait()
        return Streamed((), self._chunks())

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            self.ended = True


@pytest.mark.parametrize("begins_before", [True, False])
def test_a_stream_ends_at_once_when_its_reader_closes_the_tab(begins_before: bool) -> None:
    async def main() -> None:
        app = OnePage()
        config = guarded_config(lambda: app, DashboardProtocol, stop_within_s=1)
        config.load()
        state, wire = ServerState(), Wire()
        state.f2b_sweeps = True  # type: ignore[attr-defined]
        protocol: Any = DashboardProtocol(config=config, server_state=state, app_state={})
        protocol.connection_made(wire)
        protocol.data_received(get("/"))
        if begins_before:
            app.may_begin.set()
            await _settled()
        protocol.eof_received()
        app.may_begin.set()
        await _settled()
        assert wire.closed
        assert not state.tasks
        assert app.ended is begins_before
        protocol.connection_lost(None)
        assert app.room._number == 0

    asyncio.run(main())


async def _settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
