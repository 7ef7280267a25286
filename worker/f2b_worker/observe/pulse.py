"""When each loop last turned: health is progress, not the absence of an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STILL_S = 30.0
"""A loop that has not turned for so long is a problem: each of its calls ends sooner, or is tried again."""

STUCK_S = 600.0
"""After so long only a restart helps; to read millions of bans at a takeover takes less."""


class Pulse:
    """Says for how long a loop has stood still. The loop beats it, others may read it from other threads.

    Args:
        now_s: Tells the time, on a clock that never goes back.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._turned_s = now_s()

    def beat(self) -> None:
        """Take it that the loop turns."""
        self._turned_s = self._now_s()

    @property
    def still_s(self) -> float:
        """For how many seconds the loop has not turned."""
        return self._now_s() - self._turned_s


def standing_still(pulses: Mapping[str, Pulse], for_s: float) -> str | None:
    """Name the first loop that has not turned for so long, in one line; None if all turn."""
    for name, pulse in pulses.items():
        still_s = pulse.still_s
        if still_s >= for_s:
            return f"{name} has not turned for {still_s:.0f} s"
    return None
