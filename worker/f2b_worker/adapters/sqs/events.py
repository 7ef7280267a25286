"""An event of SQS, as AWS Lambda hands it to a function: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.adapters.answers import aws_errors, part_of
from f2b_worker.adapters.aws import naming_region, sqs_client
from f2b_worker.adapters.sqs.attributes import dead_letter_url_of
from f2b_worker.adapters.sqs.deliveries import read_deliveries
from f2b_worker.adapters.sqs.inbox import IO_THREADS, SqsInbox
from f2b_worker.errors import CredentialsAway, F2bError, Missing, Permanent, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from f2b_worker.adapters.gate import Gate
    from f2b_worker.ports import DeadLetter, Message

_READING = "reading the event"
_BY = "an event source mapping of an SQS queue makes such events"
_STANDARD = "use a standard queue"
DEAD_LETTERS_WITHIN_S = 4.0
NEVER_VISIBLE_S = 43_200.0
"""Nobody keeps messages hidden here: the event source mapping does."""


class Event(NamedTuple):
    """What came with one event.

    Attributes:
        queue_arn: The queue.
        ids: Of all its messages, each once; those that came damaged are among them.
        messages: Those that can be judged.
    """

    queue_arn: str
    ids: tuple[str, ...]
    messages: tuple[Message, ...]


def read_event(raw: Any, *, now_ms: int) -> Event:
    """Read an event.

    Raises:
        F2bError: If it is none of an SQS queue: nothing of it may be taken for judged.
    """
    records = raw.get("Records") if isinstance(raw, dict) else None
    if not isinstance(records, list) or not records:
        raise Rejected(f"{_READING}: it has no Records; {_BY}")
    if any(not isinstance(each, dict) or each.get("eventSource") != "aws:sqs" for each in records):
        raise Rejected(f"{_READING}: a record is not of aws:sqs; {_BY}")
    ids = [part_of(each, "messageId", _READING, str) for each in records]
    arns = {part_of(each, "eventSourceARN", _READING, str) for each in records}
    if not all(ids) or len(arns) != 1 or arns.pop().count(":") != 5:
        raise Rejected(f"{_READING}: a messageId is empty, or its messages are not of one queue; {_BY}")
    if records[0]["eventSourceARN"].endswith(".fifo"):
        raise Rejected(f"{_READING}: it is of a FIFO queue, where one bad message holds up others: {_STANDARD}")
    messages = read_deliveries([_as_received(each) for each in records], _READING, now_ms=now_ms)
    return Event(records[0]["eventSourceARN"], tuple(dict.fromkeys(ids)), tuple(messages))


def _as_received(record: dict[str, Any]) -> dict[str, Any]:
    """Name what is in a record as an answer of SQS does."""
    named = {
        "MessageId": record.get("messageId"),
        "ReceiptHandle": record.get("receiptHandle"),
        "Attributes": record.get("attributes"),
        "MD5OfBody": record.get("md5OfBody"),
    }
    return named | ({"Body": record["body"]} if "body" in record else {})


class EventInbox:
    """The messages of one event, as the intake sees a queue: what it deletes is judged, all else comes again.

    Attributes:
        judged: The messages of which nothing is left to do.
        left: Those that are left in the queue, to come again.
        bury: Stores letters in the dead-letter queue of the event's queue.
    """

    def __init__(self) -> None:
        self.judged: set[str] = set()
        self.left: set[str] = set()
        self.bury: Callable[[Sequence[DeadLetter]], Sequence[F2bError | None]] = _bury_nothing

    def begin(self, bury: Callable[[Sequence[DeadLetter]], Sequence[F2bError | None]]) -> None:
        """Begin with another event."""
        self.judged, self.left, self.bury = set(), set(), bury

    @property
    def visibility_s(self) -> float:
        """How long a message stays hidden from others."""
        return NEVER_VISIBLE_S

    def receive(self, *, wait_s: float) -> list[Message]:
        """Receive nothing: an event has all its messages from the start."""
        del wait_s
        return []

    def delete(self, messages: Sequence[Message]) -> None:
        """Take note that messages are judged: the event source mapping deletes them."""
        self.judged.update(each.id for each in messages)

    def keep(self, messages: Sequence[Message]) -> None:
        """Leave it to the event source mapping."""

    def release(self, messages: Sequence[Message]) -> None:
        """Leave it to the event source mapping, which is told of all that is not judged."""

    def postpone(self, messages: Sequence[Message]) -> None:
        """Take note that messages come again."""
        self.left.update(each.id for each in messages)


def _bury_nothing(letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
    return [Rejected("no event is being judged")] * len(letters)


def _outcome(error: F2bError) -> F2bError:
    """Take for an outcome what does not end by itself."""
    is_lasting = isinstance(error, Permanent) and not isinstance(error, CredentialsAway)
    return Rejected(str(error)) if is_lasting else error


class DeadLetterQueues:
    """The dead-letter queues of queues, each found when the first letter is for it.

    Args:
        gate: Stands in front of every call.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._found: dict[str, SqsInbox] = {}

    def bury(self, queue_arn: str, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        """Store *letters* beside a queue; answers for each why it is not there, or None if it is.

        What somebody has to mend first is an outcome: else one bad message would hold its event until the time is
        over, and others behind it. The message comes again.
        """
        try:
            inbox = self._found.get(queue_arn) or self._open(queue_arn)
        except F2bError as error:
            return [_outcome(error)] * len(letters)
        self._found[queue_arn] = inbox
        errors = inbox.bury(letters)
        if any(isinstance(error, Missing) for error in errors):  # the queue may have another one by now
            self._found.pop(queue_arn).close()
        return [error and _outcome(error) for error in errors]

    def _open(self, queue_arn: str) -> SqsInbox:
        account, name = queue_arn.split(":")[4:]
        client = sqs_client(name, connections=IO_THREADS, answer_within_s=DEAD_LETTERS_WITHIN_S)
        self._gate.watch(client)
        with naming_region(client), aws_errors(f"queue {name}"):
            found = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
            url = str(part_of(found, "QueueUrl", f"queue {name}"))
        dead = dead_letter_url_of(client, url)
        return SqsInbox(client, queue_url=url, dead_letter_url=dead, visibility_s=int(NEVER_VISIBLE_S))

    def close(self) -> None:
        """Let the threads end that bury letters."""
        for inbox in self._found.values():
            inbox.close()
