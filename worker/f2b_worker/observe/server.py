"""Answers short questions over HTTP beside work that must not wait: few connections, each with its time.

One thread does it, and rests after all that it does, because it shares Python's lock with the judge and the
enforcers. Where all connections are taken, the one that is open the longest makes room: who asks at once is
answered, however many others connect and ask nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import TYPE_CHECKING, Any

import structlog

from f2b_worker.domain.addresses import network_of_peer
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication, WSGIEnvironment

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CONNECTIONS_MAX = 200
ASKS_WITHIN_S = 10.0
"""From the connection to the end of its question; then so long again to read the answer."""

SILENCE_S = 2.0
"""So long is heard out who sends more than a question and rests, and for ASKS_WITHIN_S who does not rest. To close
a socket before all of it was read resets the connection, and may take back the answer (RFC 9112, 9.6)."""

HEAD_BYTES_MAX = 16 * 1024
LOOKS_EVERY_S = 1.0

RESTS = 4
"""So many seconds it rests for each second of CPU: it takes a fifth of a core at most."""

RESTS_MAX_S = 0.2
"""A probe is not kept waiting for longer than that, not even after a long page of metrics."""

_BIN = bytearray(64 * 1024)  # for what nobody reads


class _Connection:
    """One client: what it has asked so far, then what it has not read yet of the answer; at last it may linger."""

    def __init__(self, transport: socket.socket, peer: str, ends_s: float) -> None:
        self.transport = transport
        self.peer = network_of_peer(peer)
        self.ends_s = ends_s
        self.head = b""
        self.answer = b""
        self.sends_more = False  # than a question
        self.lingers = False
        self.lingers_until_s = 0.0
        self.waits_for = 0


class Server:
    """Serves a WSGI application.

    Args:
        listener: The port.
        app: Answers at once.
        now_s: Tells the time, on a clock that never goes back.
        connections_max: How many there may be.
    """

    def __init__(
        self,
        listener: socket.socket,
        app: WSGIApplication,
        *,
        now_s: Callable[[], float] = time.monotonic,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._app = _App(app)
        self._now_s = now_s
        self._connections_max = connections_max
        self._open: dict[_Connection, None] = {}  # in the order in which they came
        self._peers: Counter[str] = Counter()
        self._looks_s = now_s()
        self._ended = threading.Event()
        self._selector = DefaultSelector()
        listener.setblocking(False)  # noqa: FBT003 - its only parameter
        self._selector.register(listener, EVENT_READ)

    def __len__(self) -> int:
        return len(self._open)

    def run(self) -> None:
        """Serve until it is told to end."""
        while not self._ended.is_set():
            used_s = self.turn(LOOKS_EVERY_S)
            self._ended.wait(min(RESTS * used_s, RESTS_MAX_S))
        for connection in list(self._open):
            self._close(connection)
        self._selector.close()
        self._listener.close()

    def end(self) -> None:
        """End it; its thread is done within a second."""
        self._ended.set()

    def turn(self, wait_s: float) -> float:
        """Do what can be done now, and tell how many seconds of CPU that took.

        Args:
            wait_s: How long to wait for somebody, if there is nothing to do.
        """
        ready = self._selector.select(wait_s)
        began_s = time.thread_time()
        for each, _ in ready:
            if each.data:
                self._go_on(each.data)
        # After those who were there have been heard: who came last turn and has asked since is not shut out.
        if any(each.data is None for each, _ in ready):
            self._accept()
        self._cut_the_late()
        return time.thread_time() - began_s

    def _accept(self) -> None:
        """Take new connections, so few at once that each is heard before it is the oldest."""
        for _ in range(max(1, self._connections_max // 2)):
            try:
                transport, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # the client has gone again, or no more files may be opened
                self._make_room()
                return
            transport.setblocking(False)  # noqa: FBT003
            connection = _Connection(transport, address[0], self._now_s() + ASKS_WITHIN_S)
            self._open[connection] = None
            self._peers[connection.peer] += 1
            self._go_on(connection)  # who means it has asked by now
            if len(self._open) > self._connections_max:
                self._make_room()

    def _make_room(self) -> None:
        """End the oldest connection that has its answer; else, of who has most."""
        lingering = next((each for each in self._open if each.lingers), None)
        if lingering:
            self._close(lingering)
        elif self._open:
            greediest = max(self._peers, key=self._peers.__getitem__)
            self._cut(next(each for each in self._open if each.peer == greediest), "crowded_out")

    def _go_on(self, connection: _Connection) -> None:
        """Read on and answer, or write on, or hear the client out."""
        if connection.lingers:
            self._discard(connection)
        elif not connection.answer:
            self._read(connection)
        if connection.answer:
            self._write(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.transport.recv(HEAD_BYTES_MAX)
        except BlockingIOError:
            self._wait_for(connection, EVENT_READ)
            return
        except OSError:
            data = b""
        connection.head += data
        if b"\r\n\r\n" in connection.head or b"\n\n" in connection.head:  # whatever else it sends is not read
            connection.answer = self._app.answer(connection.head)
            connection.sends_more = not _is_whole(connection.head)
            connection.ends_s = self._now_s() + ASKS_WITHIN_S
        elif not data:
            self._close(connection)
        elif len(connection.head) >= HEAD_BYTES_MAX:
            metrics.connections_cut.labels("head_too_large").inc()
            connection.answer = _TOO_LARGE
            connection.sends_more = True
        else:
            self._wait_for(connection, EVENT_READ)

    def _write(self, connection: _Connection) -> None:
        try:
            sent = connection.transport.send(connection.answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(connection.answer)  # it has gone
        connection.answer = connection.answer[sent:]
        if connection.answer:
            self._wait_for(connection, EVENT_WRITE)
        elif connection.sends_more:
            self._linger(connection)
        else:
            self._close(connection)

    def _linger(self, connection: _Connection) -> None:
        """End our half of the connection, and hear the client out."""
        try:
            connection.transport.shutdown(socket.SHUT_WR)
        except OSError:  # it has gone
            self._close(connection)
            return
        now_s = self._now_s()
        connection.lingers = True
        connection.lingers_until_s, connection.ends_s = now_s + ASKS_WITHIN_S, now_s + SILENCE_S
        self._wait_for(connection, EVENT_READ)

    def _discard(self, connection: _Connection) -> None:
        try:
            is_there = connection.transport.recv_into(_BIN) > 0
        except BlockingIOError:
            return
        except OSError:
            is_there = False
        if is_there:
            connection.ends_s = min(self._now_s() + SILENCE_S, connection.lingers_until_s)
        else:
            self._close(connection)

    def _wait_for(self, connection: _Connection, event: int) -> None:
        """Have the selector tell of it; most connections are over before that is needed."""
        if not connection.waits_for:
            self._selector.register(connection.transport, event, connection)
        elif connection.waits_for != event:
            self._selector.modify(connection.transport, event, connection)
        connection.waits_for = event

    def _cut_the_late(self) -> None:
        now_s = self._now_s()
        if now_s >= self._looks_s:
            self._looks_s = now_s + LOOKS_EVERY_S
            for connection in [each for each in self._open if each.ends_s <= now_s]:
                if connection.lingers:
                    self._close(connection)
                else:
                    self._cut(connection, "too_slow")

    def _cut(self, connection: _Connection, reason: str) -> None:
        metrics.connections_cut.labels(reason).inc()
        self._close(connection)

    def _close(self, connection: _Connection) -> None:
        del self._open[connection]
        self._peers[connection.peer] -= 1
        if not self._peers[connection.peer]:
            del self._peers[connection.peer]
        if connection.waits_for:
            self._selector.unregister(connection.transport)
        connection.transport.close()


class _App:
    """Asks a WSGI application by GETs without a body: all of HTTP that is needed, for 1/16 of wsgiref's CPU."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def answer(self, head: bytes) -> bytes:
        """Answer a question; a defect is told to who asked, and ends nobody."""
        line, _, fields = head.decode("latin-1").partition("\n")
        method, target, version = (*line.split(), "", "", "")[:3]
        if not version.startswith("HTTP/"):
            return _written("400 Bad Request", [_TEXT], b"this is no HTTP\n")
        if method not in {"GET", "HEAD"}:
            return _written("405 Method Not Allowed", [_TEXT, ("Allow", "GET, HEAD")], b"use GET\n")
        path, _, query = target.partition("?")
        environ: WSGIEnvironment = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
        environ["HTTP_ACCEPT"] = next(
            (each[7:] for each in fields.splitlines() if each[:7].lower() == "accept:"), ""
        )
        started: list[Any] = []
        try:
            body = b"".join(self._app(environ, lambda *given: started.append(given)))  # type: ignore[arg-type]
        except Exception:
            log.exception("question_failed", path=path)
            return _written("500 Internal Server Error", [_TEXT], b"a defect; see the log\n")
        status, headers = started[0]
        return _written(status, headers, b"" if method == "HEAD" else body)


_TEXT = ("Content-Type", "text/plain; charset=utf-8")


def _is_whole(question: bytes) -> bool:
    """Tell whether nothing follows on a question: then its client waits for the answer, and sends no more."""
    head, _, more = question.replace(b"\r\n", b"\n").partition(b"\n\n")
    fields = {line.partition(b":")[0].lower() for line in head.split(b"\n")[1:]}
    return not more and fields.isdisjoint({b"content-length", b"transfer-encoding"})


def _written(status: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.0 {status}\r\n{lines}Connection: close\r\n\r\n".encode("latin-1") + body


_TOO_LARGE = _written("431 Request Header Fields Too Large", [_TEXT], b"the headers are too large\n")
