"""How late infractions come, which says how long unused hits must be kept."""

from __future__ import annotations

from f2b_worker.domain.jails import FOREVER_MS, MINUTE_MS

SPAN_MS = 60 * MINUTE_MS
MARGIN_MS = 10 * MINUTE_MS


class Lateness:
    """The largest delay between an infraction and its verdict within the last one to two hours.

    For the first hour everything counts as late: a worker that has just started does not know what backlog
    others see.
    """

    def __init__(self, now_ms: int) -> None:
        self._since_ms = now_ms
        self._before_ms = FOREVER_MS
        self._now_ms = 0

    def note(self, oldest_ms: int, now_ms: int) -> None:
        """Take note of the oldest infraction of a batch that is judged at *now_ms*."""
        self._turn(now_ms)
        self._now_ms = max(self._now_ms, now_ms - oldest_ms)

    def settled_ms(self, now_ms: int) -> int:
        """Tell before which time nothing new is expected."""
        self._turn(now_ms)
        return now_ms - max(self._before_ms, self._now_ms) - MARGIN_MS

    def _turn(self, now_ms: int) -> None:
        if now_ms - self._since_ms >= SPAN_MS:
            idle = now_ms - self._since_ms >= 2 * SPAN_MS
            self._before_ms = 0 if idle else self._now_ms
            self._now_ms = 0
            self._since_ms = now_ms
