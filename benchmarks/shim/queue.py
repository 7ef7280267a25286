"""The queue of `benchmarks.shim`: takes SendMessageBatch, answers at once, and counts what it was sent.

python -m benchmarks.shim.queue PORT            # a GET answers the counts
python -m benchmarks.shim.queue PORT --by-ip    # it says as well how often each address came
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterable

COUNTS = {"sends": 0, "infractions": 0}
BY_IP: Counter[str] = Counter()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: %d\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection of the shim.

    Args:
        by_ip: Whether addresses are counted, too; that costs memory and time.
    """

    def __init__(self, *, by_ip: bool = False) -> None:
        self._by_ip = by_ip
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
            answer = json.dumps(_answer(body, by_ip=self._by_ip)).encode()
            assert self._transport is not None
            self._transport.write(HEAD % len(answer) + answer)


def _answer(body: bytes, *, by_ip: bool = False) -> dict[str, object]:
    if not body:
        return COUNTS | ({"by_ip": BY_IP} if by_ip else {})
    entries = json.loads(body).get("Entries")
    if entries is None:  # GetQueueAttributes, of a shim that starts
        return {"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:000000000001:f2b"}}
    COUNTS["sends"] += 1
    packs = [json.loads(entry["MessageBody"]) for entry in entries]
    COUNTS["infractions"] += sum(len(pack["dt_ms"]) for pack in packs)
    if by_ip:
        BY_IP.update(ip for pack in packs for ip in _addresses(pack))
    return {"Successful": [{"Id": entry["Id"], "MessageId": "-", "MD5OfMessageBody": "-"} for entry in entries]}


def _addresses(pack: dict[str, Any]) -> Iterable[str]:
    """Name the address of each infraction: `of` says which, where one comes twice."""
    ips: list[str] = pack["ip"]
    return (ips[place] for place in pack["of"]) if "of" in pack else ips


async def serve(port: int, *, by_ip: bool) -> None:
    """Serve until the process is ended."""
    make = partial(Connection, by_ip=by_ip)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), by_ip="--by-ip" in sys.argv))
