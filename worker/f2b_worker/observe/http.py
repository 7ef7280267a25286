"""What a platform asks a worker over HTTP: its metrics, whether it lives, and whether it can do its work."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from f2b_worker.observe.pages import LastPages
from f2b_worker.observe.printable import printable
from f2b_worker.observe.server import CONNECTIONS_MAX, Server
from f2b_worker.open_files import raise_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from socket import socket
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import CollectorRegistry

_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_OPENMETRICS = "application/openmetrics-text"


class Pages:
    """The metrics as a page, in either of Prometheus's two forms.

    Args:
        registry: Where the metrics are.
        now_s: Tells the time, on a clock that never goes back.
    """

    def __init__(self, registry: CollectorRegistry, now_s: Callable[[], float]) -> None:
        self._registry = registry
        self._last: LastPages[tuple[str, bytes]] = LastPages(now_s)

    def page(self, accept: str) -> tuple[str, bytes]:
        """Make the page that somebody accepts, or give the last one again; answer its type and itself."""
        form = _OPENMETRICS if _OPENMETRICS in accept else ""
        return self._last.page(form, lambda: self._encoded(form))

    def _encoded(self, form: str) -> tuple[str, bytes]:
        encode, kind = choose_encoder(form)
        return kind, encode(self._registry)


def health_app(
    dead: Callable[[], str | None],
    problem: Callable[[], str | None],
    conflict: Callable[[], str | None] = lambda: None,
    registry: CollectorRegistry = REGISTRY,
    now_s: Callable[[], float] = time.monotonic,
) -> WSGIApplication:
    """Make the app that answers `/healthz`, `/readyz` and, with Prometheus metrics, every other path.

    Args:
        dead: Says in one line what has died, or None; then `/healthz` answers 503.
        problem: Says in one line why no work gets done now, or None; then `/readyz` answers 503.
        conflict: Says in one line what needs attention although work gets done; `/readyz` adds it to "ok".
        registry: Where the metrics are.
        now_s: Tells the time, on a clock that never goes back.
    """
    metrics = Pages(registry, now_s)
    questions = {"/healthz": dead, "/readyz": problem}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        question = questions.get(environ.get("PATH_INFO", ""))
        if question is None:
            kind, page = metrics.page(environ.get("HTTP_ACCEPT", ""))
            start_response("200 OK", [("Content-Type", kind)])
            return [page]
        wrong = question()
        start_response("503 Service Unavailable" if wrong else "200 OK", [_TEXT])
        said = conflict() if not wrong and question is problem else None
        return [f"{_line(wrong or (f'ok, but {said}' if said else 'ok'))}\n".encode()]

    return app


def _line(text: str) -> str:
    return printable(" ".join(text.split()))


def serve(listener: socket, app: WSGIApplication) -> Server:
    """Serve *app* from a daemon thread."""
    server = Server(listener, app, connections_max=_connections_max())
    threading.Thread(target=server.run, name="metrics", daemon=True).start()
    return server


def _connections_max() -> int:
    return max(1, min(CONNECTIONS_MAX, raise_limit() // 4))  # the others are the worker's own
