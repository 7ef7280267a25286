"""When ended bans may leave their sets: not while something disturbs whoever would extend them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_worker.ports import Clock

LATE_S = 5.0
"""A ledger not read for so long tells of a disturbance: it is slow or away, or this process stood still."""

GRACE_S = 15.0
"""How long what ended in a disturbance stays after it: who stood still may hold what extends it."""

CALM_AFTER_S = 2.0
"""What ends so long after a disturbance ends in calm: by then, whoever judges has judged what waited."""

MANY = 1000
"""A reading of so many bans may take long without any disturbance."""


class Lifting:
    """Knows of disturbances: a takeover is one, and so is a time in which the ledger was not read.

    Infractions during a ban extend it, but only once they are judged. Whatever keeps the ledger from being read
    keeps them from being judged as well; ended bans are spared until that was made up for.

    Args:
        clock: Measures how long the ledger was not read.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read_s = self._disturbed_s = clock.monotonic_s()

    def have_read(self, bans: int) -> None:
        """Take it that so many bans were read just now."""
        now_s = self._clock.monotonic_s()
        if now_s - self._read_s > LATE_S and bans < MANY:
            self._disturbed_s = now_s
        self._read_s = now_s

    @property
    def spared_s(self) -> float:
        """Up to which time a ban must have ended that is still to stay in its set."""
        now_s = self._clock.monotonic_s()
        if now_s - self._read_s > LATE_S:
            return now_s
        return self._disturbed_s + CALM_AFTER_S if now_s - self._disturbed_s < GRACE_S else float("-inf")
