"""What the metrics tell of the messages that come: how many infractions are in one, and how long they waited."""

from __future__ import annotations

from f2b_worker.observe import metrics
from f2b_worker.observe.batched import observe_all

MINUTE_S = 60.0


class Arriving:
    """Counts messages, and tells the metrics of many at once."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._oldest_ms = 0
        self._oldest_before_ms = 0
        self._began_s = float("-inf")

    def note(self, infractions: int, age_ms: int) -> None:
        """Take note of a message, and of how long ago it was sent."""
        self._sizes.append(infractions)
        self._oldest_ms = max(self._oldest_ms, age_ms)

    @property
    def oldest_ms(self) -> int:
        """How old the oldest message was of those of a whole minute at least, and of two at most."""
        return max(self._oldest_ms, self._oldest_before_ms)

    def tell(self, now_s: float) -> None:
        """Have the metrics show what was noted since this was last called."""
        observe_all(metrics.batch_infractions, self._sizes)
        self._sizes = []
        metrics.queue_oldest_age_s.set(self.oldest_ms / 1000)
        if now_s - self._began_s >= MINUTE_S:
            self._began_s = now_s
            self._oldest_before_ms, self._oldest_ms = self._oldest_ms, 0
