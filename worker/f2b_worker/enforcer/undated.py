"""Bans that are known and cannot be read: the ledger is asked whether somebody has mended or ended them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.enforcer.aside import Question
from f2b_worker.errors import F2bError

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


class _Answer(NamedTuple):
    """What the ledger holds of one key.

    Attributes:
        key: The key.
        marks: What the roster had noted of it when the ledger was asked.
        asked_ms: When that was.
        bans: The last ban in each jail, or why nobody knows.
    """

    key: str
    marks: Mapping[str, int]
    asked_ms: int
    bans: Sequence[StandingBan] | F2bError


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
        self._asked: set[str] = set()  # in this round, in which each key has one turn
        self._question = Question(self._ask, every_s=ASK_EVERY_S, clock=clock, aside=aside, rest=1.0)

    def settle(self) -> None:
        """Take in what was answered by now, and ask on."""
        if self._roster.undated or self._question.is_open:
            for answer in self._question.news(_ABOUT, self._alarms) or ():
                if isinstance(answer.bans, F2bError):
                    self._alarms.complain(_ABOUT, answer.bans)
                else:
                    self._roster.settle_undated(answer.key, answer.marks, answer.bans, answer.asked_ms)

    def _ask(self) -> Sequence[_Answer]:
        """Ask for keys whose turn it is; where one fails, the others go on, unless the next one fails, too."""
        answers: list[_Answer] = []
        has_failed = False
        for key in self._next_keys():
            self._asked.add(key)
            answer = self._answer(key)
            answers.append(answer)
            is_failing = isinstance(answer.bans, F2bError)
            if has_failed and is_failing:
                break
            has_failed = is_failing
        return answers

    def _next_keys(self) -> Sequence[str]:
        undated = list(self._roster.undated)  # at once: the loop changes it meanwhile
        self._asked.intersection_update(undated)
        if len(self._asked) == len(undated):
            self._asked.clear()
        return list(islice((key for key in undated if key not in self._asked), ASKED_AT_ONCE))

    def _answer(self, key: str) -> _Answer:
        marks, asked_ms = dict(self._roster.undated.get(key, {})), self._clock.now_ms()
        try:
            return _Answer(key, marks, asked_ms, self._bans.standing_of(key))
        except F2bError as error:
            return _Answer(key, marks, asked_ms, error)
