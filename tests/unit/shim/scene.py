"""The shim's application over an outbox in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client import REGISTRY

from f2b_worker.shim.app import ShimApp, make_app
from f2b_worker.shim.limits import Limits
from f2b_worker.testing import FakeClock, MemoryOutbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

IP = "203.0.113.7"


class Shim:
    """An application over an outbox in memory, and requests to it."""

    def __init__(self, clock: FakeClock | None = None, **limits: Any) -> None:
        self.outbox = MemoryOutbox()
        self.clock = clock or FakeClock()
        self.app: ShimApp = make_app(self.outbox, self.clock, Limits(**limits))

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def once(http: httpx.AsyncClient) -> httpx.Response:
            return await http.request(method, path, **more)

        return self.run(once)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, content: object, path: str = "/infractions", **more: Any) -> httpx.Response:
        body = content if isinstance(content, (str, bytes)) else json.dumps(content)
        return self.ask("POST", path, content=body, **more)

    def run(self, asking: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]) -> httpx.Response:
        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://shim") as http:
                return await asking(http)

        return asyncio.run(main())


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("f2b_shim_refused_total", {"reason": reason}) or 0.0
