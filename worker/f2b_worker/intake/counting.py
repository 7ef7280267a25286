"""What the intake counts of its verdicts, told to the metrics for many at once: each takes a lock, or a file."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from f2b_worker.domain.tally import UNKNOWN
from f2b_worker.observe import metrics
from f2b_worker.observe.batched import observe_all
from f2b_worker.observe.jail_metrics import jails

if TYPE_CHECKING:
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.intake.desk import Pile
    from f2b_worker.ports import Clock

FAILING_MAX = 20_000
"""So many addresses that failed lately are remembered, about 150 bytes each; of more the latest half at least."""

LOOK_EVERY_MS = 5_000
"""So often it is counted anew who of them still counts, which takes 5 ms of 20,000."""


class Counting:
    """Counts verdicts.

    Args:
        clock: Tells when they were stored.
        policy: The jails.

    Attributes:
        judged_so_far: How many infractions were judged in each jail; those that nobody configured count as one.
    """

    def __init__(self, clock: Clock, policy: Policy) -> None:
        self.judged_so_far: dict[str, int] = {}
        self._clock = clock
        self._policy = policy
        self._failing = Failing(policy)
        self._infractions: Counter[str] = Counter()
        self._bans: Counter[str] = Counter()
        self._reported_ms: list[int] = []
        self._looked_ms = 0

    def use(self, policy: Policy) -> None:
        """Count by other jails from now on."""
        self._policy = policy
        self._failing.use(policy)

    def judged(self, who: OffenderId, pile: Pile) -> None:
        """Count the infractions of one offender, which are judged."""
        self._infractions[who.jail] += len(pile.hits)
        # Nobody waits for what fell into a ban that was known; what follows from bans was reported with them.
        if pile.known is None and not pile.is_fed:
            self._reported_ms.append(pile.oldest_ms)

    def remember(self, who: OffenderId, newest_ms: int, *, is_failing: bool) -> None:
        """Remember who failed and was not banned for that."""
        self._failing.put(who, newest_ms, is_failing=is_failing)

    def banned(self, who: OffenderId) -> None:
        """Count a new ban."""
        self._bans[who.jail] += 1

    def tell(self) -> None:
        """Have the metrics show what was counted since this was last called."""
        now_ms = self._clock.now_ms()
        if self._infractions:
            metrics.infractions_judged.inc(self._infractions.total())
            for jail, number in jails.by_label(self._infractions).items():
                metrics.jail_failed.labels(jail).inc(number)
            for jail, number in self._infractions.items():
                name = jail if self._policy.knows(jail) else UNKNOWN
                self.judged_so_far[name] = self.judged_so_far.get(name, 0) + number
            self._infractions = Counter()
        if self._bans:
            for jail, number in jails.by_label(self._bans).items():
                metrics.jail_banned.labels(jail).inc(number)
            self._bans = Counter()
        if self._reported_ms:
            observe_all(metrics.report_to_verdict_s, [(now_ms - at_ms) / 1000 for at_ms in self._reported_ms])
            self._reported_ms = []
        if now_ms - self._looked_ms >= LOOK_EVERY_MS:
            self._looked_ms = now_ms
            jails.show_failed(self._failing.by_jail(now_ms))


class Failing:
    """The offenders whose newest infraction counts still, and who are not banned.

    Args:
        policy: Its jails say for how long an infraction counts.
        most: So many are remembered.
    """

    def __init__(self, policy: Policy, most: int = FAILING_MAX) -> None:
        self._policy = policy
        self._most = most
        self._newest_ms: dict[OffenderId, int] = {}

    def use(self, policy: Policy) -> None:
        """Go by other jails from now on."""
        self._policy = policy

    def put(self, who: OffenderId, newest_ms: int, *, is_failing: bool) -> None:
        """Remember when somebody failed last, or that he does not count any more."""
        before_ms = self._newest_ms.pop(who, newest_ms)
        if is_failing:
            self._newest_ms[who] = max(newest_ms, before_ms)
            if len(self._newest_ms) > self._most:
                # Half of them at once: a dictionary looks for its first key behind all that were taken out.
                self._newest_ms = dict(islice(self._newest_ms.items(), self._most // 2, None))

    def by_jail(self, now_ms: int) -> Counter[str]:
        """Tell of how many offenders of each jail infractions count, and forget all others."""
        findtimes_ms: dict[str, int] = {}
        for jail in {who.jail for who in self._newest_ms}:
            findtimes_ms[jail] = max(window.findtime_ms for window in self._policy.jail(jail).windows)
        self._newest_ms = {
            who: at_ms for who, at_ms in self._newest_ms.items() if at_ms > now_ms - findtimes_ms[who.jail]
        }
        return Counter([who.jail for who in self._newest_ms])
