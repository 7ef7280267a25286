"""The queue of `benchmarks.shim`: takes SendMessageBatch, answers at once, and counts what it was sent.

python -m benchmarks.shim.queue PORT      # a GET answers the counts
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

COUNTS = {"sends": 0, "infractions": 0}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: %d\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection of the shim."""

    def __init__(self) -> None:
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            _, found, length = head.partition(b"content-length:")
            whole = end + 4 + (int(length.split(b"\r\n", 1)[0]) if found else 0)
            if len(self._read) < whole:
                return
            body, self._read = self._read[end + 4 : whole], self._read[whole:]
            answer = json.dumps(_answer(body)).encode()
            assert self._transport is not None
            self._transport.write(HEAD % len(answer) + answer)


def _answer(body: bytes) -> dict[str, object]:
    if not body:
        return dict(COUNTS)
    entries = json.loads(body).get("Entries")
    if entries is None:  # GetQueueAttributes, of a shim that starts
        return {"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:000000000001:f2b"}}
    COUNTS["sends"] += 1
    COUNTS["infractions"] += sum(len(json.loads(entry["MessageBody"])["dt_ms"]) for entry in entries)
    return {"Successful": [{"Id": entry["Id"], "MessageId": "-", "MD5OfMessageBody": "-"} for entry in entries]}


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
