"""What happens to a write on its way: its answer is lost, or it takes effect when nobody waits for it any more."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

_READS = ("Get", "Query", "BatchGet", "Describe", "List")

Mishap = Literal["", "lost", "late"]


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely each mishap is for a write, and how late a late one is at most.

    Attributes:
        lost: The share of writes that take effect, and whose connection is then closed instead of answered.
        late: The share of writes whose connection is closed, and that take effect after that.
        late_s: Up to how long after that.
        seed: Of the dice; the same seed and calls fare the same.
    """

    lost: float = 0.0
    late: float = 0.0
    late_s: float = 5.0
    seed: int = 0


class Mishaps:
    """Throws the dice for each call.

    Args:
        odds: How likely each mishap is.
    """

    def __init__(self, odds: Odds | None = None) -> None:
        self._odds = odds or Odds()
        self._dice = random.Random(self._odds.seed)

    def of(self, operation: str) -> Mishap:
        """Tell what happens to a call; reads have none."""
        odds = self._odds
        if operation.startswith(_READS) or not (odds.lost or odds.late):
            return ""
        drawn = self._dice.random()
        if drawn < odds.lost:
            return "lost"
        return "late" if drawn < odds.lost + odds.late else ""

    def delay_s(self) -> float:
        """Tell how long a late write takes to take effect."""
        return self._dice.uniform(0.0, self._odds.late_s)
