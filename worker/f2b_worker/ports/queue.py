"""The queue that infractions come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from f2b_worker.errors import F2bError


RECEIVE_MAX = 10
"""So many messages one receive brings at most: SQS's limit, and so everybody's."""

LETTERS_AT_ONCE = 100
"""So many dead letters are held while whoever takes them is told: as many as an act names."""


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of one message.

    Attributes:
        id: The same at every delivery.
        receipt: Names this delivery.
        body: The text.
        sent_at_ms: When the queue took it.
        trace: The span that sent it, as W3C's traceparent has it; empty if nobody says, or nobody asks.
    """

    id: str
    receipt: str
    body: str
    sent_at_ms: int
    trace: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message body for the dead-letter queue, and why it goes there.

    Attributes:
        reasons: How often each reason applies; their names go into the attribute `f2b.reason`.
        detail: One clear line about the first of them.
        message_id: The message that it came with.
    """

    body: str
    reasons: Mapping[str, int]
    detail: str
    message_id: str

    @property
    def reason(self) -> str:
        """All reasons, as the attribute's text."""
        return " ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How a queue is set.

    Attributes:
        url: Its URL.
        visibility_s: For how long it hides what was received.
        dead_letters: The ARN of its dead-letter queue; empty if it has none.
        receives_max: How often a message is received before it goes there; 0 if it has none.
        retention_s: For how long it keeps a message.
        delay_s: How long it holds back a new message.
    """

    url: str
    visibility_s: int
    dead_letters: str
    receives_max: int
    retention_s: int
    delay_s: int


class Inbox(Protocol):
    """The queue that infractions come from, as the intake uses it.

    Several threads at once: the receivers receive, the keeper keeps, and letters are buried and messages
    deleted aside of the intake.
    """

    @property
    def visibility_s(self) -> float:
        """How long a received or kept message stays hidden from others."""
        ...

    def receive(self, *, wait_s: float) -> list[Message]:
        """Receive up to ten messages, waiting up to *wait_s* (whole seconds, 20 at most) for the first."""
        ...

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages for good; deleting twice is no error."""
        ...

    def keep(self, messages: Sequence[Message]) -> None:
        """Keep messages invisible to others for another visibility timeout from now on."""
        ...

    def release(self, messages: Sequence[Message]) -> None:
        """Make messages visible to every worker again, at once."""
        ...

    def postpone(self, messages: Sequence[Message]) -> None:
        """Leave messages in the queue, to come again some time later; calls nobody."""
        ...

    def bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        """Store *letters* in the dead-letter queue; answers for each why it is not there, or None if it is."""
        ...


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter, as it is stored.

    Attributes:
        id: Tells it from the others.
        at_ms: When it came there.
        reason: The names of the reasons, with a space between them.
        detail: One clear line about the first of them.
        body: The message.
    """

    id: str
    at_ms: int
    reason: str
    detail: str
    body: str


class DeadLetters(Protocol):
    """The dead letters, as an operator reads and empties them; called by one thread at a time."""

    def letters(self, limit: int) -> Iterator[StoredLetter]:
        """Go through up to *limit* letters, and leave them where they are; others may see them only at the end."""
        ...

    def take(
        self,
        wanted: Callable[[StoredLetter], bool],
        before: Callable[[Sequence[StoredLetter]], object],
        *,
        retry: bool,
        most: int,
        limit: int,
    ) -> Sequence[StoredLetter]:
        """Put wanted letters back into the queue, or forget them for good; answer which.

        A letter leaves only once it is in the queue: after an error some may be in both.

        Args:
            wanted: Asked about each letter.
            before: Told of `LETTERS_AT_ONCE` at most, before any of them leaves; if it fails, none of these does.
            retry: Whether they are put back.
            most: So many are taken, at most.
            limit: So many are looked at, at most.
        """
        ...
