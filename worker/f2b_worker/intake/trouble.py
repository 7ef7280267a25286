"""What fails and is tried again: how long to wait, and one line when it begins and one when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.backoff import backoff_s
from f2b_worker.observe.late import late_log

if TYPE_CHECKING:
    from f2b_worker.errors import F2bError

log = late_log()


class Trouble:
    """Failures in a row.

    Attributes:
        reason: Why the last try failed, in one line; None after a success.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._failures = 0

    def note(self, error: F2bError) -> float:
        """Count a failure; answer how many seconds to wait, 0.1 at first and at most five."""
        if self._failures == 0:
            log.warning("trying_again", reason=str(error), kind=type(error).__name__)
        from f2b_worker.observe import metrics  # noqa: PLC0415 - a short command starts sooner without it

        metrics.count_failure(error)
        self.reason = str(error)
        pause_s = backoff_s(self._failures)
        self._failures += 1
        return pause_s

    def end(self) -> None:
        """Start anew after a success."""
        if self._failures:
            log.info("works_again", failures=self._failures, reason=self.reason)
        self._failures = 0
        self.reason = None
