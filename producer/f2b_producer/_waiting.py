import math
from collections.abc import Callable


class Wait:
    """How long one flush waits: until its time is over, and less for a queue that is away.

    Args:
        timeout_s: Seconds from now.
        patience_s: Seconds of these since it became known that the queue is away.
        clock: Seconds that only go forward.
    """

    def __init__(self, timeout_s: float, patience_s: float, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deadline_s = clock() + timeout_s
        self._patience_s = patience_s
        self._gives_up_s = math.inf

    def left_s(self, *, away: bool) -> float:
        """Return for how many more seconds to wait, if the queue is *away*, as far as it is known."""
        now_s = self._clock()
        self._gives_up_s = min(self._gives_up_s, now_s + self._patience_s) if away else math.inf
        return min(self._deadline_s, self._gives_up_s) - now_s
