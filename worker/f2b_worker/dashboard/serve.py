"""Runs the dashboard: uvicorn with the shim's connections, in the process that calls it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from f2b_worker.dashboard.connections import DashboardProtocol
from f2b_worker.http.serve import GuardedServer, guarded_config
from f2b_worker.open_files import raise_limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from f2b_worker.dashboard.app import DashboardApp

STOP_WITHIN_S = 1
BEATS_EVERY_S = 1.0


def url_of(host: str, listener: socket) -> str:
    """Say under which URL a browser on this machine finds the dashboard."""
    shown = "localhost" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - only shown
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{listener.getsockname()[1]}/"


class Server:
    """A dashboard that serves until it is told to stop.

    Args:
        make: Makes the application, in the loop that serves it.
        beat: Called about once a second while it works.
    """

    def __init__(self, make: Callable[[], DashboardApp], beat: Callable[[], None] = lambda: None) -> None:
        self._beat = beat
        self._server = GuardedServer(guarded_config(make, DashboardProtocol, stop_within_s=STOP_WITHIN_S))

    def run(self, listener: socket) -> None:
        """Serve; the main thread only."""
        raise_limit()
        factory = self._server.config.get_loop_factory()
        self._server.stop_by_signals()
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._serve(listener))

    def stop(self) -> None:
        """Ask it to stop, from any thread."""
        self._server.stop()

    async def _serve(self, listener: socket) -> None:
        beating = asyncio.create_task(self._beat_on())
        try:
            await self._server.serve(sockets=[listener])
        finally:
            beating.cancel()

    async def _beat_on(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(BEATS_EVERY_S)
