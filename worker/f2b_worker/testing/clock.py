"""A clock for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading


class FakeClock:
    """A clock that moves only when it is told to; waiting moves it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._passed_s = 0.0

    def now_ms(self) -> int:
        """Tell the virtual wall-clock time in epoch milliseconds."""
        return self._start_ms + round(self._passed_s * 1000)

    def monotonic_s(self) -> float:
        """Tell the virtual time in seconds since the clock was made."""
        return self._passed_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let *timeout_s* pass at once, unless *event* is set."""
        if not event.is_set():
            self.advance(max(0.0, timeout_s))
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._passed_s += seconds
