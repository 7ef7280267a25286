"""How many offenders may be written to the ledger: what one message can cost is bounded, whoever sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.intake.desk import Pile

    Candidates = Sequence[tuple[OffenderId, Pile]]

OFFENDERS_PER_S = 10_000.0
"""By default more than one process can judge: then the budget only decides who comes first."""

BULKY = 1_000
"""A message that tells of more offenders than this is bulky: it waits behind all others."""

BULKY_AT_ONCE = 1_000
"""So many offenders of bulky messages are judged in one turn at most, 0.15 s: others come in between."""

BULKY_WAITING_MAX = 100_000
"""While so many of them wait, about 65 MB, further bulky messages are left in the queue."""

SHARE_S = 0.1
"""Less than so long's share is not handed out: few offenders in a turn cost as many calls as many do."""

SAVED_S = 2.0
"""What was not spent is saved for so long: a turn is longer than the moment in which it gets its share."""


class Budget:
    """Offenders a second, as a bucket that fills up while less is spent.

    Args:
        per_s: How many.
        now_s: The time, on a clock that never goes back.
    """

    def __init__(self, per_s: float, now_s: float) -> None:
        self.per_s = per_s
        self._left = per_s * SAVED_S
        self._filled_s = now_s

    def left(self, now_s: float) -> int:
        """Tell how many may be written now."""
        self._left = min(self.per_s * SAVED_S, self._left + (now_s - self._filled_s) * self.per_s)
        self._filled_s = now_s
        return int(self._left) if self._left >= self.per_s * SHARE_S else 0

    def spend(self, offenders: int) -> None:
        """Note that so many are written."""
        self._left -= offenders


class Share:
    """What one turn may write of a budget.

    Args:
        budget: What is written is spent from it.
        now_s: The time at which the turn begins.

    Attributes:
        is_spent: Whether nothing more may be written in this turn.
    """

    def __init__(self, budget: Budget, now_s: float) -> None:
        self._budget = budget
        self._left = budget.left(now_s)
        self._bulky = BULKY_AT_ONCE
        self.is_spent = False

    def choose(self, candidates: Candidates) -> list[OffenderId]:
        """Choose whom to judge now, as far as the share goes: all of short messages, then some of bulky ones.

        What is known to be banned is free: for it nothing is written.
        """
        free = [who for who, pile in candidates if pile.known]
        short = [who for who, pile in candidates if not pile.known and pile.among <= BULKY]
        bulky = [who for who, pile in candidates if not pile.known and pile.among > BULKY]
        written = (short + bulky[: self._bulky])[: self._left]
        self._budget.spend(len(written))
        self._left -= len(written)
        self._bulky -= max(0, len(written) - len(short))
        self.is_spent = self._left <= 0
        return free + written
