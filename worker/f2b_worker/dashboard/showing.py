"""What a browser gets to see: pages, and refusals in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

import structlog

from f2b_worker.dashboard import metrics, replies
from f2b_worker.dashboard.asked import Asked, Page, fields_in
from f2b_worker.dashboard.security import local_path
from f2b_worker.dashboard.workers import BusyError
from f2b_worker.errors import F2bError
from f2b_worker.http.requests import header
from f2b_worker.query.wording import DEFECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.dashboard.asked import Form, Said, Visitor
    from f2b_worker.dashboard.cookies import Cookies
    from f2b_worker.dashboard.sessions import Sessions
    from f2b_worker.dashboard.stream import Followed
    from f2b_worker.dashboard.workers import Workers
    from f2b_worker.http.replies import Reply
    from f2b_worker.http.requests import Scope

log: structlog.stdlib.BoundLogger = structlog.get_logger()

READ_ONLY = (
    "This dashboard is read-only: it was started without a token. To act, start f2b dashboard with --acts, or set"
    " F2B_DASHBOARD_TOKEN for whatever serves this, and start it again."
)
NO_SESSION = "Log in first: this needs a token."
BUSY = "Too much is asked at once. Try again."
_TITLES = {403: "Not allowed", 404: "Not found"}


class Rendering(Protocol):
    """Writes pages (rendering.py's Renderer)."""

    def whole(self, page: Page, asked: Asked) -> bytes:
        """Write a page with its frame."""
        ...

    def main(self, page: Page, asked: Asked) -> bytes:
        """Write what is inside of <main>."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """What this dashboard shows and does; pages, documents and acts may take their time.

    They are called in a thread, and so is the renderer for them; in the loop it writes only forms and refusals.

    Attributes:
        pages: By the first part of the path, what makes a page.
        documents: By the path, what makes a JSON document.
        acts: By the name of an act, what does it for somebody who is logged in.
        renderer: Writes pages.
        view: The bans as they are followed.
    """

    pages: Mapping[str, Callable[[Asked], Page]]
    documents: Mapping[str, Callable[[Asked], object]]
    acts: Mapping[str, Callable[[Visitor, Form], Said]]
    renderer: Rendering
    view: Followed


class Showing:
    """Makes answers of what is asked.

    Args:
        content: What there is to show.
        workers: Make the pages.
        sessions: Know who asks.
    """

    def __init__(self, content: Content, workers: Workers, sessions: Sessions) -> None:
        self._content = content
        self._workers = workers
        self._sessions = sessions

    def asked(self, scope: Scope, cookies: Cookies) -> Asked:
        """Read a request."""
        query: bytes = scope["query_string"]
        url = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        visitor = self._sessions.visitor(cookies.session)
        return Asked(scope["path"], fields_in(query), visitor, url=local_path(url), said=cookies.said)

    def followed(self, asked: Asked) -> Asked | None:
        """Read which page a stream is about; None if there is none such."""
        url = local_path(asked.query.get("page", "/"))
        path, _, query = url.partition("?")
        page = Asked(unquote(path), fields_in(query.encode()), asked.visitor, url=url)
        return page if page.segment in self._content.pages else None

    async def whole(self, asked: Asked, cookies: Cookies) -> Reply:
        """Answer with a page in its frame; what became of an act is shown on one page."""
        write = self._content.renderer.whole
        try:
            status, body = await self._workers.do(lambda: _written(write, self._page(asked), asked))
        except BusyError:
            metrics.refused.labels("busy").inc()
            status, body = _written(write, _says(503, "Busy", BUSY), asked)
        shown = (cookies.drop_said(),) if asked.said else ()
        return replies.html(status, body, *shown)

    async def main(self, asked: Asked) -> bytes:
        """Write what is inside of a page's <main>.

        Raises:
            BusyError: If too much waits already; what a page shows is better than to hear of that.
        """
        write = self._content.renderer.main
        return (await self._workers.do(lambda: _written(write, self._page(asked), asked)))[1]

    def _page(self, asked: Asked) -> Page:
        """Make a page; where it cannot be made, it says why."""
        try:
            return self._content.pages[asked.segment](asked)
        except F2bError as error:
            return _says(503, "This cannot be shown now", str(error))
        except Exception:
            log.exception("page_failed", page=asked.path)
            return _says(500, "This cannot be shown", DEFECT)

    def login(
        self,
        asked: Asked,
        problem: str | None,
        *,
        back: str,
        status: int = 200,
        headers: Sequence[replies.Header] = (),
    ) -> Reply:
        """Answer with the form for a token."""
        page = Page(status, "login.html", {"problem": problem, "back": local_path(back)})
        return replies.html(status, self._content.renderer.whole(page, asked), *headers)

    def refused(self, scope: Scope, asked: Asked, status: int, reason: str, text: str) -> Reply:
        """Refuse in words: as a page for people, in one line for programs; *reason* is counted."""
        if b"text/html" not in header(scope, b"accept"):
            return counted(reason, replies.line(status, text))
        page = _says(status, _TITLES[status], text)
        body = self._content.renderer.whole(page, replace(asked, said=None))
        return counted(reason, replies.html(status, body))


def _written(write: Callable[[Page, Asked], bytes], page: Page, asked: Asked) -> tuple[int, bytes]:
    """Write a page, and answer its status, too; where a template has a defect, a page that says so."""
    try:
        return page.status, write(page, asked)
    except Exception:
        log.exception("page_failed", page=asked.path)
        return 500, write(_says(500, "This cannot be shown", DEFECT), asked)


def _says(status: int, title: str, text: str) -> Page:
    return Page(status, "refused.html", {"title": title, "text": text})


def counted(reason: str, answer: Reply) -> Reply:
    """Count a refusal by its reason."""
    metrics.refused.labels(reason).inc()
    return answer
