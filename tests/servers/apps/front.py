"""Serves HTTP for work that is done elsewhere, until a signal."""

from __future__ import annotations

import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Front:
    """A server whose every answer is what *work* returns for the path.

    Args:
        port: Where it serves.
        work: Called in a thread of the connection's.
    """

    def __init__(self, port: int, work: Callable[[str], bytes]) -> None:
        self._server = _Server(port, work)

    def serve(self) -> None:
        """Serve until SIGTERM or Ctrl-C, and then until what was begun is answered."""
        end = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: end.set())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        end.wait()
        self._server.shutdown()
        with self._server.none_works:
            self._server.none_works.wait_for(lambda: not self._server.working)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, work: Callable[[str], bytes]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.work = work
        self.working = 0
        self.none_works = threading.Condition()

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a client that went away, or a child that was killed."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._count(1)
        try:
            body = self.server.work(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self.server.none_works:
            self.server.working += more
            self.server.none_works.notify_all()

    def log_message(self, *_: object) -> None:
        """Say nothing: the clients count."""
