"""How often WAF may be asked: its budgets, and what is left of them when it says no."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from f2b_worker.domain.backoff import BACKOFF_MAX_S

if TYPE_CHECKING:
    from collections.abc import Callable

UPDATE_EVERY_S = 1.05
"""WAF's budget is one UpdateIPSet a second per account and Region; a little more, for the network's jitter."""

READS_A_SECOND = 4
"""WAF answers five Get or List requests a second; one is left for whoever looks for sets and rules."""


class UpdatePace:
    """When the next UpdateIPSet may leave, over all sets of a Region.

    Others use the same budget. That WAF says once that it is spent means little more than that somebody else wrote
    within this second; when it says so again, the pace slows down. It picks up with each update that WAF lets in.

    Args:
        chance: Answers a number from 0 to 1, so that two writers that disturb each other fall out of step.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self.next_s = float("-inf")
        self._chance = chance
        self._every_s = UPDATE_EVERY_S
        self._began_s = float("-inf")
        self._losses = 0
        self._refusals = 0

    def wait_out(self, now_s: float) -> None:
        """Leave out this second, in which somebody else may have written."""
        self.next_s = now_s + UPDATE_EVERY_S

    def begin(self, now_s: float) -> None:
        """Spend the budget of now."""
        self._began_s = now_s
        self.next_s = now_s + self._every_s

    def succeed(self) -> None:
        """Take it that the update went through."""
        self._losses = 0
        self._pick_up()

    def _pick_up(self) -> None:
        self._refusals = 0
        self._every_s = max(UPDATE_EVERY_S, self._every_s / 2)
        self.next_s = self._began_s + self._every_s

    def slow_down(self) -> None:
        """Take it that WAF asked for fewer calls."""
        self._refusals += 1
        slower = 1.1 if self._refusals == 1 else 1.5
        self._every_s = min(BACKOFF_MAX_S, self._every_s * slower)
        self.next_s = self._began_s + self._every_s

    def lose(self) -> None:
        """Take it that somebody else wrote first; the budget was there."""
        self._losses += 1
        self._pick_up()
        if self._losses > 1:
            self.next_s += self._chance() * UPDATE_EVERY_S / 2


class ReadPace:
    """How many GetIPSet may still leave within this second."""

    def __init__(self) -> None:
        self._lately_s: deque[float] = deque(maxlen=READS_A_SECOND)

    def next_s(self) -> float:
        """Tell from when on a read may leave."""
        return self._lately_s[0] + 1.0 if len(self._lately_s) == READS_A_SECOND else float("-inf")

    def begin(self, now_s: float) -> bool:
        """Spend one read of the budget, if there is one left; tell whether there was."""
        if now_s < self.next_s():
            return False
        self._lately_s.append(now_s)
        return True
