"""What was made of a snapshot, for whoever asks the same while nothing changes, or shortly after."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from f2b_worker.ports import Clock

T = TypeVar("T")

KEPT_MAX = 64
"""So many answers are kept: those of the pages that are open."""


class Memo(Generic[T]):
    """Keeps answers that follow from a snapshot alone; any number of threads at once.

    Ten open pages are made anew every few seconds, and of 50,000 bans that costs more than everything else.

    Args:
        clock: The time.
        kept_s: So long an answer is given again though there is another snapshot.
    """

    def __init__(self, clock: Clock, kept_s: float = 0.0) -> None:
        self._clock = clock
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[int, float, T]] = OrderedDict()

    def of(self, number: int, asked: Hashable, make: Callable[[], tuple[T, bool]]) -> T:
        """Answer what was asked of a snapshot.

        Args:
            number: That of the snapshot; of 0 nothing is kept.
            asked: What is asked.
            make: Makes the answer, and tells whether it is worth to be kept.
        """
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = self._known.get(asked)
        if known and number and (known[0] == number or now_s - known[1] < self._kept_s):
            return known[2]
        found, is_kept = make()
        if number and is_kept:
            with self._lock:
                self._known[asked] = number, now_s, found
                self._known.move_to_end(asked)
                if len(self._known) > KEPT_MAX:
                    self._known.popitem(last=False)
        return found
