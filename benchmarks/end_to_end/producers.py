"""Some of the producers of `benchmarks.end_to_end`, in a process of their own.

    python -m benchmarks.end_to_end.producers '{"queue_url": …, "process": 0, …}'     # see Part

Every producer has its own buffer, thread and connection, as in an application of its own. When all is sent, it
says on standard output when each offender was reported last, and how many reports were made, sent and dropped.
"""

from __future__ import annotations

import json
import random
import re
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.attacks import ATTACKS, JAIL
from f2b_producer import Producer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAXRETRY = 5
BETWEEN_HITS_S = 0.2
TICK_S = 0.01
DRAWN = 1_000_000
SENT_WITHIN_S = 20.0
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass(frozen=True)
class Part:
    """What one of the processes has to do.

    Attributes:
        account: The AWS account that its requests are for.
        process: Which of `processes` this is; the producers are dealt out in turn.
        rate_per_s: Infractions a second of all processes together.
        offenders_per_s: New addresses a second, each of which is reported `MAXRETRY` times by several producers.
        starts_s: When the attack begins, in epoch seconds.
    """

    queue_url: str
    account: str
    process: int
    processes: int
    producers: int
    rate_per_s: float
    offenders_per_s: float
    starts_s: float
    lasts_s: float
    linger_s: float


class Queue:
    """As much of an SQS client as a producer needs: a thousand of boto3's would be what is measured.

    It shares the cores with the worker, so it does without an HTTP library, too: Python's own needs 0.3 ms a call.
    """

    def __init__(self, account: str) -> None:
        credential = f"Credential={account}/20260101/us-east-1/sqs/aws4_request"
        self._head = (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
            "X-Amz-Target: AmazonSQS.SendMessageBatch\r\n"
            f"Authorization: AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=none\r\n"
            "Content-Length: "
        )
        self._connection: socket.socket | None = None

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Any:  # noqa: N803 - boto3's names
        """Send up to ten messages.

        Raises:
            OSError: If the queue does not answer, or with anything but 200.
        """
        connection, self._connection = self._connection, None  # whoever fails leaves it behind
        if connection is None:
            where = urlsplit(QueueUrl)
            connection = socket.create_connection((where.hostname, where.port), timeout=10)
        body = json.dumps({"QueueUrl": QueueUrl, "Entries": list(Entries)})
        connection.sendall(f"{self._head}{len(body)}\r\n\r\n{body}".encode())
        answer = _answer(connection)
        self._connection = connection
        return json.loads(answer)


def _answer(connection: socket.socket) -> bytes:
    """Receive one answer whose length is told, as both local servers tell it."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            raise OSError(f"no answer but {received[:200]!r}")
        received += more
    head, _, answer = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not length or not head.startswith(b"HTTP/1.1 200 "):
        raise OSError(f"{head[:200]!r}: {answer[:200]!r}")
    while len(answer) < int(length[1]):
        more = connection.recv(65536)
        if not more:
            raise OSError(f"half an answer: {answer[:200]!r}")
        answer += more
    return answer


def offender(number: int) -> str:
    """Name the address of one offender; the attack around them comes from elsewhere."""
    return f"20.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def offences(part: Part) -> Iterator[tuple[float, int, str]]:
    """Tell when, through which of its producers and for whom this process reports an offence, in order of time."""
    found = []
    for number in range(int(part.offenders_per_s * (part.lasts_s - MAXRETRY * BETWEEN_HITS_S))):
        dice = random.Random(number)
        for hit in range(MAXRETRY):
            producer = dice.randrange(part.producers)
            if producer % part.processes == part.process:
                due_s = number / part.offenders_per_s + hit * BETWEEN_HITS_S
                found.append((due_s, producer // part.processes, offender(number)))
    yield from sorted(found)


def attack(part: Part) -> list[str]:
    """Draw this process's share of the attack around the offenders."""
    return ATTACKS["zipf"](random.Random(1), DRAWN)[part.process :: part.processes]


def report(part: Part, producers: Sequence[Producer], drawn: Sequence[str]) -> dict[str, float]:
    """Report on time; answer when each offender was reported last, in epoch seconds."""
    last_s: dict[str, float] = {}
    due = list(offences(part))
    around_per_s = part.rate_per_s / part.processes - len(due) / part.lasts_s
    made = offence = 0
    while (elapsed_s := time.time() - part.starts_s) < part.lasts_s:
        while offence < len(due) and due[offence][0] <= elapsed_s:
            _, place, ip = due[offence]
            last_s[ip] = time.time()
            producers[place].report(ip, JAIL)
            offence += 1
        wanted = int(elapsed_s * around_per_s)
        for number in range(made, wanted):
            producers[number % len(producers)].report(drawn[number % len(drawn)], JAIL)
        made = max(made, wanted)
        time.sleep(TICK_S)
    return last_s


def main() -> None:
    """Do what the command line says."""
    part = Part(**json.loads(sys.argv[1]))
    drawn = attack(part)
    mine = range(part.process, part.producers, part.processes)
    producers = [Producer(part.queue_url, client=Queue(part.account), linger_s=part.linger_s) for _ in mine]
    time.sleep(max(0.0, part.starts_s - time.time()))
    cpu_s = time.process_time()
    last_s = report(part, producers, drawn)
    cpu_s = time.process_time() - cpu_s
    ends_s = time.monotonic() + SENT_WITHIN_S
    while time.monotonic() < ends_s and any(one.stats().sent < one.stats().accepted for one in producers):
        time.sleep(0.1)
    stats = [one.stats() for one in producers]
    accepted, sent = sum(one.accepted for one in stats), sum(one.sent for one in stats)
    print(json.dumps({"last_s": last_s, "accepted": accepted, "sent": sent, "cpu_s": cpu_s}), flush=True)
    for one in producers:
        one.close(timeout_s=0)


if __name__ == "__main__":
    main()
