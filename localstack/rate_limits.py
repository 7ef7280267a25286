"""AWS WAF's request quotas: no emulator has them.

https://docs.aws.amazon.com/waf/latest/developerguide/limits.html
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from localstack.edge_http import Request
from localstack.faults import throttled

WRITES_PER_S = 1.0
READS_PER_S = 5.0
_WRITES = ("Create", "Put", "Update")
_READS = ("Get", "List")


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at_s: float

    def take(self, rate_per_s: float, now_s: float) -> bool:
        size = max(rate_per_s, 1.0)
        self.tokens = min(size, self.tokens + (now_s - self.filled_at_s) * rate_per_s)
        self.filled_at_s = now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class WafLimits:
    """Counts each action of WAF per account and region.

    AWS says no word about bursts, so there are none beyond one second's worth:
    two writes within a second are one too many.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}
        self.writes_per_s: float | None = WRITES_PER_S
        self.reads_per_s: float | None = READS_PER_S

    def reset(self) -> None:
        """Go back to AWS's rates, as if no call had been made."""
        self.set_rates(WRITES_PER_S, READS_PER_S)

    def set_rates(self, writes_per_s: float | None, reads_per_s: float | None) -> None:
        """Change the rates; None switches a limit off."""
        self.writes_per_s = writes_per_s
        self.reads_per_s = reads_per_s
        self._buckets.clear()

    def check(self, request: Request) -> None:
        """Count a call.

        Raises:
            ApiError: ThrottlingException, when it is one too many.
        """
        rate_per_s = self._rate_of(request)
        if rate_per_s is None:
            return
        key = (request.account, request.region, request.action)
        now_s = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(max(rate_per_s, 1.0), now_s))
        if not bucket.take(rate_per_s, now_s):
            raise throttled("wafv2")

    def _rate_of(self, request: Request) -> float | None:
        if request.service != "wafv2":
            return None
        if request.action.startswith(_WRITES):
            return self.writes_per_s
        return self.reads_per_s if request.action.startswith(_READS) else None
