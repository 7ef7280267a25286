"""The HTTP interface as an ASGI application, over any outbox; no framework, for the sake of its speed.

`GET /infraction/<ip>`, `GET /` and the pages below `/state` are the old service's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from f2b_worker.errors import F2bError
from f2b_worker.observe.pages import LastPages
from f2b_worker.shim import metrics, replies
from f2b_worker.shim.guards import RateLimit, Tokens, is_cross_site
from f2b_worker.shim.limits import ConnectionLimits, Limits
from f2b_worker.shim.openapi import document
from f2b_worker.shim.pages import state_page, wants_json
from f2b_worker.shim.replies import Reply, json_reply, reply
from f2b_worker.shim.reports import Reports
from f2b_worker.shim.room import Room
from f2b_worker.shim.state import Request, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from f2b_worker.ports import Clock
    from f2b_worker.shim.outbox import Outbox

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Handler = Callable[[Scope, Receive], Awaitable[Reply | None]]

_REPORT = "/infraction/"
_FOR_ALL = {"/", "/healthz", "/readyz", "/openapi.json"}  # load balancers carry no token
_EMPTY = {"type": "http.response.body", "body": b""}
_CHECK_KEPT_S = 1.0
_LATER = 503
_ANSWERS = {status: metrics.answers.labels(status) for status in (200, 207, 400, _LATER)}


class ShimApp:
    """The application.

    Attributes:
        connection_limits: For the server that runs it.
        room: For its connections.
    """

    def __init__(self, outbox: Outbox, clock: Clock, limits: Limits, connections: ConnectionLimits) -> None:
        self.connection_limits = connections
        self.room = Room(connections)
        self._outbox = outbox
        self._clock = clock
        self._limits = limits
        self._tokens = Tokens(limits.tokens)
        self._rate = RateLimit(limits.rate_per_s)
        self._guarded = self._tokens.needed or limits.rate_per_s > 0
        self._state = State() if limits.expose_state else None
        self._reports = Reports(outbox, clock, waiting_max=limits.waiting_max, state=self._state)
        self._checked: tuple[float, Reply] | None = None
        self._last: LastPages[Reply] = LastPages(clock.monotonic_s)
        self._openapi = json_reply(200, document(with_tokens=self._tokens.needed, with_state=limits.expose_state))
        self._pages: dict[str, Handler] = {
            "/": self._alive,
            "/healthz": self._alive,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/openapi.json": self._description,
        }
        if self._state is not None:
            self._pages |= {"/state/infractions": self._infractions, "/state/requests": self._requests}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        answer = await self.answer(scope, receive)
        if answer is not None:
            await send(answer.start)
            await send(_EMPTY if scope["method"] == "HEAD" else answer.body)

    async def answer(self, scope: Scope, receive: Receive) -> Reply | None:
        """Answer one request, for a server that can send a `Reply`; None if the client has gone."""
        answer = await self._answer(scope, receive)
        if answer is not None and self._state is not None:
            self._note(scope, self._state, answer.status)
        return answer

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self._outbox.close()
        await send({"type": f"{message['type']}.complete"})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply | None:
        path = scope["path"]
        refusal = self._refusal(scope, path)
        if refusal is not None:
            return refusal
        if path.startswith(_REPORT):
            return await self._report(scope, path[len(_REPORT) :])
        if path == "/infractions":
            return await self._post(scope, receive)
        page = self._pages.get(path)
        if page is None:
            return _counted("not_found", replies.NOT_FOUND)
        if scope["method"] not in {"GET", "HEAD"}:
            return _counted("method", replies.not_allowed(b"GET, HEAD"))
        return await page(scope, receive)

    async def _report(self, scope: Scope, ip: str) -> Reply:
        if scope["method"] != "GET":  # a HEAD asks without reporting
            return _counted("method", replies.not_allowed(b"GET"))
        jail = _jail(scope["query_string"]) if scope["query_string"] else None
        return self._answered(await self._reports.one(ip, jail))

    async def _post(self, scope: Scope, receive: Receive) -> Reply | None:
        if scope["method"] != "POST":
            return _counted("method", replies.not_allowed(b"POST"))
        length = _header(scope, b"content-length")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            return _counted("body_too_large", replies.BODY_TOO_LARGE)
        body = await _body(receive, self._limits.body_bytes)
        if body is None:
            return None
        if len(body) > self._limits.body_bytes:
            return _counted("body_too_large", replies.BODY_TOO_LARGE)
        jail = _jail(scope["query_string"]) if scope["query_string"] else None
        return self._answered(await self._reports.many(body, _header(scope, b"content-type"), jail))

    def _answered(self, answer: Reply) -> Reply:
        _ANSWERS[answer.status].inc()
        if answer.status == _LATER:  # it is not ready any more, whatever was found a second ago
            self._checked = None
        return answer

    def _refusal(self, scope: Scope, path: str) -> Reply | None:
        if is_cross_site(scope["headers"]):
            return _counted("cross_site", replies.CROSS_SITE)
        if not self._guarded or path in _FOR_ALL:
            return None
        peer = scope["client"][0] if scope.get("client") else ""
        wait_s = self._rate.wait_s(peer, self._clock.monotonic_s())
        if wait_s > 0:
            return _counted("rate_limited", replies.too_often(wait_s))
        if self._tokens.needed and not self._tokens.open_with(_header(scope, b"authorization")):
            return _counted("unauthorized", replies.NO_TOKEN)
        return None

    async def _alive(self, _scope: Scope, _receive: Receive) -> Reply:
        return replies.OK

    async def _ready(self, _scope: Scope, _receive: Receive) -> Reply:
        now_s = self._clock.monotonic_s()
        if self._checked is None or now_s - self._checked[0] >= _CHECK_KEPT_S:
            try:
                await self._outbox.check()
                answer = replies.OK
            except F2bError as error:
                answer = replies.later(str(error))
            self._checked = (now_s, answer)
        return self._checked[1]

    async def _metrics(self, _scope: Scope, _receive: Receive) -> Reply:
        return self._last.page("metrics", lambda: reply(200, CONTENT_TYPE_LATEST.encode(), metrics.page()))

    async def _description(self, _scope: Scope, _receive: Receive) -> Reply:
        return self._openapi

    async def _infractions(self, scope: Scope, _receive: Receive) -> Reply:
        assert self._state is not None
        bound = f"What this process stored since it started; the {self._state.addresses_max} latest addresses."
        return self._state_page(scope, "infractions", bound, self._state.infractions)

    async def _requests(self, scope: Scope, _receive: Receive) -> Reply:
        assert self._state is not None
        bound = f"What this process answered; the {self._state.requests_max} latest requests."
        return self._state_page(scope, "requests", bound, self._state.requests)

    def _state_page(
        self, scope: Scope, title: str, bound: str, rows: Callable[[], Iterable[dict[str, Any]]]
    ) -> Reply:
        as_json = wants_json(_header(scope, b"accept"))
        return self._last.page(f"{title} {as_json}", lambda: state_page(title, bound, rows(), as_json=as_json))

    def _note(self, scope: Scope, state: State, status: int) -> None:
        peer = scope["client"][0] if scope.get("client") else ""
        query = scope["query_string"].decode("latin-1")
        target = f"{scope['path']}?{query}" if query else scope["path"]
        state.note(Request(self._clock.now_ms(), peer, scope["method"], target, status))


def make_app(
    outbox: Outbox, clock: Clock, limits: Limits | None = None, connections: ConnectionLimits | None = None
) -> ShimApp:
    """Make the application.

    A report is answered 200 only after *outbox* has stored it, 400 with a reason for what is wrong in it, and 503
    when it cannot be stored now.
    """
    return ShimApp(outbox, clock, limits or Limits(), connections or ConnectionLimits())


async def _body(receive: Receive, bytes_max: int) -> bytes | None:
    """Read the body, or a little more than *bytes_max* of it; None if the client goes away."""
    parts: list[bytes] = []
    total = 0
    while total <= bytes_max:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        total += len(parts[-1])
        if not message.get("more_body"):
            break
    return b"".join(parts)


def _header(scope: Scope, name: bytes) -> bytes:
    value: bytes
    for each, value in scope["headers"]:
        if each == name:
            return value
    return b""


def _jail(query: bytes) -> str | None:
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name == "jail":
            return value
    return None


def _counted(reason: str, answer: Reply) -> Reply:
    metrics.refused.labels(reason).inc()
    return answer
