"""From messages to stored verdicts: receive, lay out by offender, have them judged, settle.

A message is deleted only after each of its infractions was recorded and judged, or refused and stored in the
dead-letter queue. Whatever dies before that, the message comes again, and judging it again changes nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.backoff import backoff_s
from f2b_worker.domain.judge.lateness import Lateness
from f2b_worker.domain.judge.retention import kept_ms
from f2b_worker.errors import F2bError, Permanent, Rejected
from f2b_worker.intake.judging import Judging
from f2b_worker.intake.reading import Reader
from f2b_worker.intake.receivers import COME_AGAIN
from f2b_worker.observe import metrics
from f2b_worker.ports import RECEIVE_MAX

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from f2b_worker.domain.jails import Policy
    from f2b_worker.intake.desk import Letter
    from f2b_worker.ports import Clock, Inbox, Ledger, Message

log: structlog.stdlib.BoundLogger = structlog.get_logger()

KEPT_AFTER = 0.4
"""After so much of the visibility timeout, messages that are still in hand are kept from becoming visible."""

PUT_AWAY = 2
"""At most so many times the messages that a turn brings are deleted in it: the last extension of many bans settles
thousands at once, and new infractions are not to wait for all of their deletions."""

IN_HAND_MAX = 10_000
"""So many messages wait in hand at most, about 400 bytes each; a queue has 120,000 in flight, for all workers."""

INFRACTIONS_MAX = 500_000
"""So many infractions wait at most to extend bans, about 65 MB; then all are judged at once."""


class Intake:
    """One loop that takes messages from the inbox and turns them into hits and bans in the ledger.

    Args:
        inbox: The queue.
        ledger: Where offenders and bans are remembered.
        policy: The jails.
        clock: Tells what is too old or in the future, and paces retries.
        max_age_ms: Older infractions are refused; None accepts any age.
        poll_s: How long one receive waits for a first message.
        linger_s: How long a busy worker goes on receiving before it records.
        flush_messages: How many messages are judged together at most.
        extend_resolution_s: How long infractions that only extend a ban wait for others of the same address.
        on_ban: Called after bans were stored, so that an enforcer nearby acts at once.
    """

    def __init__(  # noqa: PLR0913
        self,
        inbox: Inbox,
        ledger: Ledger,
        policy: Policy,
        clock: Clock,
        *,
        max_age_ms: int | None,
        poll_s: float = 5.0,
        linger_s: float = 0.1,
        flush_messages: int = 100,
        extend_resolution_s: float = 0.0,
        on_ban: Callable[[], None] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._ledger = ledger
        self._clock = clock
        self._max_age_ms = max_age_ms
        self._poll_s = poll_s
        self._linger_s = linger_s
        self._flush_messages = flush_messages
        self._policy = policy
        self._next_policy = policy
        self._reader = Reader(policy, max_age_ms)
        self._lateness = Lateness(clock.now_ms())
        self._judging = Judging(
            ledger, policy, clock, self._lateness, extend_resolution_s=extend_resolution_s, on_ban=on_ban
        )
        self._desk = self._judging.desk
        self._kept_s = float("-inf")
        self.problem: str | None = None  # why it does not get on, if it does not

    @property
    def policy(self) -> Policy:
        """The jails that it judges by, from the next turn on at the latest."""
        return self._next_policy

    def use(self, policy: Policy) -> None:
        """Judge by *policy* from the next turn on; may be called from another thread."""
        self._next_policy = policy

    def _take_over_policy(self) -> None:
        """Change all that follows from the jails, between two tries: one policy stores and closes a pile."""
        policy = self._next_policy
        if policy is not self._policy:
            self._policy = policy
            self._reader = Reader(policy, self._max_age_ms)
            self._judging.use(policy)
            self._ledger.keep_for(kept_ms(policy, self._max_age_ms))

    def run(self, stop: threading.Event) -> None:
        """Work until *stop* is set; then finish what was received, or release it."""
        pauses = Pauses(self._clock)
        while not stop.is_set():
            messages, failure = self._try_to_gather()
            self.turn(messages, stop)  # what was held back is due even if nothing can be received
            if failure:
                self.problem = str(failure)
                pauses.suffer(failure, stop)
            else:
                pauses.recover()
        self.turn([], stop)

    def _try_to_gather(self) -> tuple[list[Message], F2bError | None]:
        try:
            return self.gather(), None
        except F2bError as error:
            return [], error

    def gather(self) -> list[Message]:
        """Receive messages: an idle queue adds no wait to the first one, a busy one fills the linger."""
        messages = self._inbox.receive(wait_s=self._wait_s())
        ends_s = self._clock.monotonic_s() + self._linger_s
        received = len(messages)
        while received > RECEIVE_MAX // 2 and len(messages) < self._flush_messages:
            left_s = ends_s - self._clock.monotonic_s()
            if left_s <= 0:
                break
            try:
                more = self._inbox.receive(wait_s=0) or self._inbox.receive(wait_s=left_s)
            except F2bError:  # the next receive will say so; what is here is judged first
                break
            received = len(more)
            messages += more
        return messages

    def _wait_s(self) -> float:
        """Wait no longer than what is held back may, nor while something is to be put away."""
        if self._desk.done(1):
            return 0.0
        due_s = self._judging.due_in_s()
        return self._poll_s if due_s is None else min(self._poll_s, max(0, math.ceil(due_s)))

    def turn(self, messages: Sequence[Message], stop: threading.Event) -> None:
        """Judge *messages* and what is due, and delete them; hold on to them through an outage, until *stop*."""
        self._take_over_policy()
        self._lay_out(messages)
        pauses = Pauses(self._clock)
        while True:
            self._take_over_policy()  # it may be what ends the trouble
            try:
                self._try_turn(hurry=stop.is_set())
            except F2bError as error:
                if stop.is_set():
                    break
                self.problem = str(error)
                pauses.suffer(error, stop)
            else:
                self.problem = None
                return
            finally:
                self._keep()
        self._let_go()

    def _lay_out(self, messages: Sequence[Message]) -> None:
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        desk = self._desk
        for message in messages:
            contents = self._reader.read(message, now_ms=now_ms)
            desk.take(message, contents, self._judging.known, now_s=now_s)
        if messages:
            oldest_ms = min((pile.oldest_ms for pile in desk.piles.values()), default=now_ms)
            self._lateness.note(oldest_ms, now_ms)
        if desk.letters:
            log.warning("refused", messages=len(desk.letters), first=desk.letters[0].dead.detail)

    def _try_turn(self, *, hurry: bool) -> None:
        crowded = self._desk.unfinished > IN_HAND_MAX or self._desk.infractions > INFRACTIONS_MAX
        try:
            self._judging.judge(hurry=hurry or crowded)
        finally:  # what is done is done, whoever else has to wait
            self._put_away(None if hurry else PUT_AWAY * self._flush_messages)

    def _put_away(self, most: int | None) -> None:
        while self._desk.letters:
            self._bury(self._desk.letters[-1])
        done = self._desk.done(most)
        settled = [each.message for each in done if not each.stays]
        if settled:
            self._inbox.delete(settled)
        self._desk.put_away(done)
        metrics.messages_settled.inc(len(settled))

    def _bury(self, letter: Letter) -> None:
        """Store what is refused; a letter that SQS refuses too stays in the main queue, which redrives it."""
        try:
            self._inbox.bury(letter.dead)
        except Rejected as error:
            log.error("dead_letter_refused", message=letter.dead.message_id, reason=str(error))
            self._desk.give_up_letter(letter)
        else:
            self._desk.bury(letter)
        for reason, number in letter.dead.reasons.items():
            metrics.refused.labels(reason).inc(number)

    def keep_in_hand(self, stop: threading.Event) -> None:
        """Keep messages from others while one attempt to judge them is slow; for a thread beside `run`."""
        while not self._clock.wait(stop, self._inbox.visibility_s * KEPT_AFTER / 2):
            self._keep()

    def _keep(self) -> None:
        """Keep what is in hand for longer from becoming visible: an outage must not eat deliveries."""
        now_s, every_s = self._clock.monotonic_s(), self._inbox.visibility_s * KEPT_AFTER
        if now_s - self._kept_s < every_s:
            return
        self._kept_s = now_s
        messages = self._desk.held_since(now_s - every_s)
        try:
            if messages:
                self._inbox.keep(messages)
        except F2bError as error:  # they come again, and judging them again changes nothing
            say = log.warning if isinstance(error, Permanent) else log.debug
            say("not_kept", reason=str(error), messages=len(messages))

    def _let_go(self) -> None:
        messages = self._desk.clear()
        try:
            if messages:
                self._inbox.release(messages)
        except F2bError as error:
            log.warning("release_failed", reason=str(error), messages=len(messages), remedy=COME_AGAIN)


class Pauses:
    """Waits longer after each failure in a row, and says so once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0

    def suffer(self, error: F2bError, stop: threading.Event) -> None:
        """Wait after *error*, 0.1 s at first and at most five seconds, or until *stop*."""
        if self._failures == 0:
            log.warning("waiting_for_aws", reason=str(error), kind=type(error).__name__)
        metrics.aws_failures.labels(type(error).__name__).inc()
        self._clock.wait(stop, backoff_s(self._failures))
        self._failures += 1

    def recover(self) -> None:
        """Start anew after a success."""
        if self._failures:
            log.info("aws_is_back", failures=self._failures)
        self._failures = 0
