"""The verdicts on what lies on the desk: record, judge, ban, until the ledger holds what the judge says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog

from f2b_worker.domain.judge.across_jails import counting_for
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.infractions import Reason
from f2b_worker.domain.judge.verdicts import Offender, judge, weight_of, worth_storing
from f2b_worker.errors import F2bError, Invalid, Unavailable, Unreadable
from f2b_worker.intake.budget import Budget, Share
from f2b_worker.intake.closing import Closing
from f2b_worker.intake.counting import Counting
from f2b_worker.intake.covered import Covered
from f2b_worker.intake.desk import Desk
from f2b_worker.intake.extending import Extending
from f2b_worker.intake.held_up import HeldUp
from f2b_worker.intake.known_bans import KnownBans
from f2b_worker.intake.news import News
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from f2b_worker.domain.jails import Jail, Policy
    from f2b_worker.domain.judge.lateness import Lateness
    from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId, Verdict
    from f2b_worker.intake.desk import Pile
    from f2b_worker.ports import Answers, Clock, Ledger

T = TypeVar("T")

log: structlog.stdlib.BoundLogger = structlog.get_logger()

JUDGED_TOGETHER_MAX = 2_000
"""So many offenders are judged in one piece at most: a stop comes in between."""

_ROUNDS_MAX = 50  # a long backlog, one ban a round, goes on in the next turn; else it would be a defect


class Judging:
    """Judges what lies on its desk against the ledger.

    Infractions during a ban only move its end. Those of an offender that this worker knows to be banned are not
    recorded, and wait for each other: alone for a moment, among many for *extend_resolution_s* at most. The ledger
    is told what the new end was decided from: if a colleague was faster, it says what is there now.

    Args:
        ledger: Where offenders and bans are remembered.
        policy: The jails.
        clock: Tells how long a ban still runs, and what has waited long enough.
        lateness: Says how long unused hits must be kept.
        extend_resolution_s: How long infractions that only extend a ban wait for others of the same address.
        offenders_per_s: How many offenders may be written to the ledger in a second.
        on_ban: Called after bans were stored.

    Attributes:
        desk: What is in hand. Laid out and put away by who has things judged, in the same thread.
        known: The bans that this worker knows of.
        over_budget: How many offenders were left for a later turn, because they are too many.
        is_spent: Whether that is so because nothing is left of the second's budget.
    """

    def __init__(  # noqa: PLR0913
        self,
        ledger: Ledger,
        policy: Policy,
        clock: Clock,
        lateness: Lateness,
        *,
        extend_resolution_s: float,
        offenders_per_s: float,
        on_ban: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock
        self._on_ban = on_ban
        self._budget = Budget(offenders_per_s, clock.monotonic_s())
        self.known = KnownBans()
        self.desk = Desk()
        self._held_up = HeldUp(self.desk, clock)
        self._extending = Extending(self.desk, clock, extend_resolution_s)
        self._counting = Counting(clock, policy)
        self._closing = Closing(
            ledger, policy, clock, lateness, desk=self.desk, known=self.known, counting=self._counting
        )
        self._covered = Covered(self.desk, self.known, clock, self._closing.note_judged)
        self._news = News(self.desk, self.known, self._covered)
        self.over_budget = 0
        self.is_spent = False

    @property
    def judged(self) -> dict[str, int]:
        """How many infractions were judged in each jail so far; may be asked from another thread."""
        return self._counting.judged_so_far.copy()

    @property
    def problem(self) -> str | None:
        """Why some wait although others are judged, if that has lasted; None else."""
        return self._held_up.problem

    def held_up(self) -> list[OffenderId]:
        """Name those who could not be judged in several tries."""
        return self._held_up.long()

    def use(self, policy: Policy) -> None:
        """Judge by *policy* from now on; not while piles are being judged."""
        self._policy = policy
        self._counting.use(policy)
        self._closing.use(policy)

    def hear(self, news: Mapping[OffenderId, Offender], asked_s: float) -> None:
        """Learn in the next turn what others did to bans; called from any thread."""
        self._news.hear(news, asked_s)

    def take_in_news(self) -> None:
        """Learn what was heard."""
        self._news.take_in()

    def due_in_s(self) -> float | None:
        """Tell in how many seconds the next pile that waits is due; None if none waits."""
        due_s = [each for each in (self._extending.due_in_s(), self._covered.due_in_s()) if each is not None]
        return min(due_s, default=None)

    def give_back_covered(self) -> None:
        """Have what waits for news judged without them: nobody waits for any more."""
        self._covered.give_back()

    def _at_once(self, share: Share) -> list[OffenderId]:
        """Find the piles that wait for nothing, within the budget: to be recorded, or leaving nothing to store."""
        now_s = self._clock.monotonic_s()
        piles = self.desk.piles.items()
        ready = [(who, pile) for who, pile in piles if not pile.is_longer and pile.again_s <= now_s]
        chosen = share.choose(ready)
        self.over_budget = len(ready) - len(chosen)
        self.is_spent = self.over_budget > 0 and share.is_spent
        return chosen

    def judge(self, *, hurry: bool, enough: Callable[[], bool] = lambda: False) -> None:
        """Judge the piles that are due, in a *hurry* extensions that could wait, too, and take away what is done.

        As soon as it is *enough* the others are left.

        Of many offenders some are left for the next turn: of bans that only last longer, and beyond the budget.

        Raises:
            F2bError: If nobody could be judged, as in an outage. Who fails alone rests for a while.
        """
        self.take_in_news()  # also in an outage, in which nothing is laid out
        self._covered.settle()
        self._counting.tell()
        share = Share(self._budget, self._clock.monotonic_s())
        longer = self._extending.all() if hurry else self._extending.due()
        due = self._at_once(share) + longer
        while due:
            for begin in range(0, len(due), JUDGED_TOGETHER_MAX):
                try:
                    self._judge(due[begin : begin + JUDGED_TOGETHER_MAX])
                finally:
                    self.desk.lay_out_fed()
                    self._counting.tell()
                if enough():
                    return
            due = self._at_once(share)
            if hurry:
                due += self._extending.all()
        self._extending.have_stored(len(longer))
        self._budget.tell(self.over_budget, self._clock.monotonic_s())
        self._held_up.tell()

    def _judge(self, due: Sequence[OffenderId]) -> None:
        failed: dict[OffenderId, F2bError] = {}
        settled: dict[OffenderId, _Settled] = {}
        answers = self._known_answers(due)
        new = [who for who in due if who not in answers]
        asked = set(new)
        told = self._ban_at_sight(new)
        told |= self._record([who for who in new if who not in told])
        reached = _has_answered(told)
        answers |= told
        for _ in range(_ROUNDS_MAX):
            decisions: dict[OffenderId, Decision] = {}
            for who, answer in answers.items():
                found = self._decision_or_error(who, answer)
                if isinstance(found, Decision):
                    decisions[who] = found
                elif isinstance(found, _Settled):
                    settled[who] = found
                elif found:
                    failed[who] = found
            if not decisions:
                break
            answers = self._commit(decisions)
            asked.update(decisions)
            reached = reached or _has_answered(answers)
        else:
            failed |= dict.fromkeys(decisions, Unavailable(f"it changed in each of {_ROUNDS_MAX} rounds"))
        failed |= self._publish({who: each for who, each in settled.items() if who in asked})
        failed |= self._finish({who: each for who, each in settled.items() if who not in failed}, asked)
        if failed and not reached:
            raise next(reversed(failed.values()))
        self._held_up.set_aside(failed)

    def _finish(
        self, settled: Mapping[OffenderId, _Settled], asked: Collection[OffenderId]
    ) -> Mapping[OffenderId, F2bError]:
        """Close the piles of those of whom the ledger was asked; the others fell into bans that are known.

        Returns:
            Whose pile could not be closed, since more of them had to be read, and why.
        """
        failed: dict[OffenderId, F2bError] = {}
        for who, each in settled.items():
            if who not in asked:
                self._covered.hold(who)
                continue
            try:
                self._closing.close(who, *each)
            except F2bError as error:
                failed[who] = error
        return failed

    def _publish(self, settled: Mapping[OffenderId, _Settled]) -> Mapping[OffenderId, F2bError]:
        """Let everybody know what was judged against, whoever stored it; what was known here is known to all.

        Returns:
            Whose bans may not be known, and why: their messages wait, and nobody else's.
        """
        banned = {who: each.offender for who, each in settled.items() if each.offender.ban}
        errors = self._ledger.publish(banned) if banned else {}
        if len(errors) < len(banned):
            self._on_ban()
        return errors

    def _known_answers(self, due: Iterable[OffenderId]) -> Answers:
        """Answer of those who only extend a ban what is known: their infractions need not be recorded."""
        piles = ((who, self.desk.piles[who].known) for who in due)
        return {who: known.seen for who, known in piles if known}

    def _ban_at_sight(self, new: Sequence[OffenderId]) -> Answers:
        """Ban strangers whose infractions in hand are enough for it: one write, where to record them is another.

        It is as if they had been recorded and judged in one moment.

        Returns:
            What is remembered of those whom this settled, and errors; the others are to be recorded.
        """
        bans = {who: ban for who in new if (ban := self._ban_of_stranger(who))}
        answers = self._heeding(self._ledger.ban_strangers, bans) if bans else {}
        for who, answer in answers.items():
            if isinstance(answer, Offender):
                self._announce(who, bans[who])
        return answers

    def _ban_of_stranger(self, who: OffenderId) -> Ban | None:
        """Find the one ban that is all that comes of a pile, if nothing is remembered of its offender."""
        pile, jail = self.desk.piles[who], self._policy.jail(who.jail)
        if weight_of(pile.hits) < jail.maxretry_least or pile.failures or jail.overalljails or self.known.get(who):
            return None
        verdict = judge(Offender(), pile.hits, jail, key=who.key)
        # Hits that are left over, and those of a second ban, have to be remembered, too.
        return verdict.changed[0] if len(verdict.changed) == 1 and not verdict.unused else None

    def _record(self, whom: Iterable[OffenderId]) -> Answers:
        hits = {who: self._worth_storing(who, self.desk.piles[who]) for who in whom}
        return self._heeding(self._ledger.record, hits) if hits else {}

    def _commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        answers = self._heeding(self._ledger.commit, decisions)
        for who, answer in answers.items():
            # Else it is not stored, or not known to be.
            if isinstance(answer, Offender) and answer.revision == decisions[who].seen.revision + 1:
                self._announce(who, decisions[who].last)
        return answers

    def _announce(self, who: OffenderId, ban: Ban) -> None:
        if not ban.evidence:  # an extended one; it was announced when it started
            return
        if not ban.observed:
            self._counting.banned(who)
        event = "would_ban" if ban.observed else "banned"
        log.info(event, jail=who.jail, key=who.key, count=ban.count, length_s=ban.length_ms // 1000)

    def _heeding(self, ask: Callable[[Mapping[OffenderId, T]], Answers], what: Mapping[OffenderId, T]) -> Answers:
        """Write to the ledger, and write less from then on if it throttles not only single offenders."""
        began_s = self._clock.monotonic_s()
        answers = ask(what)
        self._budget.heed(answers, self._clock.monotonic_s() - began_s)
        return answers

    def _decision_or_error(
        self, who: OffenderId, answer: Offender | F2bError
    ) -> Decision | _Settled | F2bError | None:
        pile = self.desk.piles[who]
        if not isinstance(answer, Offender):
            return self._fail_one(who, answer)
        if pile.known and not pile.is_covered_by(answer):
            # A colleague banned it anew: what lies here is recorded first, in the next round. That ban may not be
            # logged yet, so it is known here once it is.
            pile.known = None
            return None
        try:
            return self._judge_one(who, answer)
        except F2bError as error:  # what else had to be read for this offender
            return self._fail_one(who, error)

    def _worth_storing(self, who: OffenderId, pile: Pile) -> list[Hit]:
        return sorted(worth_storing(pile.hits, self._policy.jail(who.jail), key=who.key))

    def _judge_one(self, who: OffenderId, offender: Offender) -> Decision | _Settled:
        jail = self._policy.jail(who.jail)
        hits = self.desk.piles[who].hits
        verdict = judge(offender, hits, jail, key=who.key)
        if jail.overalljails and any(ban.evidence for ban in verdict.changed):  # a new one
            verdict = judge(offender, hits, jail, key=who.key, elsewhere=self._elsewhere(who, jail))
        if verdict.changed:
            return Decision.on(offender, verdict.changed)
        return _Settled(offender, verdict)

    def _elsewhere(self, who: OffenderId, jail: Jail) -> tuple[Ban, ...]:
        return counting_for(who, jail, ((each.who, each.ban) for each in self._ledger.standing_of(who.key)))

    def _fail_one(self, who: OffenderId, error: F2bError) -> F2bError | None:
        """Answer the error, whose end is waited for, unless it is a known fault of this offender's own.

        Only that sends its infractions to the dead-letter queue; then the rest of its messages is done.
        """
        if not isinstance(error, Invalid):
            return error
        log.error("ledger_refused", jail=who.jail, key=who.key, reason=str(error))
        metrics.ledger_refused.inc()
        reason = Reason.STATE_UNREADABLE if isinstance(error, Unreadable) else Reason.LEDGER_REFUSED
        self.desk.give_up(who, reason, str(error))
        return None


class _Settled(NamedTuple):
    """Nothing is left to store of an offender: what is remembered, and the verdict on it."""

    offender: Offender
    verdict: Verdict


def _has_answered(answers: Answers) -> bool:
    """Tell whether the ledger did what it was asked to for anybody at all."""
    return any(isinstance(answer, Offender) for answer in answers.values())
