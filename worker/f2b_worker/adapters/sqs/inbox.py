"""SQS as the inbox of the worker."""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, TypedDict

from f2b_worker.adapters.answers import aws_errors, error_of, odd_answers
from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqs.attributes import dead_letter_url_of, queue_settings_of
from f2b_worker.adapters.sqs.deliveries import read_deliveries
from f2b_worker.adapters.sqs.depth import depth_of
from f2b_worker.adapters.threads import Threads
from f2b_worker.errors import F2bError, Rejected, Unavailable
from f2b_worker.observe import traces
from f2b_worker.ports import RECEIVE_MAX, QueueSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        MessageAttributeValueTypeDef,
        SendMessageBatchRequestEntryTypeDef,
        SendMessageBatchResultTypeDef,
    )

    from f2b_worker.ports import Clock, DeadLetter, Message
    from f2b_worker.ports.fleet import QueueDepth

BATCH_MAX = 10  # of messages that one call deletes or makes visible
IO_THREADS = 4
"""So many batches of deletions are under way at once; a call takes SQS about ten milliseconds."""

RELEASE_THREADS = 16
"""So many batches of releases are under way at once: a full hand is a thousand calls, and a stop has nine seconds.

By four threads they would take 7.5 s where a call takes 30 ms (reckoned, not measured)."""

OWN_VISIBILITY_S = 30
"""For so long the worker itself hides what it receives of a queue that hides nothing: SQS's own default."""

HIDES_S = 2
"""A queue that hides for a shorter time counts as one that hides nothing: nobody can keep messages so often."""

_DETAIL_CHARACTERS_MAX = 256
CALL_BYTES_MAX = 256 * 1024
"""So much one call that stores dead letters carries: SQS took no more until August 2025, emulators never."""

_ATTRIBUTES_BYTES = 1024  # of one letter, at most
_RECEIVING = "receiving infractions"
_BURYING = "sending to the dead-letter queue"
_RECEIPT_IS_SPENT = {"ReceiptHandleIsInvalid", "InvalidParameterValue"}


class _OwnVisibility(TypedDict, total=False):
    """What a receive asks for itself."""

    VisibilityTimeout: int


