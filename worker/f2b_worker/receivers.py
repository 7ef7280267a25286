"""Several long polls side by side, so that a busy worker never waits for the network."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.ports import DeadLetter, Inbox, Message

RECEIVE_MAX = 10
_LOOK_EVERY_S = 1.0


class Receivers:
    """An inbox that is received from by several threads, and otherwise the same.

    An idle queue is polled by one of them, the others join in while answers are full. As many answers as there are
    threads are kept at most: while nobody takes them, nothing more is received.

    Args:
        inbox: The queue.
        threads: How many polls run side by side.
        poll_s: How long one poll waits for a first message, in whole seconds.
    """

    def __init__(self, inbox: Inbox, *, threads: int, poll_s: float) -> None:
        self._inbox = inbox
        self._poll_s = poll_s
        self._answers: queue.Queue[list[Message] | F2bError] = queue.Queue(threads)
        self._stopping = threading.Event()
        self._busy = threading.Event()
        self._threads = [
            threading.Thread(target=self._poll, args=(number == 0,), name=f"receiver-{number}", daemon=True)
            for number in range(threads)
        ]
        self._started = False

    def receive(self, *, wait_s: float) -> list[Message]:
        """Take what one poll brought, waiting up to *wait_s* for it.

        Raises:
            F2bError: If that poll failed.
        """
        self._start()
        try:
            answer = self._answers.get(timeout=wait_s) if wait_s else self._answers.get_nowait()
        except queue.Empty:
            return []
        if isinstance(answer, F2bError):
            raise answer
        return answer

    @property
    def visibility_s(self) -> float:
        """How long a received or kept message stays hidden from others."""
        return self._inbox.visibility_s

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages for good; deleting twice is no error."""
        self._inbox.delete(messages)

    def keep(self, messages: Sequence[Message]) -> None:
        """Keep messages invisible to others for another visibility timeout from now on."""
        self._inbox.keep(messages)

    def release(self, messages: Sequence[Message]) -> None:
        """Make messages visible to every worker again, at once."""
        self._inbox.release(messages)

    def bury(self, letter: DeadLetter) -> None:
        """Send *letter* to the dead-letter queue; returns only when it is stored there."""
        self._inbox.bury(letter)

    def close(self) -> None:
        """End the polls, and make visible again what they brought and nobody took."""
        self._stopping.set()
        self._busy.set()  # wakes who waits for it
        left: list[Message] = []
        while any(thread.is_alive() for thread in self._threads) or not self._answers.empty():
            try:
                answer = self._answers.get(timeout=0.1)
            except queue.Empty:
                continue
            left += [] if isinstance(answer, F2bError) else answer
        if left:
            self._inbox.release(left)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()

    def _poll(self, always: bool) -> None:  # noqa: FBT001 - an argument of a thread
        while not self._stopping.is_set():
            if not always and not self._busy.wait(_LOOK_EVERY_S):
                continue
            answer = self._receive(self._poll_s if always else 0)
            if answer:
                self._answers.put(answer)

    def _receive(self, wait_s: float) -> list[Message] | F2bError:
        try:
            messages = self._inbox.receive(wait_s=wait_s)
        except F2bError as error:
            self._busy.clear()
            return error
        if len(messages) == RECEIVE_MAX:
            self._busy.set()
        else:
            self._busy.clear()
        return messages
