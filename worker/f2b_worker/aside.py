"""Slow work that is done aside of a loop, so that the loop does not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

Aside: TypeAlias = Callable[[Callable[[], None]], None]
"""Does some work, perhaps in another thread."""


def in_a_thread(work: Callable[[], None]) -> None:
    """Do *work* in a thread that keeps no process from ending."""
    threading.Thread(target=work, name="aside", daemon=True).start()
