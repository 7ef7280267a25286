"""Time, as whoever needs it is handed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    """Time, as a value to be handed in; for any number of threads at once."""

    def now_ms(self) -> int:
        """Tell the wall-clock time in epoch milliseconds."""
        ...

    def monotonic_s(self) -> float:
        """Tell a time that never goes back, in seconds from an arbitrary start."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until *event* is set or *timeout_s* has passed; tell whether it is set."""
        ...
