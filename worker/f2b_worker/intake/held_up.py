"""Those who cannot be judged although others are: they rest, and nobody waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.backoff import backoff_s
from f2b_worker.errors import Rejected
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.errors import F2bError
    from f2b_worker.intake.desk import Desk
    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LEFT_AFTER_TRIES = 5
"""After so many failed tries, 3 s, an offender must make room for others if there is none."""

HELD_UP_TRIES = 8
"""So many failed tries, 16 s, make an offender that waits while others are judged a problem of the ledger."""


class HeldUp:
    """Lets offenders rest whom the ledger fails, and tells of them.

    Args:
        desk: What is in hand.
        clock: Tells until when they rest.

    Attributes:
        problem: Why some wait although others are judged, if that has lasted; None else.
    """

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self.problem: str | None = None

    def set_aside(self, failed: Mapping[OffenderId, F2bError]) -> None:
        """Let those rest who failed while the ledger answered for others: only an outage may hold up everybody."""
        now_s = self._clock.monotonic_s()
        for who, error in failed.items():
            pile = self._desk.piles[who]
            if not pile.failures:
                log.warning("held_up", jail=who.jail, key=who.key, reason=str(error), kind=type(error).__name__)
            metrics.count_failure(error)
            pile.again_s = now_s + backoff_s(pile.failures)
            pile.failure = error
            pile.failures += 1

    def long(self) -> list[OffenderId]:
        """Name those who could not be judged in several tries."""
        return [who for who, pile in self._desk.piles.items() if pile.failures >= LEFT_AFTER_TRIES]

    def tell(self) -> None:
        """Show how many wait, and whether some wait for so long that it is a problem."""
        held = [pile for pile in self._desk.piles.values() if pile.failures]
        metrics.offenders_held_up.set(len(held))
        # A Rejected may be about this one offender alone; anything else is about the ledger, whoever it spares.
        lasting = [
            pile.failure
            for pile in held
            if pile.failures >= HELD_UP_TRIES and not isinstance(pile.failure, Rejected)
        ]
        self.problem = f"{len(lasting)} offenders wait to be judged: {lasting[0]}" if lasting else None
