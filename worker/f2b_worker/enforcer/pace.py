"""How often WAF may be asked: its budgets, and what is left of them when it says no."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

UPDATE_EVERY_S = 1.05
"""WAF's budget is one UpdateIPSet a second per account and Region; a little more, for the network's jitter."""

AGAIN_AFTER_S = 1.02
"""After so long the budget that others spent is there again; less for jitter, for a refusal costs little."""

IN_A_ROW = 4
"""So many updates follow each other as fast as WAF lets them: 40,000 bans."""

SHARED_EVERY_S = 1.35
"""Those after them, and all while others write, leave a moment free for who waits for one."""

SHARED_FOR_S = 30.0
"""For how long others are expected after they were met."""

REFUSALS = 4
"""In so many seconds in a row somebody else may just have been faster; after that WAF wants fewer calls."""

CALLS_A_SECOND = 2
"""No more of them leave in any second: the one that takes effect, and one that was refused."""

PACE_MAX_S = 2.0
"""The slowest pace: so soon after WAF takes updates again, one of ours is there."""

READS_A_SECOND = 4
"""WAF answers five Get or List requests a second; one is left for whoever looks for sets and rules."""

_MINUTE_S = 60.0


class UpdatePace:
    """When the next UpdateIPSet may leave, over all sets of a Region.

    Others use the same budget. That WAF says that it is spent means little more than that somebody else wrote
    within this second. They cannot have done so before the budget was free, so it is known when it is free again,
    give or take a moment: the update is tried in the middle of that moment, and at its end. When WAF goes on
    refusing, the pace slows down.
    Whoever updates all the time, or knows of others, leaves a little time between: else they would never find any.
    What WAF did not refuse may have taken effect: the next one leaves more than a second later.

    Args:
        chance: Answers a number from 0 to 1, so that two writers that disturb each other fall out of step.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self.next_s = float("-inf")
        self._chance = chance
        self._slow_s = 0.0
        self._began_s = self._met_s = float("-inf")
        self._calls_s: deque[float] = deque(maxlen=CALLS_A_SECOND)
        self._lately_s: deque[float] = deque()
        self._in_a_row = 0
        self._losses = 0
        self._refusals = 0
        # Between these two WAF begins to take updates again.
        self._free_s = self._free_by_s = float("-inf")

    def wait_out(self, now_s: float) -> None:
        """Leave out this second, in which somebody else may have written."""
        self.next_s = now_s + UPDATE_EVERY_S
        self._free_s = float("-inf")

    def begin(self, now_s: float) -> None:
        """Spend the budget of now."""
        # Updates without a free second between them leave no room to another writer.
        self._in_a_row = self._in_a_row + 1 if now_s - self._began_s < 2 * UPDATE_EVERY_S else 1
        self._began_s = now_s
        self._calls_s.append(now_s)
        self._lately_s.append(now_s)
        self._wait()

    def updates_lately(self, now_s: float) -> int:
        """Tell how many updates were made here in the last minute; see `UPDATES_PER_MINUTE`."""
        while self._lately_s and self._lately_s[0] <= now_s - _MINUTE_S:
            self._lately_s.popleft()
        return len(self._lately_s)

    def _wait(self) -> None:
        is_shared = self._in_a_row > IN_A_ROW or self._began_s - self._met_s < SHARED_FOR_S
        every_s = SHARED_EVERY_S if is_shared else UPDATE_EVERY_S
        self.next_s = self._began_s + max(every_s, self._slow_s)

    def succeed(self) -> None:
        """Take it that the update went through."""
        self._losses = 0
        self._pick_up()

    def _pick_up(self) -> None:
        self._refusals = 0
        self._free_s = self._began_s + 1.0
        # Halved, not forgotten: one success between many refusals is luck.
        self._slow_s /= 2
        self._wait()

    def slow_down(self) -> None:
        """Take it that WAF asked for fewer calls."""
        self._met_s = self._began_s
        if self._began_s < self._free_by_s:
            self.next_s = self._free_by_s
        else:
            self._be_refused()
        if len(self._calls_s) == CALLS_A_SECOND:
            self.next_s = max(self.next_s, self._calls_s[0] + AGAIN_AFTER_S)

    def _be_refused(self) -> None:
        """Take it that somebody else wrote since the budget was free, or that WAF wants fewer calls."""
        self._refusals += 1
        self._free_s = max(self._free_s, self._began_s - 1.0) + 1.0
        self._free_by_s = self._began_s + AGAIN_AFTER_S
        self.next_s = (self._free_s + self._free_by_s) / 2
        # A few refusals tell only that somebody else wrote within the same seconds.
        if self._refusals > REFUSALS:
            self._slow_s = min(PACE_MAX_S, 1.2 * max(self._slow_s, UPDATE_EVERY_S))
        if self._slow_s > UPDATE_EVERY_S:
            self.next_s = self._began_s + self._slow_s
            self._free_s = self._free_by_s = float("-inf")

    def lose(self) -> None:
        """Take it that somebody else wrote first; the budget was there."""
        self._losses += 1
        self._met_s = self._began_s
        self._pick_up()
        # Two writers with the same rhythm would meet each second.
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
