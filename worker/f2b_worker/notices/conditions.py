"""Looks now and then at what holds of the whole fleet: a surge, bans that wait, nobody who enforces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError
from f2b_worker.ports.notices import ConditionsSeen
from f2b_worker.query.conditions import conditions_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from f2b_worker.ports import Clock
    from f2b_worker.query.conditions import FleetSeen

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 30.0
"""So often it is looked."""


class Conditions:
    """Looks at the fleet now and then, for all targets together.

    Args:
        look: Looks.
        clock: Paces it.

    Attributes:
        seen: What was seen last; None before the first look.
    """

    def __init__(self, look: Callable[[], FleetSeen], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._is_failing = False
        self.seen: ConditionsSeen | None = None

    def run(self, stop: threading.Event) -> None:
        """Look until *stop*; what cannot be seen is told once, and leaves what was seen as it is."""
        while not stop.is_set():
            self.tick()
            self._clock.wait(stop, EVERY_S)

    def tick(self) -> None:
        """Look once."""
        try:
            fleet = self._look()
        except F2bError as error:
            if not self._is_failing:
                log.warning("conditions_not_seen", reason=str(error))
            self._is_failing = True
            return
        self._is_failing = False
        self.seen = ConditionsSeen(fleet.now_ms, {each.name: each.text for each in conditions_of(fleet)})
