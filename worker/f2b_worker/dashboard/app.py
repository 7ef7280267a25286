"""The dashboard as an ASGI application: which question goes where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from f2b_worker.dashboard import metrics, replies
from f2b_worker.dashboard.asked import WrongQuery, fields_in
from f2b_worker.dashboard.connections import Streamed
from f2b_worker.dashboard.cookies import Cookies
from f2b_worker.dashboard.old_state import OLD_STATE
from f2b_worker.dashboard.posts import Posts
from f2b_worker.dashboard.security import SAFE, host_refusal
from f2b_worker.dashboard.sessions import Sessions
from f2b_worker.dashboard.showing import BUSY, Showing, counted
from f2b_worker.dashboard.static_files import static_files
from f2b_worker.dashboard.stream import STREAMS_MAX, Streams
from f2b_worker.dashboard.workers import BusyError, Workers
from f2b_worker.errors import F2bError, StartError
from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.replies import retry_after
from f2b_worker.http.requests import header, is_cross_site, wants_json
from f2b_worker.http.room import Room
from f2b_worker.query.wording import DEFECT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.dashboard.showing import Content
    from f2b_worker.http.replies import Reply
    from f2b_worker.http.requests import Receive, Scope, Send
    from f2b_worker.ports import Clock

    Handler = Callable[[Scope], Awaitable[Reply | Streamed]]

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CONNECTIONS_MAX = 1_000
_LOOKS = {"GET", "HEAD"}
_STREAM = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), *SAFE)


@dataclass(frozen=True, slots=True)
class DashboardLimits:
    """What the dashboard allows.

    Attributes:
        on_loopback: Whether only this machine reaches its port.
        tokens: What opens a session, each with the name that the audit shows.
        streams_max: How many pages may be kept up to date at once.
        connections: For the server that runs it.
    """

    on_loopback: bool = True
    tokens: tuple[tuple[str, str], ...] = ()
    streams_max: int = STREAMS_MAX
    connections: ConnectionLimits = field(
        default_factory=lambda: ConnectionLimits(connections_max=CONNECTIONS_MAX)
    )


class DashboardApp:
    """The application.

    Attributes:
        connection_limits: For the server that runs it.
        room: For its connections.
    """

    def __init__(self, content: Content, clock: Clock, limits: DashboardLimits) -> None:
        self.connection_limits = limits.connections
        self.room = Room(limits.connections)
        self._content = content
        self._limits = limits
        self._workers = Workers()
        sessions = Sessions(limits.tokens, clock)
        self._showing = Showing(content, self._workers, sessions)
        self._posts = Posts(content, self._showing, self._workers, sessions, clock)
        self._streams = Streams(self._showing.main, content.view, streams_max=limits.streams_max)
        self._places: dict[str, Handler] = {
            "/healthz": _healthy,
            "/metrics": _metrics,
            "/login": self._login,
            "/stream": self._stream,
            "/logout": _post_only,
            **dict.fromkeys(content.documents, self._document),
            OLD_STATE: self._old_state,
            "/state/requests": self._old_requests,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Live and end, as ASGI has it; requests come by `answer`."""
        assert scope["type"] == "lifespan"
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        self._streams.close()
        self._workers.close()
        await send({"type": f"{message['type']}.complete"})

    async def answer(self, scope: Scope, receive: Receive) -> Reply | Streamed | None:
        """Answer one request; None if the client has gone."""
        answer = await self._answer(scope, receive)
        if answer is not None:
            metrics.answers.labels(200 if isinstance(answer, Streamed) else answer.status).inc()
        return answer

    async def _answer(self, scope: Scope, receive: Receive) -> Reply | Streamed | None:
        refusal = host_refusal(scope["headers"], on_loopback=self._limits.on_loopback)
        if refusal:
            return counted("host", replies.line(403, refusal))
        if scope["method"] == "POST":
            return await self._posts.take(scope, receive)
        if scope["method"] not in _LOOKS:
            return counted("method", replies.not_allowed(b"GET, HEAD, POST"))
        return await self._handler(scope["path"])(scope)

    def _handler(self, path: str) -> Handler:
        if path in self._places:
            return self._places[path]
        if path.startswith("/static/"):
            return _static
        if path.startswith("/acts/"):
            return _post_only
        return self._page if path.strip("/").partition("/")[0] in self._content.pages else self._nothing

    async def _page(self, scope: Scope) -> Reply:
        cookies = Cookies(scope["headers"])
        return await self._showing.whole(self._showing.asked(scope, cookies), cookies)

    async def _nothing(self, scope: Scope) -> Reply:
        asked = self._showing.asked(scope, Cookies(scope["headers"]))
        return self._showing.refused(scope, asked, 404, "not_found", "There is no such page.")

    async def _login(self, scope: Scope) -> Reply:
        asked = self._showing.asked(scope, Cookies(scope["headers"]))
        return self._showing.login(asked, None, back=asked.query.get("back", "/"))

    async def _document(self, scope: Scope) -> Reply:
        """Answer a program, which may be a page of ours and none of others."""
        if is_cross_site(scope["headers"]):
            return counted("cross_site", replies.CROSS_SITE)
        return await self._made(self._showing.asked(scope, Cookies(scope["headers"])))

    async def _made(self, asked: Asked) -> Reply:
        try:
            return replies.document(await self._workers.do(lambda: self._content.documents[asked.path](asked)))
        except BusyError:
            return counted("busy", replies.line(503, BUSY, retry_after(1)))
        except WrongQuery as error:
            return counted("bad_query", replies.line(400, str(error)))
        except StartError as error:  # the extra [geo] is not installed: to ask again does not help
            return replies.line(501, str(error))
        except F2bError as error:
            return replies.line(503, str(error), retry_after(1))
        except Exception:
            log.exception("page_failed", page=asked.path)
            return replies.line(500, DEFECT)

    async def _old_state(self, scope: Scope) -> Reply:
        """Answer as the old service's page did: JSON for programs, and for people the page of today."""
        as_json = wants_json(header(scope, b"accept"))
        return await self._document(scope) if as_json else replies.see_other("/bans")

    async def _old_requests(self, scope: Scope) -> Reply:
        asked = self._showing.asked(scope, Cookies(scope["headers"]))
        told = "Only f2b-shim knows requests: ask for /state/requests at its port."
        return self._showing.refused(scope, asked, 404, "not_found", told)

    async def _stream(self, scope: Scope) -> Reply | Streamed:
        if is_cross_site(scope["headers"]):
            return counted("cross_site", replies.CROSS_SITE)
        asked = self._showing.followed(self._showing.asked(scope, Cookies(scope["headers"])))
        if asked is None:
            return counted("not_found", replies.NOT_FOUND)
        return Streamed(_STREAM, self._streams.open(asked))


async def _healthy(_scope: Scope) -> Reply:
    return replies.HEALTHY


async def _metrics(_scope: Scope) -> Reply:
    return replies.metrics(metrics.page(), CONTENT_TYPE_LATEST.encode())


async def _post_only(_scope: Scope) -> Reply:
    return counted("method", replies.not_allowed(b"POST"))


async def _static(scope: Scope) -> Reply:
    file = static_files().get(scope["path"].removeprefix("/static/"))
    if file is None:
        return counted("not_found", replies.NOT_FOUND)
    return replies.static(
        file,
        named_by_hash=fields_in(scope["query_string"]).get("v") == file.mark,
        is_known=header(scope, b"if-none-match") == b'"%s"' % file.mark.encode(),
    )
