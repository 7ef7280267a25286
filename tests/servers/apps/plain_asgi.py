"""ASGI without a framework: `app` has the middleware, `bare` has not, `deaf` has it and no lifespan."""

from __future__ import annotations

from typing import Any

from f2b_producer.asgi import F2BMiddleware
from tests.servers.apps.reporting import begin_worker, f2b, respond


async def bare(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await _serve(scope, send)


async def _without_lifespan(scope: Any, _receive: Any, send: Any) -> None:
    assert scope["type"] == "http", "as many small applications do"
    await _serve(scope, send)


async def _live(receive: Any, send: Any) -> None:
    await receive()
    begin_worker()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _serve(scope: Any, send: Any) -> None:
    body = respond(scope["path"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app: Any = F2BMiddleware(bare, f2b, trusted_hops=0) if f2b else bare
deaf: Any = F2BMiddleware(_without_lifespan, f2b, trusted_hops=0) if f2b else _without_lifespan
