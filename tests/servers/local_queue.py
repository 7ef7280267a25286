"""A queue on loopback that speaks as much of SQS as the producer needs, and that can be away.

It keeps the note of every infraction that it took: the tests give each report a note of its own.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Self

from f2b_producer.testing import unpack
from tests.servers.ports import claim, port_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "000000000001"


class Mood(Enum):
    """What the queue does with whoever comes."""

    ANSWERS = auto()
    REFUSES = auto()
    """No connection comes about, and the open ones are closed: a machine that is down."""
    HANGS = auto()
    """Connections are taken, and nobody answers: a firewall that drops, a machine that swaps."""
    BUSY = auto()
    """503 to all."""
    DENIES = auto()
    """403 to all: a role without the right, or expired credentials."""


class LocalQueue:
    """Serves SendMessageBatch in threads of this process until it is closed.

    Attributes:
        arrived: In how many packs an infraction with this note was taken.
    """

    def __init__(self) -> None:
        self.arrived: Counter[str] = Counter()
        self._packs: set[str] = set()
        self._held = self._answering = 0
        self._mood = Mood.ANSWERS
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._closed = False
        # A port of the kernel's choice would be another one after a refusal.
        self._claimed = claim()
        self._listener = socket.create_server(("127.0.0.1", port_of(self._claimed)))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """The queue's URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/{ACCOUNT}/f2b"

    @property
    def environment(self) -> dict[str, str]:
        """What lets an AWS client of another process find this queue, and nothing else."""
        return {
            "AWS_ENDPOINT_URL_SQS": self.url.rsplit("/", 2)[0],
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def mood(self) -> Mood:
        """What it does with whoever comes."""
        return self._mood

    @mood.setter
    def mood(self, mood: Mood) -> None:
        with self._changed:
            before, self._mood = self._mood, mood
            self._changed.notify_all()
            if mood is Mood.REFUSES:
                # It keeps its port, so that nobody else takes it, and listens no more (Linux).
                self._listener.shutdown(socket.SHUT_RDWR)
                # What was taken is confirmed first: else the producer rightly tells as lost what is here.
                self._changed.wait_for(lambda: not self._answering)
            elif before is Mood.REFUSES:
                self._listener.listen()
            if mood is Mood.REFUSES or before is Mood.HANGS:
                self._cut()

    def notes(self) -> set[str]:
        """Return the notes that have arrived by now."""
        with self._changed:
            return set(self.arrived)

    def wait_until_it_holds(self, requests: int, limit_s: float = 10.0) -> bool:
        """Wait until so many requests hung, now or before; return whether they do."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held >= requests, limit_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._cut()
            self._changed.notify_all()
        self._thread.join()
        self._listener.close()
        self._claimed.close()

    def _cut(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, address = self._listener.accept()
            except OSError:  # it listens no more
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or self._mood is not Mood.REFUSES)
                continue
            with self._changed:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: object) -> None:
        with suppress(OSError), connection:
            _Handler(connection, address, self)
        with self._changed:
            self._open.discard(connection)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Have a change of mood wait for the end of this answer."""
        with self._changed:
            self._answering += 1
        try:
            yield
        finally:
            with self._changed:
                self._answering -= 1
                self._changed.notify_all()

    def answer(self, request: bytes) -> tuple[int, dict[str, Any]] | None:
        """Answer as the mood is, with a status and JSON; None answers nothing."""
        with self._changed:
            if self._mood is Mood.HANGS:
                self._held += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._mood is not Mood.HANGS)
                return None
            if self._mood is Mood.REFUSES:
                return None
            if self._mood is Mood.BUSY:
                return 503, {"__type": "ServiceUnavailable", "message": "busy"}
            if self._mood is Mood.DENIES:
                return 403, {"__type": "AccessDeniedException", "message": "denied"}
            return 200, self._take(json.loads(request))

    def _take(self, request: dict[str, Any]) -> dict[str, Any]:
        entries = request["Entries"]
        for body in (entry["MessageBody"] for entry in entries):
            pack = json.loads(body)["id"]
            if pack not in self._packs:  # else it is sent again, and a worker knows it by its id
                self._packs.add(pack)
                self.arrived.update(seen.note or "" for seen in unpack(body))
        return {"Successful": [{"Id": each["Id"], "MessageId": "-", "MD5OfMessageBody": "-"} for each in entries]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, connection: socket.socket, address: Any, queue: LocalQueue) -> None:
        self._queue = queue
        server: Any = queue  # the base class only keeps it
        super().__init__(connection, address, server)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = self.rfile.read(length)
        with self._queue.answering():
            # Who was killed meanwhile has sent half of it.
            answer = self._queue.answer(request) if len(request) == length else None
            if answer is None:
                self.close_connection = True
            else:
                self._write(*answer)

    def _write(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests ask what arrived."""
