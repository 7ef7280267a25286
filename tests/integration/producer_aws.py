"""What the producer's own client meets in AWS: a queue, and an endpoint for credentials, as small HTTP servers."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar

from f2b_producer.testing import Seen, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"
ROLE = "/latest/meta-data/iam/security-credentials/"
_RESET = struct.pack("ii", 1, 0)  # a close that does not linger: the other side gets a reset
E = TypeVar("E", bound="LocalEndpoint")


class LocalEndpoint(ThreadingHTTPServer):
    """An endpoint that may fall silent, for everybody or on the connections that there are.

    Attributes:
        silent: Nobody gets an answer.
        asked: Set by the first request.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type[_Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.silent = False
        self.asked = threading.Event()
        self.connections: list[socket.socket] = []
        self.forgotten: list[socket.socket] = []
        self.resets = False

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def forget_connections(self, *, reset: bool) -> None:
        """Treat the connections that there are as what stands between does after a freeze.

        None is closed now. What then comes on one gets a reset, or nothing at all.
        """
        self.resets = reset
        self.forgotten = list(self.connections)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any

    def setup(self) -> None:
        self.server.connections.append(self.request)
        super().setup()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.set()
        if self.server.silent or self.request in self.server.forgotten:
            self.close_connection = True
            self._leave_unanswered()
            return
        status, answer = self.answer(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_GET  # noqa: N815 - the server's names

    def _leave_unanswered(self) -> None:
        if self.server.resets:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            os.close(self.request.detach())
        else:
            self.rfile.read(1)  # until the client hangs up

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        raise NotImplementedError

    def log_message(self, *_: Any) -> None:
        pass


class LocalQueue(LocalEndpoint):
    """Takes SendMessageBatch.

    Attributes:
        takes_key: The access key that may send; None lets everybody.
        away: Answer that the service is not available.
        bodies: The message bodies that it took.
    """

    def __init__(self) -> None:
        super().__init__(_Queue)
        self.takes_key: str | None = None
        self.away = False
        self.bodies: list[str] = []

    def infractions(self) -> list[Seen]:
        """Return every infraction that arrived."""
        return [seen for body in self.bodies for seen in unpack(body)]


class _Queue(_Handler):
    def answer(self, body: bytes) -> tuple[int, bytes]:
        if self.server.away:
            return 503, b'{"__type": "ServiceUnavailable"}'
        key = self.server.takes_key
        if key is not None and f"Credential={key}/" not in self.headers["Authorization"]:
            return 403, b'{"__type": "InvalidClientTokenId", "message": "The security token is invalid."}'
        entries = json.loads(body)["Entries"]
        self.server.bodies += [entry["MessageBody"] for entry in entries]
        confirmed = [{"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""} for entry in entries]
        return 200, json.dumps({"Successful": confirmed}).encode()


class LocalCredentials(LocalEndpoint):
    """Gives credentials as an instance's metadata service does, or a container's."""

    def __init__(self) -> None:
        super().__init__(_Credentials)


class _Credentials(_Handler):
    def answer(self, body: bytes) -> tuple[int, bytes]:  # noqa: ARG002 - a queue's question has one
        if self.command == "PUT":
            return 200, b"token"
        if self.path == ROLE:
            return 200, b"role"
        expires = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = {"AccessKeyId": "AKID", "SecretAccessKey": "secret", "Token": "token", "Expiration": expires}
        return 200, json.dumps({"Code": "Success", **found}).encode()


@contextmanager
def serving(endpoint: E) -> Iterator[E]:
    """Serve until the end of the block."""
    thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.shutdown()
        thread.join()
        endpoint.server_close()
