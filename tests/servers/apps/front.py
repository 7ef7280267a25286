"""Serves HTTP for work that is done elsewhere, until a signal."""

from __future__ import annotations

import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_S = 0.1


def serve(port: int, work: Callable[[str], bytes]) -> None:
    """Serve until SIGTERM or Ctrl-C, and then until what was begun is answered."""
    server = Server(port, work)
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while not end.wait(LOOK_S):  # a signal that another thread gets interrupts no wait of this one
        pass
    server.shutdown()
    with server.none_works:
        server.none_works.wait_for(lambda: not server.working)


class Server(ThreadingHTTPServer):
    """A server whose every answer is what *work* returns for the path.

    Args:
        port: Where it serves.
        work: Called in a thread of the connection's.
    """

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
    server: Server

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
