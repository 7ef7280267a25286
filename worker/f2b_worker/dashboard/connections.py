"""Connections as the shim has them, and answers that do not end: a stream of what changes on a page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.dashboard import metrics
from f2b_worker.http.reading import GuardedProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from f2b_worker.http.exchanges import Exchange
    from f2b_worker.http.replies import Reply


class Streamed(NamedTuple):
    """An answer whose end is that of its connection.

    Attributes:
        headers: What is said before it.
        chunks: Its parts. The next one is asked for when the client has taken the one before.
    """

    headers: tuple[tuple[bytes, bytes], ...]
    chunks: AsyncGenerator[bytes, None]

    @property
    def head(self) -> bytes:
        """All that comes before the first chunk."""
        return (
            b"HTTP/1.1 200 OK\r\n"
            + b"".join(b"%s: %s\r\n" % each for each in self.headers)
            + b"connection: close\r\n\r\n"
        )


class DashboardProtocol(GuardedProtocol):
    """One connection of a browser."""

    refused = metrics.refused

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pouring: asyncio.Task[None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End a stream with its client, who says nothing when he goes."""
        super().connection_lost(exc)
        if self._pouring:
            self._pouring.cancel()

    def eof_received(self) -> bool:
        """End a stream at once: a tab that is closed says no more than this."""
        if self._pouring:
            self._pouring.cancel()
        return super().eof_received()

    def shutdown(self) -> None:
        """End a stream where the server stops: it would never end by itself."""
        if self._pouring:
            self._pouring.cancel()
        super().shutdown()

    async def _give(self, exchange: Exchange, answer: Reply | Streamed | None) -> None:
        if isinstance(answer, Streamed):
            await self._pour(exchange, answer)
        else:
            await super()._give(exchange, answer)

    async def _pour(self, exchange: Exchange, answer: Streamed) -> None:
        """Pass a stream on until it ends, or is cancelled: with its connection, or with this server."""
        self._pouring = asyncio.current_task()
        try:
            self.transport.write(answer.head)
            is_read = exchange.scope["method"] != "HEAD" and not self._at_eof
            while is_read and (chunk := await anext(answer.chunks, None)) is not None:
                self.transport.write(chunk)
                await self._is_read.wait()  # whoever does not read is cut by the sweep
        finally:
            self._pouring = None
            exchange.is_answered = True
            await answer.chunks.aclose()
            self._end()
