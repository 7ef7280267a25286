"""Bans that are known and cannot be read: the ledger is asked whether somebody has mended or ended them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from f2b_worker.enforcer.aside import Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.aside import Aside
    from f2b_worker.domain.plan.roster import Roster
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.ports import BanBook, Clock, StandingBan

ASK_EVERY_S = 60.0
ASKED_AT_ONCE = 200
"""How many addresses are asked for in one go, each for one read unit."""

_ABOUT = "reading bans anew"


class Undated:
    """Takes in what the ledger's own items say of the bans whose end nobody knows.

    Followers are told of a ban when it changes. One that could not be read then may be mended by hand, or its item
    may go, and no follower is told of that.

    Args:
        roster: Names them, and learns of them.
        bans: The ledger's bans.
        alarms: Where a failure is reported.
        clock: Paces the questions.
        aside: Does slow work, perhaps in a thread.
    """

    def __init__(self, roster: Roster, bans: BanBook, *, alarms: Alarms, clock: Clock, aside: Aside) -> None:
        self._roster = roster
        self._bans = bans
        self._alarms = alarms
        self._clock = clock
        self._question = Question(self._ask, every_s=ASK_EVERY_S, clock=clock, aside=aside, rest=1.0)

    def settle(self) -> None:
        """Take in what was answered by now, and ask on."""
        if self._roster.undated or self._question.is_open:
            for key, bans in (self._question.news(_ABOUT, self._alarms) or {}).items():
                self._roster.settle_undated(key, bans, self._clock.now_ms())

    def _ask(self) -> Mapping[str, Sequence[StandingBan]]:
        return {key: self._bans.standing_of(key) for key in list(islice(self._roster.undated, ASKED_AT_ONCE))}
