"""What objects take, counted by Python itself: the same on each run."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def bytes_of(make: Callable[[], T]) -> tuple[T, int]:
    """Make something; answer it, and what it left in memory."""
    gc.collect()
    tracemalloc.start()
    try:
        made = make()
        gc.collect()
        return made, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
