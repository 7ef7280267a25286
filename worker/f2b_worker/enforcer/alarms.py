"""What people must hear of: a log line about the same thing at most once a minute, and metrics."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.backoff import backoff_s
from f2b_worker.errors import F2bError, Permanent
from f2b_worker.observe import metrics, region_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

QUIET_S = 60.0

PATIENCE_S = 15.0
"""How long something may fail that can come back by itself before somebody must see to it."""


class Alarms:
    """Log lines that repeat at most once a minute, and what stands in the way of enforcing.

    Args:
        clock: Tells how long ago a line was written.
        region: Where the IP sets are that it is about.

    Attributes:
        problems: One line of reason for each thing that keeps bans from being enforced until somebody acts.
        remarks: One line for each thing that somebody should look at although all others are enforced.
    """

    def __init__(self, clock: Clock, region: str = "") -> None:
        self.problems: dict[str, str] = {}
        self.remarks: tuple[str, ...] = ()
        self._clock = clock
        self._region = region
        self._rung_s: dict[tuple[str, str], float] = {}

    @cached_property
    def metrics(self) -> region_metrics.RegionMetrics:
        """The metrics of that Region; shown from the first use on."""
        return region_metrics.RegionMetrics(self._region)

    def ring(self, event: str, about: str = "", **details: object) -> None:
        """Log an error about something that somebody must look at."""
        if self._is_new(event, about):
            # Once a minute for each event and thing: a set that fails for hours must not fill the log.
            log.error(event, about=about, **details)

    def complain(self, about: str, error: F2bError) -> None:
        """Count a failed call, and log it as one that is tried again."""
        # Counted each time, whatever is logged of it.
        metrics.count_failure(error)
        if self._is_new(type(error).__name__, about):
            log.warning("enforcer_waits", about=about, kind=type(error).__name__, reason=str(error))

    @contextmanager
    def tolerate(self, about: str) -> Iterator[None]:
        """Go on although a call within fails, which is reported; what comes after that call is left out."""
        try:
            yield
        except F2bError as error:
            self.complain(about, error)

    def _is_new(self, event: str, about: str) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s - self._rung_s.get((event, about), float("-inf")) < QUIET_S:
            return False
        self._rung_s[event, about] = now_s
        return True


class Patience:
    """What fails and is tried again: pauses that grow, and a problem when it does not come back soon.

    Args:
        about: What it is.
        alarms: Where it is reported.
        clock: Tells for how long it has failed.
    """

    def __init__(self, about: str, alarms: Alarms, clock: Clock) -> None:
        self._about = about
        self._alarms = alarms
        self._clock = clock
        self._failures = 0
        self._since_s = 0.0

    def fail(self, error: F2bError) -> float:
        """Take note of a failure; tell for how long to pause."""
        now_s = self._clock.monotonic_s()
        if not self._failures:
            self._since_s = now_s
        self._failures += 1
        # What passes by itself within seconds is no problem that a probe should see.
        if isinstance(error, Permanent) or now_s - self._since_s >= PATIENCE_S:
            self._alarms.problems[self._about] = str(error)
        self._alarms.complain(self._about, error)
        return backoff_s(self._failures)

    def succeed(self) -> None:
        """Take it that it works again."""
        self._failures = 0
        self._alarms.problems.pop(self._about, None)
