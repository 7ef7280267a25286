"""What a form sends: a token, the end of a session, an act."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import structlog

from f2b_worker.dashboard import metrics, replies
from f2b_worker.dashboard.asked import Said
from f2b_worker.dashboard.cookies import Cookies
from f2b_worker.dashboard.security import is_own_post, local_path
from f2b_worker.dashboard.sessions import WrongTokens
from f2b_worker.dashboard.showing import BUSY, NO_SESSION, READ_ONLY, counted
from f2b_worker.dashboard.workers import BusyError
from f2b_worker.errors import F2bError
from f2b_worker.http.replies import retry_after
from f2b_worker.http.requests import announces_more, header, peer_of, read_body
from f2b_worker.query.wording import DEFECT

if TYPE_CHECKING:
    from f2b_worker.dashboard.asked import Form, Visitor
    from f2b_worker.dashboard.sessions import Sessions
    from f2b_worker.dashboard.showing import Content, Showing
    from f2b_worker.dashboard.workers import Workers
    from f2b_worker.http.replies import Reply
    from f2b_worker.http.requests import Receive, Scope
    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

NOT_RIGHT = (
    "This token is not right. It is what f2b dashboard --acts printed at its start, or the part behind the colon"
    " of a NAME:TOKEN in F2B_DASHBOARD_TOKEN."
)
FORM_BYTES_MAX = 64 * 1024
_FORM = b"application/x-www-form-urlencoded"
_ACTS = "/acts/"


class Posts:
    """Takes forms of our own pages, and of no others.

    Args:
        content: What can be done.
        showing: Answers in words.
        workers: Do it.
        sessions: Know who may.
        clock: Says how long who shows wrong tokens waits.
    """

    def __init__(
        self, content: Content, showing: Showing, workers: Workers, sessions: Sessions, clock: Clock
    ) -> None:
        self._content = content
        self._showing = showing
        self._workers = workers
        self._sessions = sessions
        self._wrong_tokens = WrongTokens(clock)

    async def take(self, scope: Scope, receive: Receive) -> Reply | None:
        """Answer a POST; None if the client has gone."""
        refusal = self._refusal(scope)
        if refusal:
            return refusal
        body = await read_body(receive, FORM_BYTES_MAX)
        if body is None:
            return None
        if len(body) > FORM_BYTES_MAX:
            return counted("body_too_large", replies.TOO_LARGE)
        return await self._answer(scope, parse_qs(body.decode("latin-1"), keep_blank_values=True))

    def _refusal(self, scope: Scope) -> Reply | None:
        """Refuse what is wrong before its body has come."""
        path = scope["path"]
        if path not in {"/login", "/logout"} and path.removeprefix(_ACTS) not in self._content.acts:
            return counted("not_found", replies.NO_ACT)
        if not is_own_post(scope["headers"]):
            return counted("cross_site", replies.CROSS_SITE)
        if header(scope, b"content-type").partition(b";")[0].strip().lower() != _FORM:
            return counted("no_form", replies.NO_FORM)
        if announces_more(scope, FORM_BYTES_MAX):
            return counted("body_too_large", replies.TOO_LARGE)
        return None

    async def _answer(self, scope: Scope, form: Form) -> Reply:
        cookies = Cookies(scope["headers"])
        if scope["path"] == "/login":
            return self._log_in(scope, cookies, form)
        if scope["path"] == "/logout":
            self._sessions.end(cookies.session)
            return replies.see_other("/", cookies.drop_session())
        return await self._act(scope, cookies, scope["path"].removeprefix(_ACTS), form)

    def _log_in(self, scope: Scope, cookies: Cookies, form: Form) -> Reply:
        asked, back = self._showing.asked(scope, cookies), form.get("back", ["/"])[0]
        peer = peer_of(scope)
        if not self._sessions.are_there:
            return self._showing.refused(scope, asked, 403, "read_only", READ_ONLY)
        wait_s = self._wrong_tokens.wait_s(peer)
        if wait_s > 0:
            _note_refused(peer, "too_many_tokens")
            told = f"Too many wrong tokens. Wait {max(1, round(wait_s))} s, then try again."
            return self._showing.login(asked, told, back=back, status=429, headers=(retry_after(wait_s),))
        opened = self._sessions.open_with(form.get("token", [""])[0])
        if opened is None:
            self._wrong_tokens.note_wrong(peer)
            _note_refused(peer, "wrong_token")
            return self._showing.login(asked, NOT_RIGHT, back=back, status=403)
        self._wrong_tokens.forget(peer)
        log.info("dashboard_login", name=self._sessions.visitor(opened).name, peer=peer)
        return replies.see_other(local_path(back), cookies.keep_session(opened))

    async def _act(self, scope: Scope, cookies: Cookies, action: str, form: Form) -> Reply:
        asked = self._showing.asked(scope, cookies)
        if not asked.visitor.can_log_in:
            return self._showing.refused(scope, asked, 403, "read_only", READ_ONLY)
        if not asked.visitor.may_act:
            return self._showing.refused(scope, asked, 403, "no_session", NO_SESSION)
        said = await self._said(asked.visitor, action, form)
        if said.has_changed:
            metrics.acts.labels(action).inc()
        return replies.see_other(local_path(form.get("back", ["/"])[0]), cookies.keep_said(said))

    async def _said(self, visitor: Visitor, action: str, form: Form) -> Said:
        try:
            return await self._workers.do(lambda: self._content.acts[action](visitor, form))
        except BusyError:
            metrics.refused.labels("busy").inc()
            return Said(is_done=False, text=BUSY)
        except F2bError as error:
            return Said(is_done=False, text=str(error))
        except Exception:
            log.exception("act_failed", action=action)
            return Said(is_done=False, text=DEFECT)


def _note_refused(peer: str, reason: str) -> None:
    """Count a login that is refused, and name who tried: whoever blocks such peers reads the log."""
    metrics.refused.labels(reason).inc()
    log.warning("dashboard_login_refused", peer=peer, reason=reason)