class SqsInbox:
    """The queue that infractions come from, with its dead-letter queue.

    The client is used from twice *IO_THREADS* and *RELEASE_THREADS* threads at once, and from each that calls the
    inbox.

    Args:
        client: Calls SQS.
        queue_url: The queue's URL.
        dead_letter_url: Its dead-letter queue's.
        visibility_s: How long it hides what was received.
        clock: Tells when a message was received of which SQS does not say when it was sent.
    """

    def __init__(
        self,
        client: SQSClient,
        *,
        queue_url: str,
        dead_letter_url: str,
        visibility_s: int,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._clock = clock or SystemClock()
        self._queue_url = queue_url
        self._dead_letter_url = dead_letter_url
        self._hide_for(visibility_s)
        self._io = Threads(IO_THREADS, "inbox")
        self._releases = Threads(RELEASE_THREADS, "releases")
        # Of their own: a dead-letter queue that does not answer must not hold up deletions.
        self._burials = Threads(IO_THREADS, "burials")

    @property
    def visibility_s(self) -> float:
        """How long a received or kept message stays hidden from others."""
        return self._visibility_s

    def look(self) -> QueueSettings:
        """Ask how the queue is set, and go by it from now on: by its visibility timeout and dead-letter queue.

        Raises:
            Missing: If the dead-letter queue is not there; that of before stays in use.
        """
        found = queue_settings_of(self._client, self._queue_url)
        self._hide_for(found.visibility_s)
        if found.dead_letters:
            self._dead_letter_url = dead_letter_url_of(self._client, self._queue_url)
        return found

    def depth(self) -> QueueDepth:
        """Ask how many messages wait, in its dead-letter queue, too."""
        return depth_of(self._client, self._queue_url, self._dead_letter_url)

    def close(self) -> None:
        """Let its threads end, once what they are at is done."""
        for threads in (self._io, self._releases, self._burials):
            threads.shutdown(wait=False)

    def _hide_for(self, visibility_s: int) -> None:
        self._own: _OwnVisibility = {} if visibility_s >= HIDES_S else {"VisibilityTimeout": OWN_VISIBILITY_S}
        self._visibility_s = self._own.get("VisibilityTimeout", visibility_s)

    def receive(self, *, wait_s: float) -> list[Message]:
        """Receive up to ten messages, waiting up to *wait_s* (whole seconds, 20 at most) for the first."""
        began_ms = self._clock.now_ms()
        with aws_errors(_RECEIVING):
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=RECEIVE_MAX,
                WaitTimeSeconds=int(wait_s),
                MessageSystemAttributeNames=["SentTimestamp"],
                **self._own,
                **traces.asked(),
            )
        with odd_answers(_RECEIVING):
            messages = read_deliveries(answer.get("Messages", []), _RECEIVING, now_ms=self._clock.now_ms())
        traces.received(messages, self._queue_url, began_ms)
        return messages

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages for good; deleting twice is no error.

        Raises:
            Unavailable: If some were not deleted. They come again, and judging them again changes nothing.
        """
        _in_batches(self._delete, messages, self._io)

    def _delete(self, batch: Sequence[Message]) -> None:
        with aws_errors("deleting judged messages"):
            answer = self._client.delete_message_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(place), "ReceiptHandle": message.receipt} for place, message in enumerate(batch)
                ],
            )
        with odd_answers("deleting judged messages"):
            _raise_if_failed(answer.get("Failed", []), "deleting judged messages")

    def release(self, messages: Sequence[Message]) -> None:
        """Make messages visible to every worker again, at once."""
        # A failure here is no loss: the visibility timeout releases the message later.
        self._show_after(messages, 0, "releasing messages", self._releases)

    def keep(self, messages: Sequence[Message]) -> None:
        """Keep messages invisible to others for another visibility timeout from now on."""
        self._show_after(messages, self._visibility_s, "keeping messages", self._io)

    def postpone(self, messages: Sequence[Message]) -> None:
        """Leave messages in the queue: they come again when their visibility timeout ends."""

    def _show_after(self, messages: Sequence[Message], timeout_s: int, doing: str, threads: Threads) -> None:
        def show(batch: Sequence[Message]) -> None:
            with aws_errors(doing):
                self._client.change_message_visibility_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {"Id": str(place), "ReceiptHandle": message.receipt, "VisibilityTimeout": timeout_s}
                        for place, message in enumerate(batch)
                    ],
                )

        _in_batches(show, messages, threads)

    def bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        """Store *letters* in the dead-letter queue; answers for each why it is not there, or None if it is."""
        calls = [self._burials.submit(self._bury, batch) for batch in _in_calls(letters)]
        return [answer for call in calls for answer in call.result()]

    def _bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        try:
            with aws_errors(_BURYING):
                answer = self._client.send_message_batch(
                    QueueUrl=self._dead_letter_url,
                    Entries=[_entry(str(place), letter) for place, letter in enumerate(letters)],
                )
            with odd_answers(_BURYING):
                return _outcomes(answer, len(letters))
        except Rejected as error:
            if len(letters) == 1:
                return [error]
            return [answer for letter in letters for answer in self._bury([letter])]  # one of them may be why
        except F2bError as error:
            return [error] * len(letters)


def _in_batches(do: Callable[[Sequence[Message]], None], messages: Sequence[Message], threads: Threads) -> None:
    """Make several calls side by side; all are made before the first error is raised."""
    calls = [threads.submit(do, batch) for batch in batches(messages, BATCH_MAX)]
    wait(calls)
    for call in calls:
        call.result()


def _in_calls(letters: Sequence[DeadLetter]) -> Iterator[list[DeadLetter]]:
    """Cut letters into calls of at most ten and, but for one that is longer by itself, *CALL_BYTES_MAX*."""
    call: list[DeadLetter] = []
    size_bytes = 0
    for letter in letters:
        letter_bytes = len(letter.body.encode("utf-8", "replace")) + _ATTRIBUTES_BYTES
        if call and (len(call) == BATCH_MAX or size_bytes + letter_bytes > CALL_BYTES_MAX):
            yield call
            call, size_bytes = [], 0
        call.append(letter)
        size_bytes += letter_bytes
    if call:
        yield call


def _entry(entry_id: str, letter: DeadLetter) -> SendMessageBatchRequestEntryTypeDef:
    return {
        "Id": entry_id,
        "MessageBody": letter.body,
        "MessageAttributes": {
            "f2b.reason": _text(letter.reason),
            "f2b.detail": _text(letter.detail),
            "f2b.message_id": _text(letter.message_id),
        },
    }


def _outcomes(answer: SendMessageBatchResultTypeDef, letters: int) -> Sequence[F2bError | None]:
    stored = {each["Id"] for each in answer.get("Successful", []) if each.get("MessageId")}
    failed = {each["Id"]: each for each in answer.get("Failed", [])}
    return [None if at in stored else _why_not(failed.get(at)) for at in map(str, range(letters))]


def _why_not(failed: BatchResultErrorEntryTypeDef | None) -> F2bError:
    """Say why a letter is not stored although its call succeeded; one that the answer leaves out is sent again."""
    if failed is None:
        return Unavailable(f"{_BURYING}: the answer names a letter neither as stored nor as failed")
    code = str(failed.get("Code"))
    line = f"{_BURYING}: {failed.get('Message') or code}"
    return error_of(code, line) if failed.get("SenderFault") else Unavailable(line)


def _text(text: str) -> MessageAttributeValueTypeDef:
    # SQS refuses empty values and most control characters; the full line is in the log.
    printable = "".join(c if " " <= c <= "~" else "?" for c in text[:_DETAIL_CHARACTERS_MAX])
    return {"DataType": "String", "StringValue": printable or "-"}


def _raise_if_failed(failed: Sequence[Any], doing: str) -> None:
    # A receipt that SQS no longer takes will not get better: the message comes again under a new one.
    failed = [each for each in failed if not (each.get("SenderFault") or each.get("Code") in _RECEIPT_IS_SPENT)]
    if failed:
        raise Unavailable(f"{doing}: {len(failed)} failed, the first with {failed[0].get('Code')}")
