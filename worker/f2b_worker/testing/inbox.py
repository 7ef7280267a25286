"""The queue in memory."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING

from f2b_worker.ports import RECEIVE_MAX, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.errors import F2bError
    from f2b_worker.ports import DeadLetter


class MemoryInbox:
    """A queue in memory. Set `failure` to make every call raise it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.waiting: deque[Message] = deque()
        self.in_flight: dict[str, Message] = {}
        self.dead: list[DeadLetter] = []
        self.kept = 0
        self.visibility_s = 60.0
        self.failure: F2bError | None = None
        self._now_ms = now_ms
        self._numbers = count(1)

    def put(self, body: str, *, sent_at_ms: int | None = None) -> str:
        """Send one message; answer its id."""
        message_id = f"message-{next(self._numbers)}"
        at_ms = self._now_ms if sent_at_ms is None else sent_at_ms
        self.waiting.append(Message(message_id, f"receipt-{message_id}", body, at_ms))
        return message_id

    def receive(self, *, wait_s: float) -> list[Message]:
        """Receive up to ten messages; never waits."""
        del wait_s
        self._fail_if_told()
        received: list[Message] = []
        while self.waiting and len(received) < RECEIVE_MAX:
            message = self.waiting.popleft()
            self.in_flight[message.id] = message
            received.append(message)
        return received

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages for good; deleting twice is no error."""
        self._fail_if_told()
        for message in messages:
            self.in_flight.pop(message.id, None)

    def keep(self, messages: Sequence[Message]) -> None:
        """Count how often messages were kept; they never become visible by themselves."""
        self._fail_if_told()
        self.kept += len(messages)

    def release(self, messages: Sequence[Message]) -> None:
        """Make messages visible again, at once."""
        self._fail_if_told()
        for message in messages:
            released = self.in_flight.pop(message.id, None)
            if released:
                self.waiting.append(released)

    def postpone(self, messages: Sequence[Message]) -> None:
        """Leave messages in flight; who wants them to come again releases them."""

    def bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        """Keep *letters* among the dead ones."""
        if self.failure:
            return [self.failure] * len(letters)
        self.dead += letters
        return [None] * len(letters)

    def _fail_if_told(self) -> None:
        if self.failure:
            raise self.failure
