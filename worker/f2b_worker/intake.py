"""From messages to stored verdicts: receive, read, record, judge, ban, settle.

A message is deleted only after each of its infractions was recorded and judged, or refused and stored in the
dead-letter queue. Whatever dies before that, the message comes again, and judging it again changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.across_jails import counting_for, fed_by, feeds_any
from f2b_worker.domain.backoff import backoff_s
from f2b_worker.domain.lateness import Lateness
from f2b_worker.domain.verdicts import Offender, forgettable, judge, worth_storing
from f2b_worker.errors import AccessDenied, F2bError, Missing, Rejected, Retryable
from f2b_worker.flush import Flush
from f2b_worker.observe import metrics
from f2b_worker.ports import Sentence

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.domain.jails import Jail, Policy
    from f2b_worker.domain.verdicts import Ban, Hit, Judgement, OffenderId
    from f2b_worker.ports import Clock, DeadLetter, Inbox, Ledger, Message

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RECEIVE_MAX = 10
_ROUNDS_MAX = 50  # a verdict that still changes then is a defect, not a race


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
        on_ban: Callable[[], None] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._ledger = ledger
        self._policy = policy
        self._clock = clock
        self._max_age_ms = max_age_ms
        self._poll_s = poll_s
        self._linger_s = linger_s
        self._flush_messages = flush_messages
        self._on_ban = on_ban
        self._lateness = Lateness(clock.now_ms())
        self.problem: str | None = None  # why it does not get on, if it does not

    @property
    def policy(self) -> Policy:
        """What it judges by."""
        return self._policy

    def use(self, policy: Policy) -> None:
        """Judge by *policy* from the next message on; may be called from another thread."""
        self._policy = policy

    def run(self, stop: threading.Event) -> None:
        """Work until *stop* is set; then finish what was received, or release it."""
        patience = Patience(self._clock)
        while not stop.is_set():
            try:
                messages = self.gather()
            except F2bError as error:
                self.problem = str(error)
                patience.suffer(error, stop)
                continue
            self.problem = None
            patience.recover()
            if messages:
                self.settle(messages, stop)

    def gather(self) -> list[Message]:
        """Receive messages: an idle queue adds no wait to the first one, a busy one fills the linger."""
        messages = self._inbox.receive(wait_s=self._poll_s)
        ends_s = self._clock.monotonic_s() + self._linger_s
        received = len(messages)
        while received == RECEIVE_MAX and len(messages) < self._flush_messages:
            if self._clock.monotonic_s() >= ends_s:
                break
            try:
                more = self._inbox.receive(wait_s=0)
            except F2bError:  # the next receive will say so; what is here is judged first
                break
            received = len(more)
            messages += more
        return messages

    def settle(self, messages: Sequence[Message], stop: threading.Event) -> None:
        """Judge *messages* and delete them; hold on to them through an outage, until *stop*."""
        flush = Flush(messages, self._policy, now_ms=self._clock.now_ms(), max_age_ms=self._max_age_ms)
        self._lateness.note(flush.oldest_ms, self._clock.now_ms())
        if flush.letters:
            log.warning("refused", messages=len(flush.letters), first=flush.letters[0].detail)
        patience = Patience(self._clock)
        while True:
            try:
                self._try_to_settle(flush)
            except F2bError as error:
                if stop.is_set():
                    break
                self.problem = str(error)
                patience.suffer(error, stop)
            else:
                self.problem = None
                return
        self._let_go(flush)

    def _let_go(self, flush: Flush) -> None:
        try:
            self._inbox.release(flush.unsettled)
        except F2bError as error:
            log.warning("release_failed", reason=str(error), messages=len(flush.unsettled))

    def _try_to_settle(self, flush: Flush) -> None:
        self._judge_all(flush)
        while flush.letters:
            self._bury(flush.letters[-1], flush)
            flush.letters.pop()
        self._inbox.delete(flush.judged_messages)
        metrics.messages_settled.inc(len(flush.judged_messages))

    def _bury(self, letter: DeadLetter, flush: Flush) -> None:
        """Store what is refused; a letter that SQS refuses too stays in the main queue, which redrives it."""
        try:
            self._inbox.bury(letter)
        except Rejected as error:
            log.error("dead_letter_refused", message=letter.message_id, reason=str(error))
            flush.keep(letter.message_id)
        for reason in letter.reasons:
            metrics.refused.labels(reason).inc(letter.reasons[reason])

    def _judge_all(self, flush: Flush) -> None:
        try:
            self._judge_pending(flush)
        finally:
            flush.lay_out_fed()
        if flush.pending:  # bans found here are infractions in the jails that bans feed, and those feed none
            self._judge_pending(flush)

    def _judge_pending(self, flush: Flush) -> None:
        """Record and judge each offender once; go on until the ledger holds what the judge says."""
        held_up: Exception | None = None
        answers = self._ledger.record({who: self._worth_storing(who, hits) for who, hits in flush.pending.items()})
        for _ in range(_ROUNDS_MAX):
            sentences: dict[OffenderId, Sentence] = {}
            for who, answer in answers.items():
                if isinstance(answer, Offender):
                    sentence = self._judge_one(who, answer, flush)
                    if sentence:
                        sentences[who] = sentence
                else:
                    held_up = self._fail_one(who, answer, flush) or held_up
            if not sentences:
                break
            answers = self._ledger.commit(sentences)
            self._on_ban()
            _announce(sentences, answers)
        else:
            raise Retryable(f"{len(sentences)} offenders are still contended after {_ROUNDS_MAX} rounds")
        if held_up:
            raise held_up

    def _worth_storing(self, who: OffenderId, hits: Sequence[Hit]) -> list[Hit]:
        return sorted(worth_storing(hits, self._policy.jail(who.jail), key=who.key))

    def _judge_one(self, who: OffenderId, offender: Offender, flush: Flush) -> Sentence | None:
        jail = self._policy.jail(who.jail)
        hits = flush.pending[who]
        judgement = judge(offender, hits, jail, key=who.key)
        if jail.overalljails and any(ban.evidence for ban in judgement.changed):  # a new one
            judgement = judge(offender, hits, jail, key=who.key, elsewhere=self._elsewhere(who, jail))
        if judgement.changed:
            return Sentence(offender, judgement.changed)
        self._close(who, offender, judgement, flush)
        return None

    def _elsewhere(self, who: OffenderId, jail: Jail) -> tuple[Ban, ...]:
        return counting_for(who, jail, ((each.who, each.ban) for each in self._ledger.standing_of(who.key)))

    def _close(self, who: OffenderId, offender: Offender, judgement: Judgement, flush: Flush) -> None:
        """Nothing is left to store for this offender but, now and then, the removal of spent hits."""
        jail = self._policy.jail(who.jail)
        if len(offender.hits) > jail.hits_kept:
            settled_ms = self._lateness.settled_ms(self._clock.now_ms())
            spent = forgettable(offender.hits, judgement.unused, jail, settled_ms=settled_ms)
            if spent:
                self._trim(who, spent)
        self._feed(who, offender, flush)
        metrics.infractions_judged.inc(len(flush.pending[who]))
        log.debug("judged", jail=who.jail, key=who.key, infractions=len(flush.pending[who]))
        flush.finish(who)

    def _feed(self, who: OffenderId, offender: Offender, flush: Flush) -> None:
        """Let the bans that these infractions brought about count in the jails that are fed by bans.

        They are read from the ledger, so that whoever judges the messages again, because their first judge
        died between the ban and this, feeds them, too. Infractions after the last ban's start brought none about.
        """
        policy = self._policy
        oldest_ms = min(hit.at_ms for hit in flush.pending[who])
        if offender.ban and oldest_ms <= offender.ban.start_ms and feeds_any(who, policy):
            bans = [ban for ban in self._ledger.history(who) if ban.start_ms >= oldest_ms]
            flush.feed(who, fed_by(who, bans, policy))

    def _trim(self, who: OffenderId, spent: frozenset[Hit]) -> None:
        try:
            self._ledger.trim(who, spent)
        except F2bError as error:  # tidiness only: the next verdict tries again
            log.debug("trim_failed", jail=who.jail, key=who.key, reason=str(error))

    def _fail_one(self, who: OffenderId, error: Exception, flush: Flush) -> Exception | None:
        """Answer the error if the whole flush must wait for its end; otherwise give up on this offender.

        What the ledger refuses for a reason of the offender's own comes again with its message, and the
        queue's redrive policy ends that.
        """
        if isinstance(error, (Retryable, AccessDenied, Missing)):
            return error
        log.error("ledger_refused", jail=who.jail, key=who.key, reason=str(error))
        metrics.ledger_refused.inc()
        flush.give_up(who)
        return None


def _announce(
    sentences: Mapping[OffenderId, Sentence], answers: Mapping[OffenderId, Offender | Exception]
) -> None:
    for who, sentence in sentences.items():
        answer = answers[who]
        if not isinstance(answer, Offender) or answer.revision != sentence.seen.revision + 1:
            continue  # not stored, or not known to be
        for ban in sentence.changed:
            if ban.evidence:  # a new ban; an extended one was announced when it started
                log.info("banned", jail=who.jail, key=who.key, count=ban.count, length_s=ban.length_ms // 1000)


class Patience:
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
