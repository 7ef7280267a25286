"""From messages to stored verdicts: receive, lay out by offender, have them judged, settle.

A message is deleted only after each of its infractions was recorded and judged, or refused and stored in the
dead-letter queue. Whatever dies before that, the message comes again, and judging it again changes nothing.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from f2b_worker.aside import in_a_thread
from f2b_worker.domain.judge.lateness import Lateness
from f2b_worker.domain.judge.retention import kept_ms
from f2b_worker.errors import F2bError, Permanent
from f2b_worker.intake.arriving import Arriving
from f2b_worker.intake.budget import BULKY, BULKY_WAITING_MAX, OFFENDERS_PER_S, SHARE_S
from f2b_worker.intake.judging import Judging
from f2b_worker.intake.reading import Reader
from f2b_worker.intake.receivers import let_go
from f2b_worker.intake.settling import Settling
from f2b_worker.intake.trouble import Trouble
from f2b_worker.observe import metrics, traces
from f2b_worker.observe.pulse import Pulse
from f2b_worker.ports import RECEIVE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.aside import Aside
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.verdicts import Offender, OffenderId
    from f2b_worker.ports import Clock, Inbox, Ledger, Message

log: structlog.stdlib.BoundLogger = structlog.get_logger()

KEPT_AFTER = 0.4
"""After so much of the visibility timeout, messages that are still in hand are kept from becoming visible."""

IN_HAND_MAX = 10_000
"""So many messages wait in hand at most, about 400 bytes each; a queue has 120,000 in flight, for all workers."""

INFRACTIONS_MAX = 500_000
"""So many infractions wait at most to extend bans, 65 MB of few offenders; then all are judged at once."""

PROBED_MAX = 100
"""In an outage so many offenders are in hand at most: others tell it from one offender's trouble."""

CROWDED_PAUSE_S = 0.1

JUDGED_FOR_S = 0.5
"""So long a worker that stops begins to judge what it has in hand: another has the rest sooner."""

