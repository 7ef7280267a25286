"""SQS with real state: an attack that never ends, and what somebody sent; durability and validation are canned.

A message stays in flight until it is deleted or released: there is no visibility timeout.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from benchmarks.attacks import Bodies, pack_id
from benchmarks.canned.tally import CannedError, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

Request = dict[str, Any]
Answer = dict[str, Any]

ACCOUNT = "000000000001"
RECEIVE_MAX = 10
DEAD_LETTERS = "-dead"
# As long as what AWS answers; no client looks at its inside.
_RECEIPT_REST = "x" * 168


class CannedSqs:
    """One queue, its dead-letter queue, and an attack that fills it as fast as somebody receives.

    Attributes:
        on_message: Called when a queue that was empty is no longer.
    """

    def __init__(self, tally: Tally, url: str) -> None:
        self._tally = tally
        self._url = url
        self._bodies: Bodies | None = None
        self._left = 0
        self._waiting: deque[int] = deque()
        self._released: set[int] = set()
        self._sent: dict[int, bytes] = {}
        self._receives: dict[int, int] = {}
        self._dead: list[str] = []
        self.sent_ms: list[int] = []
        self.deleted = 0
        self.on_message: Callable[[], None] = lambda: None
        self.operations: dict[str, Callable[[Request], Answer]] = {
            "GetQueueUrl": lambda request: {"QueueUrl": f"{self._url}/{ACCOUNT}/{request['QueueName']}"},
            "GetQueueAttributes": self._attributes,
            "SendMessage": self._send_message,
            "SendMessageBatch": self._send_message_batch,
            "DeleteMessage": self._delete_message,
            "DeleteMessageBatch": self._delete_message_batch,
            "ChangeMessageVisibilityBatch": self._change_message_visibility_batch,
        }

    @property
    def in_flight(self) -> int:
        """How many messages are received and neither deleted nor released."""
        return len(self._receives) - len(self._waiting)

    @property
    def is_empty(self) -> bool:
        """Whether a receive would find nothing."""
        return not self._waiting and not self._left

    def figures(self) -> Answer:
        """Answer what became of the messages."""
        return {
            "delivered": len(self.sent_ms),
            "deleted": self.deleted,
            "left": self._left,
            "in_flight": self.in_flight,
            "waiting": len(self._waiting),
            "dead": len(self._dead),
        }

    def feed(self, bodies: Bodies | None, messages: int | None = None) -> None:
        """Let an attack begin, of so many messages or for ever; None ends it."""
        self._bodies = bodies or self._bodies
        self._left = 0 if bodies is None else messages or 1 << 62
        self.on_message()

    def _attributes(self, request: Request) -> Answer:
        name = request["QueueUrl"].rsplit("/", maxsplit=1)[-1]
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
        redrive = f'{{"deadLetterTargetArn":"{arn}{DEAD_LETTERS}","maxReceiveCount":5}}'
        known = {
            "QueueArn": arn,
            "RedrivePolicy": redrive,
            "VisibilityTimeout": "30",
            "MessageRetentionPeriod": "1209600",
            "MaximumMessageSize": "1048576",
            "ApproximateNumberOfMessages": str(len(self._waiting)),
            "ApproximateNumberOfMessagesNotVisible": str(self.in_flight),
        }
        asked = request.get("AttributeNames", [])
        return {"Attributes": {name: known[name] for name in known if name in asked or "All" in asked}}

    def receive(self, request: Request) -> bytes:
        """Answer a ReceiveMessage at once, with the JSON itself: the bodies stand ready."""
        most = min(request.get("MaxNumberOfMessages", 1), RECEIVE_MAX)
        now_ms = time.time_ns() // 1_000_000
        numbers = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._released.difference_update(numbers)
        while len(numbers) < most and self._left and self._bodies:
            self._left -= 1
            numbers.append(len(self.sent_ms))
            self.sent_ms.append(now_ms)
        answer = b'{"Messages":[%s]}' % b",".join(map(self._message, numbers)) if numbers else b"{}"
        self._tally.bill_sqs(len(answer))
        return answer

    def _message(self, number: int) -> bytes:
        receives = self._receives[number] = self._receives.get(number, 0) + 1
        sent_ms = self.sent_ms[number]
        body = self._sent.get(number)
        if body is None and self._bodies:
            body = b'"%s"' % self._bodies.body(number, sent_ms)
        return (
            b'{"MessageId":"%s","ReceiptHandle":"%012d%s","MD5OfBody":"%s","Body":%s,'
            b'"Attributes":{"SentTimestamp":"%d","ApproximateReceiveCount":"%d"}}'
        ) % (
            _message_id(number).encode(),
            number,
            _RECEIPT_REST.encode(),
            _md5(from_json(body or b'""')).encode(),
            body or b'""',
            sent_ms,
            receives,
        )

    def _send_message(self, request: Request) -> Answer:
        self._tally.bill_sqs(len(request["MessageBody"].encode()))
        return {
            "MessageId": self._keep(request, request["MessageBody"]),
            "MD5OfMessageBody": _md5(request["MessageBody"]),
        }

    def _send_message_batch(self, request: Request) -> Answer:
        entries = request["Entries"]
        if not 1 <= len(entries) <= RECEIVE_MAX:
            raise CannedError("TooManyEntriesInBatchRequest", "a batch has 1 to 10 entries")
        self._tally.bill_sqs(sum(len(one["MessageBody"].encode()) for one in entries))
        sent = [
            {
                "Id": one["Id"],
                "MessageId": self._keep(request, one["MessageBody"]),
                "MD5OfMessageBody": _md5(one["MessageBody"]),
            }
            for one in entries
        ]
        return {"Successful": sent}

    def _accept(self, request: Request, body: str) -> Answer:
        return {"MessageId": self._keep(request, body), "MD5OfMessageBody": _md5(body)}

    def _keep(self, request: Request, body: str) -> str:
        if request["QueueUrl"].endswith(DEAD_LETTERS):
            self._dead.append(body)
            return f"dead-{len(self._dead)}"
        number = len(self.sent_ms)
        self.sent_ms.append(time.time_ns() // 1_000_000)
        self._sent[number] = to_json(body)
        self._receives[number] = 0
        self._waiting.append(number)
        self.on_message()
        return _message_id(number)

    def _delete_message(self, request: Request) -> Answer:
        self._tally.bill_sqs(1)
        self._delete(request["ReceiptHandle"])
        return {}

    def _delete_message_batch(self, request: Request) -> Answer:
        self._tally.bill_sqs(1)
        for one in request["Entries"]:
            self._delete(one["ReceiptHandle"])
        return {"Successful": [{"Id": one["Id"]} for one in request["Entries"]]}

    def _delete(self, receipt: str) -> None:
        number = int(receipt[:12])
        if self._receives.pop(number, None):
            self.deleted += 1
            self._sent.pop(number, None)
            if number in self._released:  # an older receipt deletes it all the same
                self._released.remove(number)
                self._waiting.remove(number)

    def _change_message_visibility_batch(self, request: Request) -> Answer:
        self._tally.bill_sqs(1)
        for one in request["Entries"]:
            number = int(one["ReceiptHandle"][:12])
            if one.get("VisibilityTimeout", 0) == 0 and number in self._receives and number not in self._released:
                self._waiting.append(number)
                self._released.add(number)
                self.on_message()
        return {"Successful": [{"Id": one["Id"]} for one in request["Entries"]]}


def _message_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{pack_id(number)}"


def _md5(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
