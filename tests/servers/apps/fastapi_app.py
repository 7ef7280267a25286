from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from f2b_producer.asgi import SendAtShutdown
from tests.servers.apps.reporting import respond

if TYPE_CHECKING:
    from fastapi import Response

app = FastAPI()
app.add_middleware(SendAtShutdown)


@app.get("/")
@app.get("/report/{note}")
async def answer(request: Request, note: str = "") -> Response:
    return PlainTextResponse(respond(request.url.path))
