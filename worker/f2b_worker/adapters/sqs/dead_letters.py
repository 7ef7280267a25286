"""The dead-letter queue, as an operator reads and empties it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers
from f2b_worker.adapters.batches import batches
from f2b_worker.ports import LETTERS_AT_ONCE, RECEIVE_MAX, StoredLetter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient

HIDDEN_S = 120
"""For so long a letter is hidden from others while a command looks at it; it is shown again at the end."""

UNJUDGED = "received_too_often"
"""The reason of a letter that has none: SQS itself put it there."""

_READING = "reading dead letters"


class SqsDeadLetters:
    """The dead letters of one queue.

    Args:
        client: An SQS client.
        queue_url: Where they are put back to.
        dead_letter_url: Where they are.
    """

    def __init__(self, client: SQSClient, queue_url: str, dead_letter_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._dead_letter_url = dead_letter_url

    def letters(self, limit: int) -> Iterator[StoredLetter]:
        """Go through up to *limit* letters, and leave them where they are."""
        hidden: dict[str, str] = {}
        try:
            yield from islice(self._look(hidden), limit)
        finally:
            self._show(hidden)

    def take(
        self,
        wanted: Callable[[StoredLetter], bool],
        before: Callable[[Sequence[StoredLetter]], object],
        *,
        retry: bool,
        most: int,
        limit: int,
    ) -> list[StoredLetter]:
        """Put wanted letters back into the queue, or forget them; answer which."""
        hidden: dict[str, str] = {}
        done: list[StoredLetter] = []
        found = islice(filter(wanted, islice(self._look(hidden), limit)), most)
        try:
            for part in batches(found, LETTERS_AT_ONCE):
                before(part)
                for letter in part:
                    if retry:
                        self._put_back(letter)
                    self._delete(hidden[letter.id])
                    del hidden[letter.id]
                    done.append(letter)
        finally:
            self._show(hidden)
        return done

    def _look(self, hidden: dict[str, str]) -> Iterator[StoredLetter]:
        """Go through all letters; keep the receipts of what is hidden, and no bodies: these are large."""
        for messages in self._receives():
            hidden |= {each["MessageId"]: each["ReceiptHandle"] for each in messages}
            yield from map(_letter, messages)

    def _receives(self) -> Iterator[list[dict[str, Any]]]:
        """Receive all messages once, a few at a time: each is hidden from then on."""
        seen: set[str] = set()
        empty = 0
        while empty < 2:
            with aws_errors(_READING):
                answer = self._client.receive_message(
                    QueueUrl=self._dead_letter_url,
                    MaxNumberOfMessages=RECEIVE_MAX,
                    VisibilityTimeout=HIDDEN_S,
                    WaitTimeSeconds=1,
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["SentTimestamp"],
                )
            new: list[Any] = [each for each in answer.get("Messages", []) if each["MessageId"] not in seen]
            seen.update(each["MessageId"] for each in new)
            empty = 0 if new else empty + 1
            if new:
                yield new

    def _put_back(self, letter: StoredLetter) -> None:
        with aws_errors("putting dead letters back"):
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=letter.body)

    def _delete(self, receipt: str) -> None:
        with aws_errors("deleting dead letters"):
            self._client.delete_message(QueueUrl=self._dead_letter_url, ReceiptHandle=receipt)

    def _show(self, hidden: Mapping[str, str]) -> None:
        """Let others see them again at once; what fails is seen again soon anyway."""
        for batch in batches(hidden.values(), RECEIVE_MAX):
            with aws_errors("showing dead letters again"):
                self._client.change_message_visibility_batch(
                    QueueUrl=self._dead_letter_url,
                    Entries=[
                        {"Id": str(place), "ReceiptHandle": each, "VisibilityTimeout": 0}
                        for place, each in enumerate(batch)
                    ],
                )


def _letter(message: dict[str, Any]) -> StoredLetter:
    with odd_answers(_READING):
        attributes = message.get("MessageAttributes", {})
        reason = attributes.get("f2b.reason", {}).get("StringValue", UNJUDGED)
        detail = attributes.get("f2b.detail", {}).get("StringValue", "")
        at_ms = int(message.get("Attributes", {}).get("SentTimestamp", 0))
        return StoredLetter(message["MessageId"], at_ms, reason, detail, message["Body"])
