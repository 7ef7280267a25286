"""How many offenders may be written to the ledger: what one message can cost is bounded, whoever sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import Throttled
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.intake.desk import Pile
    from f2b_worker.ports import Answers

    Candidates = Sequence[tuple[OffenderId, Pile]]

log: structlog.stdlib.BoundLogger = structlog.get_logger()

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

SLOWED_PER_S = 20.0
"""However often the ledger throttles, so many offenders are tried in a second."""

MANY_THROTTLED = 0.05
"""So large a share of throttled offenders is about the table; a few are about their own keys, and rest alone."""

RECOVERS_IN_S = 60.0
"""So long it takes at most until all of the budget is tried again after the ledger throttled."""

WARN_EVERY_S = 600.0
_OVER_BUDGET_HINT = (
    "messages with more offenders than --offenders-per-s allows wait behind others; if they are honest, run more"
    " workers or raise it; if not, see who may send to the queue"
)

_THROTTLED_HINT = "DynamoDB throttles the table, so fewer are written for a while: see docs/capacity.md"


class Budget:
    """Offenders a second, as a bucket that fills up while less is spent.

    A ledger that throttles is given half as many, and then more again, a little each second. So hits give way to
    what must not wait, as the enforcer's lease, which a storm on the table would throttle as well.

    Args:
        per_s: How many.
        now_s: The time, on a clock that never goes back.
    """

    def __init__(self, per_s: float, now_s: float) -> None:
        self.per_s = per_s
        self._now_per_s = per_s
        self._left = self._most
        self._filled_s = now_s
        self._warned_s = float("-inf")

    @property
    def is_slowed(self) -> bool:
        """Whether it is less than it should be, since the ledger throttled."""
        return self._now_per_s < self.per_s

    @property
    def _most(self) -> float:
        return max(1.0, self._now_per_s * SAVED_S)  # less than one a second is a budget, too

    def left(self, now_s: float) -> int:
        """Tell how many may be written now."""
        passed_s = now_s - self._filled_s
        self._now_per_s = min(self.per_s, self._now_per_s + passed_s * self.per_s / RECOVERS_IN_S)
        self._left = min(self._most, self._left + passed_s * self._now_per_s)
        self._filled_s = now_s
        return int(self._left) if self._left >= self._now_per_s * SHARE_S else 0

    def heed(self, answers: Answers, took_s: float) -> None:
        """Take in what the ledger answered after so long; less is written if it throttles not only single ones."""
        throttled = sum(isinstance(each, Throttled) for each in answers.values())
        if throttled >= max(2, len(answers) * MANY_THROTTLED):
            self.slow_down(len(answers), took_s)

    def slow_down(self, written: int, took_s: float) -> None:
        """Take it that the ledger throttled when so many were written in so long."""
        taken_per_s = written / took_s if took_s > 0 else self._now_per_s
        self._now_per_s = max(min(SLOWED_PER_S, self.per_s), min(self._now_per_s, taken_per_s) / 2)
        self._left = 0.0

    def spend(self, offenders: int) -> None:
        """Note that so many are written."""
        self._left -= offenders

    def tell(self, over: int, now_s: float) -> None:
        """Show how many were left for a later turn, and say so in the log now and then."""
        metrics.offenders_over_budget.set(over)
        if over and now_s - self._warned_s >= WARN_EVERY_S:
            self._warned_s = now_s
            log.warning(
                "offenders_over_budget",
                waiting=over,
                offenders_per_s=self.per_s,
                remedy=_THROTTLED_HINT if self.is_slowed else _OVER_BUDGET_HINT,
            )


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
