"""Web servers on loopback that take notices, or treat them as badly as a web server may."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HANG, DRIP, CLOSE, FLOOD = -1, -2, -3, -4
"""What a receiver may do instead of answering with a status."""


class Posted(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """A web server.

    Attributes:
        answers: What it does with the next requests; afterwards it answers 200.
        posted: What came.
        released: Ends what hangs.
    """

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.usually = 200
        self.posted: list[Posted] = []
        self.released = threading.Event()
        self.came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook?a=b"

    def serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, number: int, within_s: float = 20) -> list[Posted]:
        """Wait until so many requests came."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.posted) >= number, within_s), self.posted
            return list(self.posted)

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self.came:
            self.posted.append(Posted(handler.path, headers, body))
            answer = self.answers.pop(0) if self.answers else self.usually
            self.came.notify_all()
        with suppress(OSError):
            self._answer(handler, answer)

    def _answer(self, handler: BaseHTTPRequestHandler, answer: int) -> None:
        match answer:
            case -1:
                self.released.wait()
            case -2:
                handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not self.released.wait(0.05):
                    handler.wfile.write(b"x")
                    handler.wfile.flush()
            case -3:
                handler.connection.close()
            case -4:
                handler.send_response(200)
                handler.end_headers()
                while not self.released.is_set():
                    handler.wfile.write(b"x" * 65536)
                    time.sleep(0.001)
            case _:
                handler.send_response(answer)
                if 300 <= answer < 400:
                    handler.send_header("location", f"http://127.0.0.1:{self._server.server_address[1]}/elsewhere")
                handler.send_header("content-length", "0")
                handler.end_headers()


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run one."""
    made = Receiver()
    made.serve()
    try:
        yield made
    finally:
        made.close()
