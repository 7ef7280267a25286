"""Lifts the bans that somebody stored inside the allowlist before he had heard of it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import counting
from f2b_worker.domain.acts.pardons import pardoned
from f2b_worker.domain.networks import Networks
from f2b_worker.errors import F2bError, Invalid

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence

    from f2b_worker.domain.acts.allowlist import AllowEntry
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import Acts, BanBook, Changes, Clock, StandingBan, StandingOrders
    from f2b_worker.process.scribe import Heeding

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 2.0
"""As often as the scribe works: no IP set has such a ban in the meantime."""

AT_ONCE = 480
"""So many are lifted in one act."""

REASON = "on the allowlist"


class Pardoning:
    """Looks at every ban that changes, and at all of them where the allowlist has; one thread at a time.

    No enforcer writes such a ban while the entry counts. It is lifted so that it does not come back afterwards.

    Args:
        standing: Reads the last bans of all.
        orders: Tells of the allowlist.
        acts: Lifts.
        clock: Ends entries and bans.
        by: Who lifts, for the audit.
    """

    def __init__(
        self,
        standing: Callable[[], Iterable[StandingBan]],
        orders: StandingOrders,
        acts: Acts,
        clock: Clock,
        by: str,
    ) -> None:
        self._standing = standing
        self._orders = orders
        self._acts = acts
        self._clock = clock
        self._by = by
        self._mark: int | None = None
        self._entries: Sequence[AllowEntry] = ()
        self._allowed = Networks()
        self._left: set[OffenderId] = set()

    def look_at_all(self) -> None:
        """Look at all bans the next time: some may have been missed."""
        self._mark = None

    def heed(self, changes: Changes) -> None:
        """Lift what is to be lifted of bans that changed, and of all where that is not enough.

        Raises:
            F2bError: If some are not known to be lifted; the next call looks at all.
        """
        mark = self._orders.mark()
        is_all = changes.is_all or mark != self._mark
        self._mark = None  # until all of this is done
        if changes.is_all:
            self._left.clear()  # who reads all bans anew tries again
        if is_all:
            self._entries = self._orders.allowlist()
        now_ms = self._clock.now_ms()
        networks = tuple(entry.network for entry in counting(self._entries, now_ms))
        if networks != self._allowed.entries:
            self._allowed = Networks(networks)
        bans = ((each.who, each.ban) for each in (self._standing() if is_all and networks else changes.bans))
        whom = pardoned(bans, self._allowed, now_ms)
        # Who could not be lifted is tried again when he changes, not each time that all are looked at.
        self._lift([who for who in whom if who not in self._left] if is_all else whom)
        self._mark = mark

    def _lift(self, whom: Sequence[OffenderId]) -> None:
        for first in range(0, len(whom), AT_ONCE):
            some = whom[first : first + AT_ONCE]
            what = tuple(who.key for who in some)
            act = Act(secrets.token_hex(8), self._clock.now_ms(), self._by, Verb.UNBAN, what, reason=REASON)
            for who, answer in self._acts.lift(act, some).items():
                if isinstance(answer, Invalid):
                    self._give_up(who, answer)
                elif isinstance(answer, F2bError):
                    raise answer
                else:
                    log.info("pardoned", jail=who.jail, key=who.key, reason=REASON)

    def _give_up(self, who: OffenderId, why: Invalid) -> None:
        """Leave one who cannot be lifted, an item that cannot be read for instance: the others are not held up.

        No set has the ban while the entry counts.
        """
        self._left.add(who)
        log.warning("not_pardoned", jail=who.jail, key=who.key, reason=str(why))


def pardon(book: BanBook, pardoning: Heeding, clock: Clock, stop: threading.Event) -> None:
    """Follow the bans of *book* until *stop*, and have those lifted that are to be.

    A failure is told once, and tried again.
    """
    follower = book.follow()
    is_failing = False
    while not clock.wait(stop, EVERY_S):
        try:
            pardoning.heed(follower.poll())
            is_failing = False
        except F2bError as error:
            pardoning.look_at_all()
            if not is_failing:
                log.warning("not_pardoned", reason=str(error))
            is_failing = True
