"""What is done for an offender once nothing is left to store: feed other jails, forget spent hits, count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.judge.across_jails import fed_by, feeds_any
from f2b_worker.domain.judge.verdicts import forgettable
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.lateness import Lateness
    from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId, Verdict
    from f2b_worker.intake.counting import Counting
    from f2b_worker.intake.desk import Desk, Pile
    from f2b_worker.intake.known_bans import KnownBans
    from f2b_worker.ports import Clock, Ledger

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Closing:
    """Closes the piles of a desk.

    Args:
        ledger: Where spent hits are forgotten, and what offenders did before is read.
        policy: The jails.
        clock: Tells what is settled.
        lateness: Says how long unused hits must be kept.
        desk: Where the piles lie.
        known: Learns each ban.
        counting: Counts what was judged.
    """

    def __init__(  # noqa: PLR0913 - what a verdict has consequences for
        self,
        ledger: Ledger,
        policy: Policy,
        clock: Clock,
        lateness: Lateness,
        *,
        desk: Desk,
        known: KnownBans,
        counting: Counting,
    ) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock
        self._lateness = lateness
        self._desk = desk
        self._known = known
        self._counting = counting
        self._log = log.bind()  # a lazy logger binds itself anew for each line, which costs a verdict 4 µs

    def use(self, policy: Policy) -> None:
        """Use other jails from now on."""
        self._policy = policy

    def close(self, who: OffenderId, offender: Offender, verdict: Verdict) -> None:
        """Close the pile of an offender; now and then, spent hits are to be forgotten."""
        jail = self._policy.jail(who.jail)
        if len(offender.hits) > jail.hits_kept:
            settled_ms = self._lateness.settled_ms(self._clock.now_ms())
            spent = forgettable(offender.hits, verdict.unused, jail, settled_ms=settled_ms)
            if spent:
                self._trim(who, spent)
        self._feed(who, offender)
        self._known.learn(who, offender)
        pile = self._desk.piles[who]
        self._counting.remember(who, pile.newest_ms, is_failing=bool(verdict.unused))
        self.note_judged(who, pile)
        self._desk.finish(who)

    def note_judged(self, who: OffenderId, pile: Pile) -> None:
        """Tell that a pile was judged."""
        self._counting.judged(who, pile)
        self._log.debug("judged", jail=who.jail, key=who.key, infractions=len(pile.hits))

    def _feed(self, who: OffenderId, offender: Offender) -> None:
        """Let the bans that these infractions brought about count in the jails that are fed by bans.

        They are read from the ledger, so that whoever judges the messages again, because their first judge
        died between the ban and this, feeds them, too. Infractions after the last ban's start brought none about.
        What somebody lifted is spent there, too: it feeds nobody any more.
        """
        policy = self._policy
        oldest_ms = self._desk.piles[who].oldest_ms
        if offender.ban and oldest_ms <= offender.ban.start_ms and feeds_any(who, policy):
            from_ms = max(oldest_ms, offender.lifted_ms + 1) if offender.lifted_ms else oldest_ms
            bans = [ban for ban in self._ledger.history(who) if ban.start_ms >= from_ms]
            self._desk.feed(who, fed_by(who, bans, policy))

    def _trim(self, who: OffenderId, spent: frozenset[Hit]) -> None:
        try:
            self._ledger.trim(who, spent)
        except F2bError as error:  # tidiness only: the next verdict tries again
            log.debug("trim_failed", jail=who.jail, key=who.key, reason=str(error))
