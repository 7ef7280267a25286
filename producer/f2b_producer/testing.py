"""A queue in memory that behaves like SQS at the edges that matter, for tests of your application.

>>> from f2b_producer import Producer
>>> from f2b_producer.testing import RecordingClient
>>> queue = RecordingClient()
>>> with Producer("memory:", client=queue) as f2b:
...     f2b.report("203.0.113.7", jail="login")
>>> [(seen.ip, seen.jail) for seen in queue.infractions()]
[('203.0.113.7', 'login')]
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["RecordingClient", "Seen", "unpack"]

_MAX_ENTRIES = 10
_MAX_BATCH_BYTES = 262_144


class Seen(NamedTuple):
    """One infraction that arrived: `at_s` is in epoch seconds, exact to the millisecond."""

    ip: str
    jail: str
    at_s: float
    note: str | None
    weight: int = 1


class RecordingClient:
    """Takes `send_message_batch` as an SQS client does and keeps what it took.

    It refuses what SQS refuses: more than 10 entries, ids used twice, more than 256 KiB in one batch.

    Attributes:
        down: While it is set, every call raises it.
        fail: Asked for each entry; a mapping (``{"Code": …, "SenderFault": …}``) makes the entry fail.
        calls: The entries of every call, failed ones too.
        bodies: The message bodies that were taken, in order.
    """

    def __init__(self) -> None:
        self.down: Exception | None = None
        self.fail: Callable[[Mapping[str, str]], Mapping[str, object] | None] = lambda _entry: None
        self.calls: list[list[dict[str, str]]] = []
        self.bodies: list[str] = []
        self._lock = threading.Lock()

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: ARG002, N803 - boto3's names
        """Answer as SQS does: each entry is under "Successful" or under "Failed"."""
        entries = [dict(entry) for entry in Entries]
        with self._lock:
            self.calls.append(entries)
            if self.down is not None:
                raise self.down
            _refuse_what_sqs_refuses(entries)
            return self._answer(entries)

    def infractions(self) -> list[Seen]:
        """Return every infraction that arrived, in order."""
        return [seen for body in self.bodies for seen in unpack(body)]

    def _answer(self, entries: list[dict[str, str]]) -> dict[str, Any]:
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in entries:
            failure = self.fail(entry)
            if failure is None:
                self.bodies.append(entry["MessageBody"])
                answer["Successful"].append({"Id": entry["Id"]})
            else:
                answer["Failed"].append({"Id": entry["Id"], "SenderFault": False, **failure})
        return answer


def unpack(body: str) -> list[Seen]:
    """Return the infractions of one packed message body (docs/wire.md)."""
    pack = json.loads(body)
    seen, at_ms = [], pack["t0_ms"]
    for i, dt_ms in enumerate(pack["dt_ms"]):
        at_ms += dt_ms
        ip = pack["ip"][pack["of"][i] if "of" in pack else i]
        jail = pack["jail"][pack["in"][i] if "in" in pack else 0] if "jail" in pack else "default"
        weight = pack["weight"][i] if "weight" in pack else 1
        seen.append(Seen(ip, jail, at_ms / 1000, pack.get("note", {}).get(str(i)), weight))
    return seen


def _refuse_what_sqs_refuses(entries: list[dict[str, str]]) -> None:
    if not 1 <= len(entries) <= _MAX_ENTRIES:
        raise ValueError(f"AWS.SimpleQueueService.TooManyEntriesInBatchRequest: {len(entries)}")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise ValueError("AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
    if sum(len(entry["MessageBody"].encode()) for entry in entries) > _MAX_BATCH_BYTES:
        raise ValueError("AWS.SimpleQueueService.BatchRequestTooLong")
