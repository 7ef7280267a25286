"""SQS and DynamoDB with real state and nothing else: so fast that a worker is measured and not its AWS.

    python -m benchmarks.canned.aws [--port N]        # prints its URL; point AWS_ENDPOINT_URL there

Beside AWS's JSON protocols it serves, with JSON in and out:

    GET  /counters      calls by operation, billed units, what became of the messages, CPU seconds used here
    GET  /deliveries    when each message was sent, in epoch milliseconds, in the order of their numbers
    POST /feed          {"attack": "zipf", "pack": 100, "messages": null}; {"attack": null} ends the attack
    POST /reset         forgets everything but limits and mishaps; the table is as it is after `provision`
    POST /limits        {"key_writes": 1000, ...}: as in localstack/table_limits.py; null is none, as at the start
    POST /mishaps       {"lost": 0.01, "late": 0.01, ...}: as in mishaps.py; null is none, as at the start
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
import zlib
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import click
import uvloop
from pydantic_core import from_json, to_json

from benchmarks.attacks import Bodies
from benchmarks.canned.dynamodb import CannedDynamoDB
from benchmarks.canned.layout import lay_out
from benchmarks.canned.mishaps import Mishaps, Odds
from benchmarks.canned.sqs import CannedSqs
from benchmarks.canned.tally import CannedError, Tally
from localstack.table_limits import NO_LIMITS, Limits, Rates

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = "f2b"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *([A-Za-z0-9_]+)\.([A-Za-z]+)", re.IGNORECASE)
_ERROR_PREFIX = {"DynamoDB_20120810": "com.amazonaws.dynamodb.v20120810#", "AmazonSQS": "com.amazonaws.sqs#"}


class LostAnswer(Exception):
    """The connection is to be closed instead of answered."""


class CannedAws:
    """Both services, what they were asked for, and who waits for a message."""

    def __init__(self) -> None:
        self.url = ""
        self._bodies: dict[tuple[str, int], Bodies] = {}
        self._waiting: list[Callable[[], None]] = []
        self._rates = NO_LIMITS
        self._mishaps = Mishaps()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the prepared attacks, the limits and the mishaps."""
        self.tally = Tally()
        self._sqs = CannedSqs(self.tally, self.url)
        self._sqs.on_message = self._wake
        self._dynamodb = CannedDynamoDB(Tally(), [TABLE])
        lay_out(self._dynamodb, TABLE)
        self._dynamodb.tally, self._dynamodb.limits = self.tally, Limits(self._rates)
        gc.collect()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer()

    def aws(self, service: str, operation: str, body: bytes, caller: Connection) -> bytes | None:
        """Answer one call of AWS's; None if the answer comes later.

        Raises:
            CannedError: What AWS would answer as an error.
            LostAnswer: If the caller is not to get one.
        """
        self.tally.calls[operation] += 1
        request = from_json(body)
        if operation == "ReceiveMessage":
            return self._receive(request, caller)
        operations = self._sqs.operations if service == "AmazonSQS" else self._dynamodb.operations
        if operation not in operations:
            raise CannedError("UnknownOperationException", f"{operation} is not canned")
        do = partial(operations[operation], request)
        return to_json(do() if service == "AmazonSQS" else self._with_mishaps(operation, do))

    def _with_mishaps(self, operation: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        mishap = self._mishaps.of(operation)
        if mishap == "late":
            asyncio.get_running_loop().call_later(self._mishaps.delay_s(), _unheard, do)
            raise LostAnswer
        answer = do()
        if mishap == "lost":
            raise LostAnswer
        return answer

    def _receive(self, request: dict[str, Any], caller: Connection) -> bytes | None:
        wait_s = request.get("WaitTimeSeconds", 0)
        if not wait_s or not self._sqs.is_empty:
            return self._sqs.receive(request)

        def answer() -> None:
            timer.cancel()
            if answer in self._waiting:
                self._waiting.remove(answer)
            if caller.is_open:  # else the messages would go to nobody
                caller.send(self._sqs.receive(request))

        timer = asyncio.get_running_loop().call_later(wait_s, answer)
        self._waiting.append(answer)
        return None

    def control(self, line: bytes, body: bytes) -> bytes:
        """Answer one request about the canned AWS itself."""
        if line.startswith(b"GET /counters"):
            figures = self.tally.as_dict() | self._dynamodb.limits.figures() | self._sqs.figures()
            return to_json(figures | {"cpu_s": time.process_time()})
        if line.startswith(b"GET /deliveries"):
            return to_json(self._sqs.sent_ms)
        if line.startswith(b"POST /reset"):
            self.reset()
            return b"{}"
        if line.startswith(b"POST /limits"):
            self._rates = NO_LIMITS if (wanted := from_json(body)) is None else Rates(**wanted)
            self._dynamodb.limits = Limits(self._rates)
            return b"{}"
        if line.startswith(b"POST /mishaps"):
            self._mishaps = Mishaps(Odds(**(from_json(body) or {})))
            return b"{}"
        if line.startswith(b"POST /feed"):
            self._feed(from_json(body))
            return b"{}"
        raise CannedError("UnknownOperationException", f"nothing here for {line.decode(errors='replace')}")

    def _feed(self, wanted: dict[str, Any]) -> None:
        if wanted["attack"] is None:
            self._sqs.feed(None)
            return
        attack = wanted["attack"], wanted["pack"]
        if attack not in self._bodies:
            self._bodies[attack] = Bodies(*attack)
            gc.freeze()
        if wanted.get("messages") != 0:  # 0 only prepares
            self._sqs.feed(self._bodies[attack], wanted.get("messages"))


def _unheard(do: Callable[[], object]) -> None:
    """Let a write take effect; if AWS refuses it, nobody hears of it."""
    with suppress(CannedError):
        do()


class Connection(asyncio.Protocol):
    """One client's connection: HTTP/1.1 with a Content-Length, kept alive, one request at a time."""

    def __init__(self, aws: CannedAws) -> None:
        self._aws = aws
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the way back: a long poll may still end."""
        del exc
        self._transport = None

    @property
    def is_open(self) -> bool:
        """Whether somebody waits at the other end."""
        return self._transport is not None

    def data_received(self, data: bytes) -> None:
        """Answer every request that is here in full."""
        received = self._received + data if self._received else data
        while True:
            head_ends = received.find(b"\r\n\r\n")
            if head_ends < 0:
                break
            head = received[:head_ends]
            found = _LENGTH.search(head)
            ends = head_ends + 4 + (int(found[1]) if found else 0)
            if len(received) < ends:
                break
            self._answer(head, received[head_ends + 4 : ends])
            received = received[ends:]
        self._received = received

    def _answer(self, head: bytes, body: bytes) -> None:
        target = _TARGET.search(head)
        service = target[1].decode() if target else ""
        try:
            if target:
                answer = self._aws.aws(service, target[2].decode(), body, self)
            else:
                answer = self._aws.control(head[: head.find(b"\r\n")], body)
        except LostAnswer:
            if self._transport:
                self._transport.close()
        except CannedError as error:
            self.send(
                to_json(
                    {"__type": _ERROR_PREFIX.get(service, "") + error.code, "message": str(error), **error.more}
                ),
                b"400 Bad Request",
            )
        else:
            if answer is not None:
                self.send(answer)

    def send(self, body: bytes, status: bytes = b"200 OK") -> None:
        """Answer; whoever has gone gets nothing."""
        if self._transport:
            self._transport.write(
                b"HTTP/1.1 %s\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: canned\r\n"
                b"x-amz-crc32: %d\r\nContent-Length: %d\r\n\r\n%s" % (status, zlib.crc32(body), len(body), body)
            )


async def start(aws: CannedAws, port: int) -> asyncio.Server:
    """Serve on loopback; the URL stands in *aws* then."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(aws), "127.0.0.1", port)
    aws.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    aws.reset()
    return server


async def _serve(port: int) -> None:
    aws = CannedAws()
    server = await start(aws, port)
    print(aws.url, flush=True)
    await server.serve_forever()


@click.command()
@click.option("--port", default=0, help="The port on loopback; any free one by default.")
def main(port: int) -> None:
    """Serve a canned SQS and DynamoDB until somebody ends it."""
    gc.disable()  # nothing here is in a cycle, and passes over millions of items would be what is measured
    uvloop.run(_serve(port))


if __name__ == "__main__":
    main()
