"""When the infractions that only extend a known ban are judged: those of a second together."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.judge.verdicts import end_after

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.intake.desk import Desk, Pile
    from f2b_worker.ports import Clock

EXTENSIONS_PER_S = 100
"""So few bans are extended each second, at most, while none of them has waited for the whole resolution."""

EXTENSIONS_AT_ONCE = 250
"""So many bans are extended in one turn at most, 40 ms, of few: new infractions are judged in between."""

EXTENDED_SHARE = 20
"""Where more than 5,000 offenders wait, a twentieth is extended in one turn: else they would fill the memory.

They still wait for twenty turns, in which most of those come again that come often; each is extended once.
"""

EXTEND_EVERY_S = 1.0
"""So often bans are extended, those of a second together: each time costs an entry in the ban log."""


class Extending:
    """Chooses the extensions that are due.

    Args:
        desk: What is in hand.
        clock: Tells how long a ban still runs, and what has waited long enough.
        resolution_s: How long infractions that only extend a ban wait for others of the same address.
    """

    def __init__(self, desk: Desk, clock: Clock, resolution_s: float) -> None:
        self._desk = desk
        self._clock = clock
        self._resolution_s = resolution_s
        self._pause_s = min(EXTEND_EVERY_S, resolution_s)
        self._next_s = float("-inf")

    def due_in_s(self) -> float | None:
        """Tell in how many seconds the next pile that waits is due; None if none waits."""
        now = self._now()
        return min((self._due_in_s(pile, now) for pile in self._desk.piles.values()), default=None)

    def all(self) -> list[OffenderId]:
        """Find all extensions, but for those that rest after a failure."""
        now_s = self._clock.monotonic_s()
        return [who for who, pile in self._desk.piles.items() if pile.is_longer and pile.again_s <= now_s]

    def due(self) -> list[OffenderId]:
        """Find the extensions that are due; piles lie in the order in which they came, so the oldest go first."""
        now = self._now()
        piles = self._desk.piles.items()
        due = (who for who, pile in piles if pile.is_longer and self._due_in_s(pile, now) <= 0)
        return list(islice(due, max(EXTENSIONS_AT_ONCE, len(piles) // EXTENDED_SHARE)))

    def have_stored(self, number: int) -> None:
        """Take it that so many that were due are stored; the others of the same second follow in the next turn."""
        now_s = self._clock.monotonic_s()
        # What cannot wait comes before its time, and postpones nothing.
        if 0 < number < EXTENSIONS_AT_ONCE and now_s >= self._next_s:
            self._next_s = now_s + self._pause_s

    def _now(self) -> _Now:
        # Nobody waits twice: for the next time and, before that, for others of the same address.
        is_long = self._resolution_s > self._pause_s
        waits_s = min(self._resolution_s, len(self._desk.piles) / EXTENSIONS_PER_S) if is_long else 0.0
        return _Now(self._clock.monotonic_s(), self._clock.now_ms(), waits_s)

    def _due_in_s(self, pile: Pile, now: _Now) -> float:
        if pile.failures:
            return pile.again_s - now.s
        known = pile.known
        if known is None or not pile.is_longer:
            return 0.0
        ends_in_s = (known.ban.until_ms - now.ms) / 1000
        runs = end_after(known.ban, pile.newest_ms) > now.ms
        if runs and ends_in_s < 2 * self._resolution_s:
            return 0.0  # the stored end must not come before the later one is stored, nor stay past if it came
        return max(pile.since_s + now.waits_s, self._next_s) - now.s


class _Now(NamedTuple):
    s: float
    ms: int
    waits_s: float
