"""An SQS, or another service, whose answers are odd: a proxy before the local AWS that changes what comes back."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Change = Callable[[dict[str, Any]], object]

HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "date", "server"}


class OddSqs:
    """What of the answers is changed, and how often each action was asked for.

    Attributes:
        url: Where it listens.
        messages: Changes each message of an answer to ReceiveMessage.
        asked: Changes each question.
        page: What is answered to ReceiveMessage instead, with its content type, if anything.
        hidden: Which headers are left out, in lower case.
        actions: How often each action came.
        trickles: Which actions are answered by a byte a second, for ever, from now on.
        trickled: How many answers trickle.
        ended: Set at the end.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.messages: Change = lambda _message: None
        self.asked: Change = lambda _question: None
        self.page: tuple[str, bytes] | None = None
        self.hidden: set[str] = set()
        self.actions: Counter[str] = Counter()
        self.trickles: Callable[[str], bool] = lambda _action: False
        self.trickled = 0
        self.ended = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    odd: OddSqs
    upstream: str
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        action = self.headers.get("x-amz-target", "").rpartition(".")[2]
        self.odd.actions[action] += 1
        if self.odd.trickles(action):
            self.odd.trickled += 1
            self._trickle()
            return
        if action == "ReceiveMessage" and self.odd.page:
            self._show(*self.odd.page)
            return
        if action == "ReceiveMessage":
            question = json.loads(body)
            self.odd.asked(question)
            body = json.dumps(question).encode()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        status, told, answer = _ask(self.upstream + self.path, body, headers)
        if action == "ReceiveMessage" and status == 200:
            parsed = json.loads(answer)
            for message in parsed.get("Messages", []):
                self.odd.messages(message)
            answer = json.dumps(parsed).encode()
        self.send_response(status)
        for name, value in told.items():
            if name.lower() not in HOP_BY_HOP | self.odd.hidden:
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _show(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _trickle(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while not self.odd.ended.wait(1):
                self.wfile.write(b" ")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def odd_sqs(upstream: str) -> Iterator[OddSqs]:
    """Serve an SQS before *upstream*, for the time of the block."""

    handler = type("Handler", (_Handler,), {"upstream": upstream})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    odd = handler.odd = OddSqs(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield odd
    finally:
        odd.ended.set()
        server.shutdown()
        server.server_close()


def _ask(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()
