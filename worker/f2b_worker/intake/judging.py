"""The verdicts on what lies on the desk: record, judge, ban, until the ledger holds what the judge says."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import structlog

from f2b_worker.domain.judge.across_jails import counting_for, fed_by, feeds_any
from f2b_worker.domain.judge.verdicts import Offender, forgettable, judge, worth_storing
from f2b_worker.errors import AccessDenied, F2bError, Missing, Retryable
from f2b_worker.intake.known_bans import KnownBans
from f2b_worker.observe import metrics
from f2b_worker.ports import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from f2b_worker.domain.jails import Jail, Policy
    from f2b_worker.domain.judge.lateness import Lateness
    from f2b_worker.domain.judge.verdicts import Ban, Hit, Judgement, OffenderId
    from f2b_worker.intake.desk import Desk, Pile
    from f2b_worker.ports import Clock, Ledger

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EXTENSIONS_PER_S = 100
"""So few bans are extended each second, at most, while none of them has waited for the whole resolution."""

EXTENSIONS_AT_ONCE = 250
"""So many bans are extended in one turn at most, 40 ms: new infractions are judged in between."""

EXTEND_EVERY_S = 1.0
"""The same ban is extended no more often: a hot address must not wear out its item."""

_ROUNDS_MAX = 50  # a verdict that still changes then is a defect, not a race


class Judging:
    """Judges what lies on the desk against the ledger.

    Infractions during a ban only move its end. Those of an offender that this worker knows to be banned are not
    recorded, and wait for each other: alone for a moment, among many for *extend_resolution_s* at most. The ledger
    is told what the new end was decided from: if a colleague was faster, it says what is there now.

    Args:
        ledger: Where offenders and bans are remembered.
        policy: The jails.
        clock: Tells how long a ban still runs, and what has waited long enough.
        lateness: Says how long unused hits must be kept.
        extend_resolution_s: How long infractions that only extend a ban wait for others of the same address.
        on_ban: Called after bans were stored.
    """

    def __init__(  # noqa: PLR0913
        self,
        ledger: Ledger,
        policy: Policy,
        clock: Clock,
        lateness: Lateness,
        *,
        extend_resolution_s: float,
        on_ban: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock
        self._lateness = lateness
        self._resolution_s = extend_resolution_s
        self._on_ban = on_ban
        self._log = log.bind()  # a lazy logger binds itself anew for each line, which costs a verdict 4 µs
        self.known = KnownBans()

    def use(self, policy: Policy) -> None:
        """Judge by *policy* from the next pile on; may be called from another thread."""
        self._policy = policy

    def due_in_s(self, desk: Desk) -> float | None:
        """Tell in how many seconds the next pile that waits is due; None if none waits."""
        now = self._now(desk)
        return min((self._due_in_s(pile, now) for pile in desk.piles.values()), default=None)

    def _now(self, desk: Desk) -> _Now:
        waits_s = min(self._resolution_s, len(desk.piles) / EXTENSIONS_PER_S)
        return _Now(self._clock.monotonic_s(), self._clock.now_ms(), waits_s)

    def _due_in_s(self, pile: Pile, now: _Now) -> float:
        known = pile.known
        if known is None or not pile.is_longer:
            return 0.0
        ends_in_s = (known.ban.until_ms - now.ms) / 1000
        if 0 <= ends_in_s < 2 * self._resolution_s:
            return 0.0  # the stored end must not come before the later one is stored
        soonest_s = known.learned_s + min(EXTEND_EVERY_S, self._resolution_s)
        return max(pile.since_s + now.waits_s, soonest_s) - now.s

    def _due(self, desk: Desk) -> list[OffenderId]:
        """Find what is due: the piles are in the order in which they came, so the oldest extensions go first."""
        now = self._now(desk)
        longer = (who for who, pile in desk.piles.items() if pile.is_longer and self._due_in_s(pile, now) <= 0)
        return _at_once(desk) + list(islice(longer, EXTENSIONS_AT_ONCE))

    def judge(self, desk: Desk, *, hurry: bool) -> None:
        """Judge the piles that are due, in a *hurry* all, and take from the desk what is done.

        Of many bans that only last longer, some are left for the next turn.

        Raises:
            F2bError: If some must wait for the end of an outage; the others are done.
        """
        due = list(desk.piles) if hurry else self._due(desk)
        while due:
            try:
                self._judge(desk, due)
            finally:
                desk.lay_out_fed()
            due = list(desk.piles) if hurry else _at_once(desk)

    def _judge(self, desk: Desk, due: Iterable[OffenderId]) -> None:
        held_up: Exception | None = None
        answers = self._answers(desk, due)
        for _ in range(_ROUNDS_MAX):
            sentences: dict[OffenderId, Sentence] = {}
            for who, answer in answers.items():
                found = self._sentence_or_error(who, answer, desk)
                if isinstance(found, Sentence):
                    sentences[who] = found
                elif found:
                    held_up = found
            if not sentences:
                break
            answers = self._ledger.commit(sentences)
            self._on_ban()
            _announce(sentences, answers)
        else:
            raise Retryable(f"others changed {len(sentences)} offenders in each of {_ROUNDS_MAX} rounds")
        if held_up:
            raise held_up

    def _answers(self, desk: Desk, due: Iterable[OffenderId]) -> dict[OffenderId, Offender | Exception]:
        """Record what is new; what only extends a known ban is judged by what is known."""
        answers: dict[OffenderId, Offender | Exception] = {}
        new: dict[OffenderId, list[Hit]] = {}
        for who in due:
            pile = desk.piles[who]
            if pile.known:
                answers[who] = pile.known.seen
            else:
                new[who] = self._worth_storing(who, pile)
        return answers | self._ledger.record(new) if new else answers

    def _sentence_or_error(
        self, who: OffenderId, answer: Offender | Exception, desk: Desk
    ) -> Sentence | Exception | None:
        pile = desk.piles[who]
        if not isinstance(answer, Offender):
            return self._fail_one(who, answer, desk)
        if pile.known and not _covers(answer.ban, pile):
            pile.known = None  # a colleague banned it anew: what lies here is recorded first, in the next turn
            self.known.learn(who, answer, self._clock.monotonic_s())
            return None
        try:
            return self._judge_one(who, answer, desk)
        except F2bError as error:  # what else had to be read for this offender
            return self._fail_one(who, error, desk)

    def _worth_storing(self, who: OffenderId, pile: Pile) -> list[Hit]:
        return sorted(worth_storing(pile.hits, self._policy.jail(who.jail), key=who.key))

    def _judge_one(self, who: OffenderId, offender: Offender, desk: Desk) -> Sentence | None:
        jail = self._policy.jail(who.jail)
        hits = desk.piles[who].hits
        judgement = judge(offender, hits, jail, key=who.key)
        if jail.overalljails and any(ban.evidence for ban in judgement.changed):  # a new one
            judgement = judge(offender, hits, jail, key=who.key, elsewhere=self._elsewhere(who, jail))
        if judgement.changed:
            return Sentence(offender, judgement.changed)
        self._close(who, offender, judgement, desk)
        return None

    def _elsewhere(self, who: OffenderId, jail: Jail) -> tuple[Ban, ...]:
        return counting_for(who, jail, ((each.who, each.ban) for each in self._ledger.standing_of(who.key)))

    def _close(self, who: OffenderId, offender: Offender, judgement: Judgement, desk: Desk) -> None:
        """Nothing is left to store for this offender but, now and then, the removal of spent hits."""
        jail = self._policy.jail(who.jail)
        if len(offender.hits) > jail.hits_kept:
            settled_ms = self._lateness.settled_ms(self._clock.now_ms())
            spent = forgettable(offender.hits, judgement.unused, jail, settled_ms=settled_ms)
            if spent:
                self._trim(who, spent)
        self._feed(who, offender, desk)
        self.known.learn(who, offender, self._clock.monotonic_s())
        metrics.infractions_judged.inc(len(desk.piles[who].hits))
        self._log.debug("judged", jail=who.jail, key=who.key, infractions=len(desk.piles[who].hits))
        desk.finish(who)

    def _feed(self, who: OffenderId, offender: Offender, desk: Desk) -> None:
        """Let the bans that these infractions brought about count in the jails that are fed by bans.

        They are read from the ledger, so that whoever judges the messages again, because their first judge
        died between the ban and this, feeds them, too. Infractions after the last ban's start brought none about.
        """
        policy = self._policy
        oldest_ms = desk.piles[who].oldest_ms
        if offender.ban and oldest_ms <= offender.ban.start_ms and feeds_any(who, policy):
            bans = [ban for ban in self._ledger.history(who) if ban.start_ms >= oldest_ms]
            desk.feed(who, fed_by(who, bans, policy))

    def _trim(self, who: OffenderId, spent: frozenset[Hit]) -> None:
        try:
            self._ledger.trim(who, spent)
        except F2bError as error:  # tidiness only: the next verdict tries again
            log.debug("trim_failed", jail=who.jail, key=who.key, reason=str(error))

    def _fail_one(self, who: OffenderId, error: Exception, desk: Desk) -> Exception | None:
        """Answer the error if all must wait for its end; otherwise give up on this offender.

        What the ledger refuses for a reason of the offender's own goes to the dead-letter queue, and the rest of
        its messages is done.
        """
        if _must_wait(error):
            return error
        log.error("ledger_refused", jail=who.jail, key=who.key, reason=str(error))
        metrics.ledger_refused.inc()
        desk.give_up(who, str(error))
        return None


class _Now(NamedTuple):
    s: float
    ms: int
    waits_s: float


def _at_once(desk: Desk) -> list[OffenderId]:
    """Find the piles that wait for nothing: they are to be recorded, or leave nothing to store."""
    return [who for who, pile in desk.piles.items() if not pile.is_longer]


def _must_wait(error: Exception) -> bool:
    """Tell whether an error is everybody's, and passes, rather than one offender's own."""
    return isinstance(error, (Retryable, AccessDenied, Missing))


def _covers(ban: Ban | None, pile: Pile) -> bool:
    """Tell whether all of a pile fell into the time of a ban, or would without the end that they moved."""
    if ban is None or pile.known is None or ban.start_ms != pile.known.ban.start_ms:
        return False
    return ban.start_ms < pile.oldest_ms


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
