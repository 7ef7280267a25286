"""Several long polls side by side, so that a busy worker never waits for the network."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError, Unavailable
from f2b_worker.ports import RECEIVE_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.ports import Clock, DeadLetter, Inbox, Message

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_COME_AGAIN = "none: they come again after the visibility timeout"
"""What to do about messages that could not be released."""

REST_S = 0.02
"""So long a poll rests after an answer that was not full: the next one brings several messages for one call."""

EMPTY_PAUSE_S = 0.02
"""So long a poll rests after an answer that was empty and came at once; each further time twice as long."""

EMPTY_PAUSE_MAX_S = 0.5
"""A message is never found later than this by a queue that does not wait for one."""

SILENT_S = 5.0
"""So long after its end a poll may be answered: then the queue counts as silent, whatever the connection does."""

ENDS_WITHIN_S = 0.5
"""So long a stop waits for a poll of an idle queue. One that has no answer then is left to the end of the process.

What SQS hands to a connection that is closed just then comes again after the visibility timeout.
"""

BUSY_ENDS_WITHIN_S = 2.0
"""So long it waits where the last second brought messages: each poll may bring ten more."""

_LATELY_S = 1.0

_LOOK_EVERY_S = 1.0


def let_go(inbox: Inbox, messages: Sequence[Message]) -> None:
    """Make messages visible to others; a failure is told and no more, for they come again."""
    try:
        if messages:
            inbox.release(messages)
    except F2bError as error:  # nothing is lost, and a stop on request is no failure
        log.warning("release_failed", reason=str(error), messages=len(messages), remedy=_COME_AGAIN)


class EmptyAtOnce:
    """Paces polls of a queue that does not wait for a message, since it was not asked to or does not heed it.

    Args:
        poll_s: How long a poll was to wait.
    """

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._pause_s = 0.0

    def pause_s(self, took_s: float, *, is_empty: bool) -> float:
        """Tell how long to pause after an answer: not at all, unless it was empty and came too early."""
        if not is_empty or (self._poll_s and took_s >= self._poll_s / 2):
            self._pause_s = 0.0
        else:
            self._pause_s = min(EMPTY_PAUSE_MAX_S, 2 * self._pause_s or EMPTY_PAUSE_S)
        return self._pause_s


class Receivers:
    """An inbox that is received from by several threads, and otherwise the same.

    An idle queue is polled by one of them, the others join in while answers are full. As many answers as there are
    threads are kept at most: while nobody takes them, nothing more is received.

    Args:
        inbox: The queue.
        threads: How many polls run side by side.
        poll_s: How long one poll waits for a first message, in whole seconds.
        clock: Measures for how long no poll has been answered.
        rest_s: How long a poll rests after an answer that was neither empty nor full.
    """

    def __init__(self, inbox: Inbox, *, threads: int, poll_s: float, clock: Clock, rest_s: float = REST_S) -> None:
        self._inbox = inbox
        self._poll_s = poll_s
        self._clock = clock
        self._rest_s = rest_s
        self._answered_s = clock.monotonic_s()
        self._brought_s = float("-inf")
        self._began_s: dict[int, float] = {}
        self._answers: deque[list[Message]] = deque()
        self._failure: Exception | None = None  # that nobody was told of yet
        self._lasting: Exception | None = None  # until a poll is answered
        self._changed = threading.Condition()
        self._stopping = False
        self._ends_within_s = 0.0
        self._closed = False
        self._busy = threading.Event()
        self._threads = [
            threading.Thread(target=self._poll, args=(number,), name=f"receiver-{number}", daemon=True)
            for number in range(threads)
        ]
        self._started = False

    def receive(self, *, wait_s: float) -> list[Message]:
        """Take what one poll brought, waiting up to *wait_s* for it.

        Raises:
            F2bError: If the last poll failed, or none has been answered for too long.
        """
        self._start()
        with self._changed:
            self._changed.wait_for(lambda: self._answers or self._failure or self._stopping, wait_s)
            self._changed.notify_all()
            if self._answers:
                return self._answers.popleft()
            failure, self._failure = self._failure or self._lasting, None
        if failure:
            raise failure
        silent_s = self._silent_s()
        if silent_s > self._poll_s + SILENT_S:
            raise Unavailable(f"receiving infractions: no answer of the queue for {silent_s:.0f} s")
        return []

    def _silent_s(self) -> float:
        """Tell for how long polls have been under way without an answer to any."""
        now_s = self._clock.monotonic_s()
        waiting_s = now_s - min(list(self._began_s.values()), default=now_s)
        return min(waiting_s, now_s - self._answered_s)

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

    def postpone(self, messages: Sequence[Message]) -> None:
        """Leave messages in the queue, to come again some time later; calls nobody."""
        self._inbox.postpone(messages)

    def bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        """Store *letters* in the dead-letter queue; answers for each why it is not there, or None if it is."""
        return self._inbox.bury(letters)

    def end(self) -> None:
        """Begin no further poll, and let nobody wait for one; may be called from another thread, and again."""
        with self._changed:
            if not self._stopping:
                is_idle = self._clock.monotonic_s() - self._brought_s > _LATELY_S
                self._ends_within_s = ENDS_WITHIN_S if is_idle else BUSY_ENDS_WITHIN_S
            self._stopping = True
            self._changed.notify_all()
        self._busy.set()  # wakes who waits for it

    def close(self) -> None:
        """End the polls, and make visible again what they brought and nobody took.

        A poll that is not answered soon is not waited for; should it be while the process lives, it does the same.
        """
        self.end()
        if self._started:
            self._wait_for_answers()
        with self._changed:
            self._closed = True
            left = [message for answer in self._answers for message in answer]
            self._answers.clear()
        let_go(self._inbox, left)

    def _wait_for_answers(self) -> None:
        ends_s = time.monotonic() + self._ends_within_s
        for thread in self._threads:
            if thread.ident is not None:  # else the stop came before it was begun: it ends at once
                thread.join(max(0.0, ends_s - time.monotonic()))

    def _start(self) -> None:
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()

    def _poll(self, number: int) -> None:
        always = number == 0
        empty = EmptyAtOnce(self._poll_s)
        while not self._stopping:
            if not always and not self._busy.wait(_LOOK_EVERY_S):
                continue
            began_s = self._began_s[number] = self._clock.monotonic_s()
            try:
                messages = self._inbox.receive(wait_s=self._poll_s if always else 0)
            except Exception as error:  # noqa: BLE001 - whatever it is, whoever receives must see it
                del self._began_s[number]
                self._fail(error)
            else:
                took_s = self._clock.monotonic_s() - began_s
                del self._began_s[number]
                self._bring(messages)
                if 0 < len(messages) < RECEIVE_MAX:
                    self._rest(self._rest_s)
                elif always:
                    self._rest(empty.pause_s(took_s, is_empty=not messages))

    def _rest(self, rest_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, rest_s)

    def _bring(self, messages: list[Message]) -> None:
        """Hand messages over, and wait while too many lie here; the queue answers again, so no failure is told."""
        self._answered_s = self._clock.monotonic_s()
        if len(messages) == RECEIVE_MAX:
            self._busy.set()
        else:
            self._busy.clear()
        with self._changed:
            self._failure = self._lasting = None
            taken = not self._closed
            if messages:
                self._brought_s = self._answered_s
            if messages and taken:
                self._answers.append(messages)
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopping or len(self._answers) < len(self._threads))
        if not taken:
            let_go(self._inbox, messages)

    def _fail(self, error: Exception) -> None:
        """Tell a failure once, and wait until it was told: who is told paces the next try."""
        self._busy.clear()
        with self._changed:
            self._failure = self._lasting = error
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopping or self._failure is not error)
