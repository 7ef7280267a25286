"""What a platform asks a worker over HTTP: its metrics, whether it lives, and whether it can do its work."""

from __future__ import annotations

import threading
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, make_wsgi_app

from f2b_worker.observe.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import CollectorRegistry

_TEXT = ("Content-Type", "text/plain; charset=utf-8")


class _Server(ThreadingMixIn, WSGIServer):
    """One slow reader must not keep a probe waiting."""

    daemon_threads = True


def health_app(
    dead: Callable[[], str | None],
    problem: Callable[[], str | None],
    conflict: Callable[[], str | None] = lambda: None,
    registry: CollectorRegistry = REGISTRY,
) -> WSGIApplication:
    """Make the app that answers `/healthz`, `/readyz` and, with Prometheus metrics, every other path.

    Args:
        dead: Says in one line what has died, or None; then `/healthz` answers 503.
        problem: Says in one line why no work gets done now, or None; then `/readyz` answers 503.
        conflict: Says in one line what needs attention although work gets done; `/readyz` adds it to "ok".
        registry: Where the metrics are.
    """
    metrics = make_wsgi_app(registry)
    questions = {"/healthz": dead, "/readyz": problem}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        question = questions.get(environ.get("PATH_INFO", ""))
        if question is None:
            exposed: Iterable[bytes] = metrics(environ, start_response)
            return exposed
        wrong = question()
        start_response("503 Service Unavailable" if wrong else "200 OK", [_TEXT])
        said = conflict() if not wrong and question is problem else None
        return [f"{_line(wrong or (f'ok, but {said}' if said else 'ok'))}\n".encode()]

    return app


def _line(text: str) -> str:
    return printable(" ".join(text.split()))


def serve(port: int, app: WSGIApplication) -> WSGIServer:
    """Serve *app* on every address from a daemon thread; shut the server down to end it.

    Raises:
        OSError: If the port is taken.
    """
    server = make_server("", port, app, _Server, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


ASKS_WITHIN_S = 10.0
"""Who has connected and asks nothing for so long is cut off: each connection is a thread."""


class _Quiet(WSGIRequestHandler):
    """Probes come every few seconds; they are no news."""

    timeout = ASKS_WITHIN_S

    def handle(self) -> None:
        """Answer, unless whoever asks is too slow or gone: that is no news either."""
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing."""
