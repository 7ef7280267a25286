"""Sends one notice until it is taken, its time is over, or the process stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError, Invalid

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from f2b_worker.ports import Clock
    from f2b_worker.ports.notices import Notice, Target

log: structlog.stdlib.BoundLogger = structlog.get_logger()

WITHIN_S = 900.0
"""A notice that is not taken for so long is given up, and whoever gave it is told so.

What came meanwhile is told in the next one.
"""

FIRST_PAUSE_S = 1.0
PAUSE_MAX_S = 60.0

SENT, TRIED_AGAIN, GIVEN_UP, REFUSED = "sent", "tried_again", "given_up", "refused"


class Delivery:
    """Delivers to one target.

    Args:
        name: The target's.
        target: Takes notices.
        count: Told of each outcome.
        clock: Paces it.
    """

    def __init__(self, name: str, target: Target, count: Callable[[str, str], None], clock: Clock) -> None:
        self._name = name
        self._target = target
        self._count = count
        self._clock = clock

    def deliver(self, notice: Notice, stop: threading.Event) -> bool:
        """Send a notice, again and again with the same id; whoever hangs holds up this target alone.

        Returns:
            Whether it was taken.
        """
        ends_s = self._clock.monotonic_s() + WITHIN_S
        failures = 0
        while not stop.is_set():
            try:
                self._target.send(notice)
            except Invalid as error:
                self._give_up(notice, error, REFUSED)
                return False
            except F2bError as error:
                pause_s = min(PAUSE_MAX_S, FIRST_PAUSE_S * 2.0**failures)
                failures += 1
                if self._clock.monotonic_s() + pause_s > ends_s:
                    self._give_up(notice, error, GIVEN_UP)
                    return False
                self._say(notice, error, failures)
                self._count(self._name, TRIED_AGAIN)
                self._clock.wait(stop, pause_s)
            else:
                self._count(self._name, SENT)
                log.info("notice_sent", target=self._name, kind=notice.kind, subject=notice.subject, id=notice.id)
                return True
        return False

    def close(self) -> None:
        """Let go of the target."""
        self._target.close()

    def _say(self, notice: Notice, error: F2bError, failures: int) -> None:
        if failures == 1:
            log.warning("notice_not_taken", target=self._name, kind=notice.kind, id=notice.id, reason=str(error))

    def _give_up(self, notice: Notice, error: F2bError, outcome: str) -> None:
        self._count(self._name, outcome)
        log.error(
            "notice_given_up",
            target=self._name,
            kind=notice.kind,
            outcome=outcome,
            subject=notice.subject,
            id=notice.id,
            reason=str(error),
        )
