from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from f2b_producer.asgi import F2BMiddleware
from tests.servers.apps.reporting import f2b, respond

if TYPE_CHECKING:
    from fastapi import Response

app = FastAPI()
if f2b:
    app.add_middleware(F2BMiddleware, producer=f2b, trusted_hops=0)


@app.get("/")
@app.get("/report/{note}")
async def answer(request: Request, note: str = "") -> Response:
    return PlainTextResponse(respond(request.url.path))
