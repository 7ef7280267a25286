"""The verdicts on what lies on the desk: record, judge, ban, until the ledger holds what the judge says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.across_jails import counting_for, fed_by, feeds_any
from f2b_worker.domain.verdicts import Offender, forgettable, judge, worth_storing
from f2b_worker.errors import AccessDenied, F2bError, Missing, Retryable
from f2b_worker.observe import metrics
from f2b_worker.ports import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from f2b_worker.desk import Desk, Pile
    from f2b_worker.domain.jails import Jail, Policy
    from f2b_worker.domain.lateness import Lateness
    from f2b_worker.domain.verdicts import Ban, Hit, Judgement, OffenderId
    from f2b_worker.ports import Clock, Ledger

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BANNED_MAX = 100_000
"""Banned offenders that are remembered, about 600 bytes each."""

_ROUNDS_MAX = 50  # a verdict that still changes then is a defect, not a race

Ready = dict["OffenderId", Offender | None]
"""Who is to be judged now; with what is known of whoever is banned, so that nothing need be recorded."""


class Judging:
    """Judges piles of infractions against the ledger.

    Infractions during a ban only move its end. Those of an offender that this worker knows to be banned wait a
    while, so that a hot address costs few writes, and are not recorded. The ledger is told what the new end was
    decided from: if a colleague was faster, it says what is there now, and all is judged again.

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
        self._banned: dict[OffenderId, Offender] = {}

    def use(self, policy: Policy) -> None:
        """Judge by *policy* from the next pile on; may be called from another thread."""
        self._policy = policy

    def ready(self, desk: Desk, *, hurry: bool) -> Ready:
        """Choose what is to be judged now; in a *hurry*, everything."""
        return {
            who: known
            for who, pile in desk.piles.items()
            if (known := self._covering(who, pile)) is None or hurry or self._due_in_s(pile, known.ban) <= 0
        }

    def due_in_s(self, desk: Desk) -> float | None:
        """Tell in how many seconds the next pile that was held back is due; None if none is held back."""
        oldest_s = min((pile.since_s for pile in desk.piles.values()), default=None)
        return None if oldest_s is None else max(0.0, oldest_s + self._resolution_s - self._clock.monotonic_s())

    def _covering(self, who: OffenderId, pile: Pile) -> Offender | None:
        """Find the known offender whose running ban covers the whole pile."""
        known = self._banned.get(who)
        return known if known and _covers(known.ban, pile) else None

    def _due_in_s(self, pile: Pile, ban: Ban | None) -> float:
        assert ban is not None
        ends_in_s = (ban.until_ms - self._clock.now_ms()) / 1000
        if pile.newest_ms + ban.length_ms <= ban.until_ms or 0 <= ends_in_s < 3 * self._resolution_s:
            return 0.0  # nothing to store, or nothing to gain by waiting
        return pile.since_s + self._resolution_s - self._clock.monotonic_s()

    def judge(self, desk: Desk, ready: Ready) -> None:
        """Judge these piles, and take from the desk what is done.

        Raises:
            F2bError: If some must wait for the end of an outage; the others are done.
        """
        try:
            self._judge(desk, ready)
        finally:
            desk.lay_out_fed()

    def _judge(self, desk: Desk, ready: Ready) -> None:
        held_up: Exception | None = None
        answers = self._recorded(desk, ready)
        for _ in range(_ROUNDS_MAX):
            sentences: dict[OffenderId, Sentence] = {}
            for who, answer in answers.items():
                if not isinstance(answer, Offender):
                    held_up = self._fail_one(who, answer, desk) or held_up
                elif ready[who] and not _covers(answer.ban, desk.piles[who]):
                    del self._banned[who]  # a colleague banned it anew: what lies here must be recorded first
                elif sentence := self._judge_one(who, answer, desk):
                    sentences[who] = sentence
            if not sentences:
                break
            answers = self._ledger.commit(sentences)
            self._on_ban()
            _announce(sentences, answers)
        else:
            raise Retryable(f"{len(sentences)} offenders are still contended after {_ROUNDS_MAX} rounds")
        if held_up:
            raise held_up

    def _recorded(self, desk: Desk, ready: Ready) -> dict[OffenderId, Offender | Exception]:
        new = {who: self._worth_storing(who, desk.piles[who]) for who, known in ready.items() if known is None}
        answers = self._ledger.record(new) if new else {}
        answers.update((who, known) for who, known in ready.items() if known is not None)
        return answers

    def _worth_storing(self, who: OffenderId, pile: Pile) -> list[Hit]:
        return sorted(worth_storing(pile.hits, self._policy.jail(who.jail), key=who.key))

    def _judge_one(self, who: OffenderId, offender: Offender, desk: Desk) -> Sentence | None:
        jail = self._policy.jail(who.jail)
        hits = desk.piles[who].hits
        judgement = judge(offender, hits, jail, key=who.key)
        if any(ban.evidence for ban in judgement.changed):  # a new one, for which other jails may count
            judgement = judge(offender, hits, jail, key=who.key, elsewhere=self._elsewhere(who, jail))
        if judgement.changed:
            return Sentence(offender, judgement.changed)
        self._close(who, offender, judgement, desk)
        return None

    def _elsewhere(self, who: OffenderId, jail: Jail) -> tuple[Ban, ...]:
        if not jail.overalljails:
            return ()
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
        self._remember(who, offender)
        metrics.infractions_judged.inc(len(desk.piles[who].hits))
        log.debug("judged", jail=who.jail, key=who.key, infractions=len(desk.piles[who].hits))
        desk.finish(who)

    def _remember(self, who: OffenderId, offender: Offender) -> None:
        if offender.ban:
            if len(self._banned) >= BANNED_MAX:
                self._banned.clear()
            self._banned[who] = offender

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
        if isinstance(error, (Retryable, AccessDenied, Missing)):
            return error
        log.error("ledger_refused", jail=who.jail, key=who.key, reason=str(error))
        metrics.ledger_refused.inc()
        desk.give_up(who, str(error))
        return None


def _covers(ban: Ban | None, pile: Pile) -> bool:
    """Tell whether all of a pile fell into the time of a ban."""
    return ban is not None and ban.start_ms < pile.oldest_ms and pile.newest_ms <= ban.until_ms


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
