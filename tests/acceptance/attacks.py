"""Attacks on the way into the queue, and what must come out."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from demo.checker import incomplete, unsound
from demo.data import read
from demo.fleet import eventually
from demo.prove import RULES, shifted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from demo.checker import Infraction
    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

REPLAY = ("--max-age", "0", "--unban-lag-s", "0", "--log-level", "warning")
"""Worker options for attacks that took weeks."""


def real_attack(oracle: Path, name: str) -> list[Infraction]:
    """Read one of the oracle's attacks, shifted in time so that it ends now."""
    return shifted(read(oracle / f"{name}.infractions.ndjson"), now_ms() - 1000)


def report(ip: str, times: int) -> list[str]:
    """Make so many message bodies about one address, as of now."""
    return [f'{{"ip": "{ip}", "id": "{ip}-{number}"}}' for number in range(times)]


def now_ms() -> int:
    """Tell the time."""
    return time.time_ns() // 1_000_000


def send_in_small_messages(fleet: Fleet, infractions: Sequence[Infraction], size: int) -> None:
    """Send an attack in the simple form, *size* infractions a message, each with an id."""
    items = [
        {"ip": one.ip, "jail": one.jail, "at": one.at_ms / 1000, "id": f"i{place}"}
        for place, one in enumerate(infractions)
    ]
    send_bodies(fleet, [json.dumps(items[start : start + size]) for start in range(0, len(items), size)])


def send_bodies(fleet: Fleet, bodies: Sequence[str]) -> None:
    """Send message bodies as they are, in their order."""
    for start in range(0, len(bodies), 10):
        batch = bodies[start : start + 10]
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(batch)]
        answer = fleet.sqs.send_message_batch(QueueUrl=fleet.queue_url, Entries=entries)
        assert not answer.get("Failed")


def hang_in_judging(fleet: Fleet, aws: LocalAws, bodies: Sequence[str]) -> None:
    """Have a worker, once it works, judge something for which DynamoDB gives no answer."""
    eventually(lambda: "sqs:ReceiveMessage" in aws.edge.calls(), "the worker works", 30)
    aws.edge.fault("dynamodb:UpdateItem", "delay", delay_s=60)
    calls = aws.edge.calls().get("dynamodb:UpdateItem", 0)
    send_bodies(fleet, bodies)
    eventually(lambda: aws.edge.calls().get("dynamodb:UpdateItem", 0) > calls, "it is being judged", 20)


@contextmanager
def stream_of_reports(fleet: Fleet) -> Iterator[list[str]]:
    """Have two clients report an address after the other; yield those answered 200, once there are many.

    Each client goes on until it is refused, which ends the block.
    """
    answered: list[str] = []

    def report_until_refused(client: int) -> None:
        for number in range(100_000):
            ip = f"100.{client}.{number // 250}.{number % 250}"
            if fleet.get(f"/infraction/{ip}")[0] != 200:
                return
            answered.append(ip)

    clients = [threading.Thread(target=report_until_refused, args=(client,)) for client in range(2)]
    for each in clients:
        each.start()
    eventually(lambda: len(answered) > 200, "a stream of requests", 30)
    yield answered
    for each in clients:
        each.join()


def wrongs(fleet: Fleet, infractions: Sequence[Infraction]) -> list[str]:
    """Say what is unsound or incomplete about the bans in the ledger, by the checker."""
    bans = fleet.bans()
    return unsound(bans, infractions, RULES) + incomplete(bans, infractions, RULES, now_ms())