LET_GO_AFTER_S = 4.0
"""So long a stop waits for an answer to what is being judged; what is in hand then is released, whatever comes."""


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
        offenders_per_s: How many offenders may be written to the ledger in a second.
        on_ban: Called after bans were stored, so that an enforcer nearby acts at once.
        aside: Stores dead letters and deletes messages, perhaps in another thread.

    Attributes:
        ended: Set when `run` has ended.
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
        offenders_per_s: float = OFFENDERS_PER_S,
        on_ban: Callable[[], None] = lambda: None,
        aside: Aside = in_a_thread,
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
        self._arriving = Arriving()
        self._lateness = Lateness(clock.now_ms())
        self._judging = Judging(
            ledger,
            policy,
            clock,
            self._lateness,
            extend_resolution_s=extend_resolution_s,
            offenders_per_s=offenders_per_s,
            on_ban=on_ban,
        )
        self._desk = self._judging.desk
        self._settling = Settling(inbox, self._desk, clock, aside)
        self._receiving, self._verdicts = Trouble(), Trouble()
        self._kept_s = float("-inf")
        self._hiding = threading.Lock()  # or a call under way could hide again what is released
        self._has_let_go = False
        self.ended = threading.Event()
        self.pulse = Pulse(clock.monotonic_s)

    @property
    def problem(self) -> str | None:
        """Why it does not get on, if it does not, in one line."""
        reasons = (
            self._verdicts.reason,
            self._receiving.reason,
            self._judging.problem,
            self._settling.problem,
        )
        return next((reason for reason in reasons if reason), None)

    @property
    def policy(self) -> Policy:
        """The jails that it judges by, from the next turn on at the latest."""
        return self._next_policy

    @property
    def oldest_ms(self) -> int:
        """How old the oldest message was of those that came of late; may be asked from another thread."""
        return self._arriving.oldest_ms

    @property
    def judged(self) -> dict[str, int]:
        """How many infractions were judged in each jail so far; may be asked from another thread."""
        return self._judging.judged

    def hear(self, news: Mapping[OffenderId, Offender], asked_s: float) -> None:
        """Learn what others did to bans; called from any thread, see `Judging.hear`."""
        self._judging.hear(news, asked_s)

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
        try:
            self._run(stop)
        finally:
            self.ended.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.pulse.beat()
            messages, pause_s = self._try_to_gather()
            self.turn(messages, stop)  # what was held back is due even if nothing can be received
            if pause_s:
                self._clock.wait(stop, pause_s)
        self.finish()

    def _try_to_gather(self) -> tuple[list[Message], float]:
        """Receive messages; answer them, and how long to wait before the next try."""
        if self._is_crowded:
            self._leave(self._judging.held_up())
            return [], CROWDED_PAUSE_S
        try:
            messages = self.gather()
        except F2bError as error:
            return [], self._receiving.note(error)
        self._receiving.end()
        return messages, 0.0

    @property
    def _is_crowded(self) -> bool:
        return self._desk.unfinished > IN_HAND_MAX or self._desk.infractions > INFRACTIONS_MAX

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
        """Wait no longer than what is held back may; the end of what is done aside is looked for each second."""
        if self._judging.is_spent:
            return SHARE_S
        most_s = min(self._poll_s, 1.0) if self._settling.is_open else self._poll_s
        due_s = self._judging.due_in_s()
        return most_s if due_s is None else min(most_s, max(0, math.ceil(due_s)))

    def lay_out(self, messages: Sequence[Message]) -> None:
        """Lay *messages* out for the next turn; those of which nothing is to be judged wait for no ledger."""
        self._lay_out(messages)
        self._settling.go_on()

    def turn(self, messages: Sequence[Message], stop: threading.Event) -> None:
        """Judge *messages* and what is due; hold on to all through an outage, until *stop*."""
        with traces.processing(messages):
            self._turn(messages, stop)

    def _turn(self, messages: Sequence[Message], stop: threading.Event) -> None:
        self._lay_out(messages)
        while True:
            self.pulse.beat()
            self._take_over_policy()  # it may be what ends the trouble
            try:
                with traces.inside("verdict", offenders=len(self._desk.piles)):
                    self._judging.judge(hurry=self._is_crowded, enough=stop.is_set)
            except F2bError as error:
                pause_s = self._verdicts.note(error)
            else:
                self._verdicts.end()
                return
            finally:  # what is done is done, whoever else has to wait
                self._settling.go_on()
                self._keep()
            if self._clock.wait(stop, pause_s):
                return
            self._probe(stop)

    def _probe(self, stop: threading.Event) -> None:
        """Receive until somebody comes who was not tried yet: during an outage that tells whether it is one."""
        tried = len(self._desk.piles)
        if self._is_crowded and tried == 1:  # of several, it is an outage: all of them would only come again
            self._leave(list(self._desk.piles))
        with suppress(F2bError):  # the next receive will say so
            while len(self._desk.piles) <= tried < PROBED_MAX and not self._is_crowded and not stop.is_set():
                self.pulse.beat()
                messages = self._inbox.receive(wait_s=0)
                if not messages:
                    break
                self._lay_out(messages)

    def _leave(self, offenders: Sequence[OffenderId]) -> None:
        """Make room for others: leave the messages of some in the queue, which redrives them at last."""
        messages = self._desk.leave(offenders)
        metrics.postponed.labels("held_up").inc(messages)
        self._settling.go_on()

    def finish(self) -> None:
        """Judge what was received, bury and delete what is done, each for a moment; release the rest."""
        ends_s = self._clock.monotonic_s() + JUDGED_FOR_S
        self._judging.give_back_covered()
        try:
            self._judging.judge(hurry=True, enough=lambda: self._clock.monotonic_s() >= ends_s)
        except F2bError as error:
            log.warning("not_judged", reason=str(error), infractions=self._desk.infractions)
        self._settling.finish()
        self._release(self._desk.clear())

    def _lay_out(self, messages: Sequence[Message]) -> None:
        self._take_over_policy()
        self._judging.take_in_news()
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        desk = self._desk
        for message in messages:
            contents = self._reader.read(message, now_ms=now_ms)
            self._arriving.note(contents.infractions, now_ms - message.sent_at_ms)
            if len(contents.hits) > BULKY and self._judging.over_budget > BULKY_WAITING_MAX:
                metrics.postponed.labels("bulky").inc()
                self._inbox.postpone([message])
                continue
            desk.take(message, contents, self._judging.known, now_s=now_s)
        self._arriving.tell(now_s)
        if messages:
            oldest_ms = min((pile.oldest_ms for pile in desk.piles.values()), default=now_ms)
            self._lateness.note(oldest_ms, now_ms)
        if desk.letters:
            log.warning("refused", messages=len(desk.letters), first=desk.letters[0].dead.detail)

    def keep_in_hand(self, stop: threading.Event) -> None:
        """Keep messages from others while one attempt to judge them is slow, but not from a slow stop on.

        For a thread beside `run`.
        """
        while not self._clock.wait(stop, self._inbox.visibility_s * KEPT_AFTER / 2):
            self._keep()
        if not self._clock.wait(self.ended, LET_GO_AFTER_S):
            self._release(self._desk.held_since(float("inf")))

    def _keep(self) -> None:
        """Keep what is in hand for longer from becoming visible: an outage must not eat deliveries."""
        if self._hiding.acquire(blocking=False):
            try:
                if not self._has_let_go:
                    self._keep_what_is_due()
            finally:
                self._hiding.release()

    def _keep_what_is_due(self) -> None:
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

    def _release(self, messages: Sequence[Message]) -> None:
        """Make messages visible to others, and keep none from then on."""
        with self._hiding:
            self._has_let_go = True
            let_go(self._inbox, messages)
