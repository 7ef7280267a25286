"""Middleware for ASGI applications: FastAPI, Starlette, Quart, Litestar, Django's ASGI handler.

>>> app.add_middleware(F2BMiddleware, producer=f2b, statuses={401: "login"}, trusted_hops=1)

Servers like uvicorn run no exit hooks when they stop. The middleware sends at their lifespan.shutdown; where it is
not used, this does:

>>> app.add_middleware(SendAtShutdown)
>>> application = SendAtShutdown(get_asgi_application())
"""

from __future__ import annotations

from f2b_producer._lifespan import Lifespan, look
from f2b_producer._watch import SERVER_ERROR, Visit, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from f2b_producer._client import Producer
    from f2b_producer._client_address import Network
    from f2b_producer._lifespan import App, Message, Receive, Scope, Send

__all__ = ["F2BMiddleware", "SendAtShutdown"]


class SendAtShutdown:
    """Sends what all producers of the process have buffered when the server stops, and changes nothing else.

    It does so at lifespan.shutdown, before the application hears of it, in a thread, and once more when the
    application has shut down. An application without lifespan needs none.

    Args:
        app: The application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the server's life."""
        if scope["type"] == "lifespan":
            await Lifespan(receive, send).serve(self._app, scope)
        else:
            look()
            await self._app(scope, receive, send)


class F2BMiddleware:
    """Reports HTTP requests by the status of their responses, and lets the application report them.

    In a request, ``scope["f2b"].report("login")`` reports its client; in Starlette and FastAPI that is
    ``request.state.f2b.report("login")`` too. A response is reported when it begins, not when a stream ends. An
    exception of the application counts as status 500 and goes on its way. Websockets pass untouched. What is
    buffered when the server stops is sent, as by `SendAtShutdown`.

    Args:
        app: The application.
        producer: Reports.
        statuses: The jail for a response status, such as ``{401: "login", 404: "scan"}``.
        decide: Asked with the status and the scope for the jail when *statuses* names none; None reports
            nothing.
        trusted_hops: How many proxies of yours every request passes: 0 if clients connect to this server itself,
            1 behind an ALB, 2 behind CloudFront and an ALB.
        trusted_proxies: Instead of that, the networks in which your proxies are.

    Raises:
        ValueError: If a setting makes no sense, or neither trusted_hops nor trusted_proxies is set.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        app: App,
        producer: Producer,
        *,
        statuses: Mapping[int, str] | None = None,
        decide: Callable[[int, Any], str | None] | None = None,
        trusted_hops: int | None = None,
        trusted_proxies: Iterable[Network] | None = None,
    ) -> None:
        self._app = app
        self._others = SendAtShutdown(app)
        self._watch = Watch(producer, statuses, decide, trusted_hops, trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        look()
        visit = _AsgiVisit(self._watch, scope.get("client"), scope.get("headers", ()))
        scope["f2b"] = visit
        state = scope.setdefault("state", {})
        if isinstance(state, dict):
            state["f2b"] = visit
        started = False

        async def send_and_judge(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                visit.judge(message.get("status", 0), scope)
            await send(message)

        try:
            await self._app(scope, receive, send_and_judge)
        except Exception:
            if not started:  # else the client has seen another status
                visit.judge(SERVER_ERROR, scope)
            raise


class _AsgiVisit(Visit):
    __slots__ = ()

    def _texts(self) -> tuple[str | None, str]:
        lines = [value for name, value in self._forwarded if name.lower() == b"x-forwarded-for"]
        return self._peer and self._peer[0], b",".join(lines).decode("latin-1")
