"""What people must hear of: a log line about the same thing at most once a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from f2b_worker.errors import F2bError
    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

QUIET_S = 60.0


class Alarms:
    """Log lines that repeat at most once a minute, and what stands in the way of enforcing.

    Attributes:
        troubles: One line of reason for each thing that keeps bans from being enforced until somebody acts.
    """

    def __init__(self, clock: Clock) -> None:
        self.troubles: dict[str, str] = {}
        self._clock = clock
        self._rung_s: dict[tuple[str, str], float] = {}

    def ring(self, event: str, about: str = "", **details: object) -> None:
        """Log an error about something that somebody must look at."""
        if self._is_new(event, about):
            log.error(event, about=about, **details)

    def complain(self, about: str, error: F2bError) -> None:
        """Count a failed call, and log it as one that is tried again."""
        metrics.aws_failures.labels(type(error).__name__).inc()
        if self._is_new(type(error).__name__, about):
            log.warning("enforcer_waits", about=about, kind=type(error).__name__, reason=str(error))

    def _is_new(self, event: str, about: str) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s - self._rung_s.get((event, about), float("-inf")) < QUIET_S:
            return False
        self._rung_s[event, about] = now_s
        return True
