"""The shim as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import DEFAULT_JAIL
from f2b_worker.errors import F2bError
from f2b_worker.wire import write_pack

if TYPE_CHECKING:
    from starlette.requests import Request

    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RETRY_AFTER_S = 1


class Outbox(Protocol):
    """The queue that the shim sends to."""

    def send(self, body: str) -> None:
        """Send one message body; returns only when the queue has stored it."""
        ...


def make_app(outbox: Outbox, clock: Clock) -> Starlette:
    """Make the application.

    `GET /infraction/<ip>` answers 200 only after the queue has stored the infraction, 400 with a reason for
    what is no address, 503 when the queue cannot be reached. `GET /` is the health check.
    """

    async def health(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def infraction(request: Request) -> PlainTextResponse:
        if request.method != "GET":  # starlette adds HEAD to GET, and a HEAD asks without reporting
            return PlainTextResponse("", 405, {"Allow": "GET"})
        ip = request.path_params["ip"]
        try:
            parse_address(ip)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 400)
        try:
            await run_in_threadpool(outbox.send, write_pack([(ip, DEFAULT_JAIL, clock.now_ms())]))
        except F2bError as error:
            log.warning("not_sent", reason=str(error))
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            return PlainTextResponse("the queue cannot be reached; try again\n", 503, headers)
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/", health),
            Route("/infraction/{ip:path}", infraction),
        ]
    )
