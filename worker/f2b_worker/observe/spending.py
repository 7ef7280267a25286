"""What calls to AWS cost, by its list prices, and what that is in an hour."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PRICES_PER_MILLION = {
    "sqs_request": 0.40,
    "read_unit": 0.125,
    "write_unit": 0.625,
}
"""Dollars, on demand, in us-east-1; other Regions have other prices.

https://aws.amazon.com/sqs/pricing/ and https://aws.amazon.com/dynamodb/pricing/on-demand/. Calls to WAF and STS
are free. What does not depend on these calls is left out: storage, the web ACL, what producers and shims send."""

HOUR_S = 3600.0
MINUTE_S = 60.0


class Spending:
    """What was spent in the last hour; for any number of threads.

    Args:
        now_s: Tells the time, on a clock that never goes back.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._began_s = now_s()
        self._minutes: deque[list[float]] = deque()
        self._adding = threading.Lock()

    def spend(self, what: str, number: float) -> None:
        """Take note of something that has a price."""
        dollars = PRICES_PER_MILLION[what] * number / 1e6
        minute = self._now_s() // MINUTE_S
        with self._adding:
            if not self._minutes or self._minutes[-1][0] != minute:
                self._minutes.append([minute, 0.0])
            self._minutes[-1][1] += dollars

    def dollars_per_hour(self) -> float:
        """Tell what an hour like the last one costs; in the first hour, one like what there was of it."""
        now_s = self._now_s()
        with self._adding:
            while self._minutes and (self._minutes[0][0] + 1) * MINUTE_S <= now_s - HOUR_S:
                self._minutes.popleft()
            dollars = sum(spent for _, spent in self._minutes)
        # Of less than a minute it would be a guess: a start asks for much at once.
        return dollars * HOUR_S / min(HOUR_S, max(MINUTE_S, now_s - self._began_s))
