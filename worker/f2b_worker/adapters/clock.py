from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Tell the wall-clock time in epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Tell a time that never goes back, in seconds from an arbitrary start."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until *event* is set or *timeout_s* has passed; tell whether it is set."""
        return event.wait(max(0.0, timeout_s))
