"""From messages to stored verdicts: receive, read, record, judge, ban, settle.

A message is deleted only after each of its infractions was recorded and judged, or refused and stored in the
dead-letter queue. Whatever dies before that, the message comes again, and judging it again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import structlog
from pydantic_core import to_json

from f2b_worker.domain.docket import sort_out
from f2b_worker.domain.lateness import Lateness
from f2b_worker.domain.verdicts import Offender, forgettable, judge, worth_storing
from f2b_worker.errors import AccessDenied, F2bError, Missing, Rejected, Retryable
from f2b_worker.observe import metrics
from f2b_worker.ports import DeadLetter, Sentence
from f2b_worker.wire import UnreadableError, read_body

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from f2b_worker.domain.docket import Docket, Reason, Refusal
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.verdicts import Hit, Judgement, OffenderId
    from f2b_worker.ports import Clock, Inbox, Ledger, Message

log: structlog.stdlib.BoundLogger = structlog.get_logger()

RECEIVE_MAX = 10
BACKOFF_MAX_S = 5.0
LETTER_BYTES_MAX = 240 * 1024  # queues may still be limited to 256 KiB, attributes included
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
        judgement = judge(offender, flush.pending[who], jail, key=who.key)
        if judgement.changed:
            return Sentence(offender, judgement.changed)
        self._close(who, offender, judgement, flush)
        return None

    def _close(self, who: OffenderId, offender: Offender, judgement: Judgement, flush: Flush) -> None:
        """Nothing is left to store for this offender but, now and then, the removal of spent hits."""
        jail = self._policy.jail(who.jail)
        if len(offender.hits) > jail.hits_kept:
            settled_ms = self._lateness.settled_ms(self._clock.now_ms())
            spent = forgettable(offender.hits, judgement.unused, jail, settled_ms=settled_ms)
            if spent:
                self._trim(who, spent)
        metrics.infractions_judged.inc(len(flush.pending[who]))
        log.debug("judged", jail=who.jail, key=who.key, infractions=len(flush.pending[who]))
        flush.finish(who)

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


def _in_letters(refused: Sequence[Refusal]) -> Iterator[tuple[str, list[Refusal]]]:
    """Cut what is refused into lists that fit into one message each, as JSON beside what they hold."""
    texts: list[bytes] = []
    part: list[Refusal] = []
    size_bytes = 0
    for one in refused:
        text = to_json(one.item, inf_nan_mode="strings")
        if part and size_bytes + len(text) > LETTER_BYTES_MAX:
            yield _as_list(texts), part
            texts, part, size_bytes = [], [], 0
        texts.append(text)
        part.append(one)
        size_bytes += len(text) + 1
    if part:
        yield _as_list(texts), part


def _as_list(texts: Sequence[bytes]) -> str:
    return f"[{b','.join(texts).decode()}]"


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


class Flush:
    """Messages that are judged together, and how far that has come."""

    def __init__(
        self, messages: Sequence[Message], policy: Policy, *, now_ms: int, max_age_ms: int | None
    ) -> None:
        self._messages = messages
        self._now_ms = now_ms
        self._needs: dict[str, set[OffenderId]] = {}
        self._given_up: set[OffenderId] = set()
        self._kept: set[str] = set()
        self.pending: dict[OffenderId, list[Hit]] = {}
        self.letters: list[DeadLetter] = []
        for message in messages:
            self._read(message, policy, now_ms, max_age_ms)

    @property
    def judged_messages(self) -> list[Message]:
        """The messages of which nothing is left to do."""
        undone = self.pending.keys() | self._given_up
        return [
            message
            for message in self._messages
            if message.id not in self._kept and not self._needs[message.id] & undone
        ]

    @property
    def unsettled(self) -> list[Message]:
        """All messages: whatever of them is judged again changes nothing."""
        return list(self._messages)

    @property
    def oldest_ms(self) -> int:
        """The time of the oldest infraction; the time of the flush itself if there is none."""
        return min((hit.at_ms for hits in self.pending.values() for hit in hits), default=self._now_ms)

    def finish(self, who: OffenderId) -> None:
        """Mark everything of one offender as judged."""
        self.pending.pop(who, None)

    def give_up(self, who: OffenderId) -> None:
        """Leave one offender's messages to come again."""
        self.pending.pop(who, None)
        self._given_up.add(who)

    def keep(self, message_id: str) -> None:
        """Leave a message in the queue whatever becomes of its infractions."""
        self._kept.add(message_id)

    def _read(self, message: Message, policy: Policy, now_ms: int, max_age_ms: int | None) -> None:
        self._needs[message.id] = set()
        try:
            body = read_body(message.body, message_id=message.id, sent_at_ms=message.sent_at_ms)
        except UnreadableError as error:
            self._bury(message, message.body, [(error.reason, str(error))])
            return
        docket = sort_out(body.infractions, policy, now_ms=now_ms, max_age_ms=max_age_ms)
        self._enter(message, docket)
        refused = body.refused + docket.refused
        for items, part in _in_letters(refused):
            self._bury(message, items, [(one.reason, one.detail) for one in part])

    def _enter(self, message: Message, docket: Docket) -> None:
        for who, hits in docket.hits.items():
            self.pending.setdefault(who, []).extend(hits)
            self._needs[message.id].add(who)
        for reason, number in docket.ignored.items():
            metrics.ignored.labels(reason).inc(number)
        for jail, number in docket.unknown_jails.items():
            metrics.unknown_jail.inc(number)
            log.debug("unknown_jail", jail=jail, infractions=number, judged_by="defaults")

    def _bury(self, message: Message, body: str, why: Sequence[tuple[Reason, str]]) -> None:
        reasons = Counter(reason.value for reason, _ in why)
        self.letters.append(DeadLetter(body, reasons, why[0][1], message.id))


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
        self._failures += 1
        self._clock.wait(stop, min(BACKOFF_MAX_S, 0.05 * 2**self._failures))

    def recover(self) -> None:
        """Start anew after a success."""
        if self._failures:
            log.info("aws_is_back", failures=self._failures)
        self._failures = 0
