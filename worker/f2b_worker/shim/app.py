"""The HTTP interface as an ASGI application, over any outbox; no framework, for the sake of its speed.

`GET /infraction/<ip>`, `GET /` and the pages below `/state` are the old service's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from f2b_worker.errors import F2bError
from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.replies import json_reply, reply
from f2b_worker.http.requests import header, is_cross_site, peer_of, wants_json
from f2b_worker.http.room import Room
from f2b_worker.observe.pages import LastPages
from f2b_worker.shim import metrics, replies
from f2b_worker.shim.answers import QUEUE_AWAY
from f2b_worker.shim.guards import RateLimit, Tokens
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.openapi import document
from f2b_worker.shim.outbox import TellableError
from f2b_worker.shim.pages import Making, SharedPages, state_page
from f2b_worker.shim.posts import Posts, jail_of
from f2b_worker.shim.refusals import refused, refused_report
from f2b_worker.shim.reports import Reports
from f2b_worker.shim.slices import Slices
from f2b_worker.shim.state import Request, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from f2b_worker.http.replies import Reply
    from f2b_worker.http.requests import Receive, Scope, Send
    from f2b_worker.ports import Clock
    from f2b_worker.shim.outbox import Outbox

    Handler = Callable[[Scope, Receive], Awaitable[Reply | None]]

REPORT = "/infraction/"
_REPORTING = frozenset({"GET", "HEAD", "POST", "PUT"})
"""As the old service counted them: proxies that mirror a failed login send its method. A DELETE would take back,
an OPTIONS asks only, and nobody sends a PATCH to report."""
_REPORTS_BY = replies.not_allowed(b"GET, HEAD, POST, PUT")
_FOR_ALL = {"/", "/healthz", "/readyz", "/openapi.json"}  # load balancers carry no token
_ABSENT = dict.fromkeys(("/state/infractions", "/state/requests"), replies.STATE_NOT_SHOWN)
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
        self._slices = partial(Slices, self.room.turns, clock.monotonic_s)
        self._state_pages = SharedPages(clock.monotonic_s)
        self._reports = Reports(
            outbox, clock, waiting_max=limits.waiting_max, state=self._state, turns=self.room.turns
        )
        self._posts = Posts(
            self._reports,
            self._slices,
            body_bytes=limits.body_bytes,
            unpacked_bytes_max=connections.bodies_bytes_max,
        )
        self._making = Making()
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
        if path.startswith(REPORT):
            return await self._report(scope, path[len(REPORT) :])
        if path == "/infractions":
            return await self._post(scope, receive)
        page = self._pages.get(path)
        if page is None:
            return refused("not_found", _ABSENT.get(path, replies.NOT_FOUND))
        if scope["method"] not in {"GET", "HEAD"}:
            return refused("method", replies.not_allowed(b"GET, HEAD"))
        return await page(scope, receive)

    async def _report(self, scope: Scope, ip: str) -> Reply:
        """Take one address; a body beside it is nobody's data, and is not read."""
        if scope["method"] not in _REPORTING:
            return refused_report("method", _REPORTS_BY, scope)
        jail = jail_of(scope) if scope["query_string"] else None
        return self._answered(await self._reports.one(ip, jail, peer=peer_of(scope)))

    async def _post(self, scope: Scope, receive: Receive) -> Reply | None:
        if scope["method"] != "POST":
            return refused_report("method", replies.not_allowed(b"POST"), scope)
        answer = await self._posts.answer(scope, receive)
        return answer if answer is None or answer.status not in _ANSWERS else self._answered(answer)

    def _answered(self, answer: Reply) -> Reply:
        _ANSWERS[answer.status].inc()
        if answer.status == _LATER:  # it is not ready any more, whatever was found a second ago
            self._checked = None
        return answer

    def _refusal(self, scope: Scope, path: str) -> Reply | None:
        if is_cross_site(scope["headers"]) and not self._shows_token(scope):
            return refused_report("cross_site", replies.CROSS_SITE, scope)
        if not self._guarded or path in _FOR_ALL:
            return None
        wait_s = self._rate.wait_s(peer_of(scope), self._clock.monotonic_s())
        if wait_s > 0:
            return refused_report("rate_limited", replies.too_often(wait_s), scope)
        if self._tokens.needed and not self._shows_token(scope):
            return refused_report("unauthorized", replies.NO_TOKEN, scope)
        return None

    def _shows_token(self, scope: Scope) -> bool:
        """Tell whether it shows a token of ours: a page of another site has none, nor may it send one.

        Before a browser sends a page's `Authorization` to another site it asks by OPTIONS, and nobody allows it.
        """
        return self._tokens.open_with(header(scope, b"authorization"))

    async def _alive(self, _scope: Scope, _receive: Receive) -> Reply:
        return replies.OK

    async def _ready(self, _scope: Scope, _receive: Receive) -> Reply:
        if self.room.ending:
            return replies.STOPPING
        if self._checked is not None and self._clock.monotonic_s() - self._checked[0] < _CHECK_KEPT_S:
            return self._checked[1]
        return await self._making.reply("readyz", self._check)

    async def _check(self) -> Reply:
        began_s = self._clock.monotonic_s()
        try:
            await self._outbox.check()
            answer = replies.OK
        except TellableError as error:
            answer = replies.later(str(error))
        except F2bError:  # who owns the outbox logs it: whoever asks here shows no token
            answer = replies.later(QUEUE_AWAY.detail)
        self._checked = (began_s, answer)
        return answer

    async def _metrics(self, _scope: Scope, _receive: Receive) -> Reply:
        return self._last.page("metrics", lambda: reply(200, CONTENT_TYPE_LATEST.encode(), metrics.page()))

    async def _description(self, _scope: Scope, _receive: Receive) -> Reply:
        return self._openapi

    async def _infractions(self, scope: Scope, _receive: Receive) -> Reply:
        assert self._state is not None
        bound = f"What this process stored since it started; the {self._state.addresses_max} latest addresses."
        return await self._state_page(scope, "infractions", bound, self._state.infractions)

    async def _requests(self, scope: Scope, _receive: Receive) -> Reply:
        assert self._state is not None
        bound = f"What this process answered; the {self._state.requests_max} latest requests."
        return await self._state_page(scope, "requests", bound, self._state.requests)

    async def _state_page(
        self, scope: Scope, title: str, bound: str, rows: Callable[[], Iterable[dict[str, Any]]]
    ) -> Reply:
        as_json = wants_json(header(scope, b"accept"))

        def make() -> Coroutine[Any, Any, Reply]:
            slices = self._slices(has_gone=lambda: False)  # the page is for whoever asks next, too
            return state_page(title, bound, rows(), slices, as_json=as_json)

        return await self._state_pages.page(f"{title} {as_json}", make)

    def _note(self, scope: Scope, state: State, status: int) -> None:
        query = scope["query_string"].decode("latin-1")
        target = f"{scope['path']}?{query}" if query else scope["path"]
        state.note(Request(self._clock.now_ms(), peer_of(scope), scope["method"], target, status))


def make_app(
    outbox: Outbox, clock: Clock, limits: Limits | None = None, connections: ConnectionLimits | None = None
) -> ShimApp:
    """Make the application.

    A report is answered 200 only after *outbox* has stored it, 400 with a reason for what is wrong in it, and 503
    when it cannot be stored now.
    """
    return ShimApp(outbox, clock, limits or Limits(), connections or ConnectionLimits())
