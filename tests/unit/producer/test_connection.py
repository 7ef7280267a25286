"""The SQS client that the producer makes itself, against an HTTP server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from f2b_producer import Producer


class CannedQueue(BaseHTTPRequestHandler):
    """Confirms every message and keeps the connection."""

    protocol_version = "HTTP/1.1"
    connections: list[object]
    entries: list[dict[str, Any]]

    def setup(self) -> None:
        self.connections.append(self.client_address)
        super().setup()

    def do_POST(self) -> None:
        entries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Entries"]
        self.entries.extend(entries)
        confirmed = [{"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""} for entry in entries]
        body = json.dumps({"Successful": confirmed}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[CannedQueue]]:
    class Handler(CannedQueue):
        connections: list[object] = []  # noqa: RUF012 - one list for all of its instances, for this test
        entries: list[dict[str, Any]] = []  # noqa: RUF012

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        server.daemon_threads = True
        server.block_on_close = False
        yield Handler
        server.shutdown()
        thread.join()


def test_everything_goes_over_one_connection_that_is_kept(canned: type[CannedQueue]) -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"
    with Producer(url, linger_s=0, flush_timeout_s=30, message_group_id="checkout") as f2b:
        for i in range(5):
            f2b.report(f"203.0.113.{i}")
            assert f2b.flush(), f2b.health().last_error
        client: Any = f2b._pump._sender._client
        client.close()
    assert len(canned.connections) == 1
    assert len(canned.entries) == 5
    assert {entry["MessageGroupId"] for entry in canned.entries} == {"checkout"}
