"""Runs the couriers: while this process holds the lease, each target has one; the jails file may change them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError, StartError
from f2b_worker.notices.conditions import Conditions
from f2b_worker.notices.courier import Courier
from f2b_worker.notices.delivery import Delivery
from f2b_worker.notices.opening import FleetWatch, fleet_name, open_book, open_places, open_source, open_target
from f2b_worker.notices.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.config.jails import Jails
    from f2b_worker.config.names import Names
    from f2b_worker.config.notices import TargetSettings
    from f2b_worker.ports import Clock, Lease
    from f2b_worker.ports.notices import Places

log: structlog.stdlib.BoundLogger = structlog.get_logger()

TURN_S = 1.0
BELIEVED_S = 15.0
"""So long a lease that cannot be renewed is believed to be held: nobody takes it over before."""

AGAIN_S = 30.0
"""After so long what could not be opened, or died, is begun anew."""

_FLEET = "the fleet"
"""What looks at it runs beside the targets, whose names have no space."""


class Telling:
    """Tells all targets of one fleet.

    Args:
        settings: Say where the ledger is.
        lease: Held by the one process that tells.
        clock: Paces it.

    Attributes:
        count: Told of each target and outcome.
    """

    def __init__(self, settings: Names, lease: Lease, clock: Clock) -> None:
        self._settings = settings
        self._lease = lease
        self.count: Callable[[str, str], None] = lambda _target, _outcome: None
        self._clock = clock
        self._jails: Jails | None = None
        self._stop = threading.Event()
        self._running: dict[str, threading.Thread] = {}
        self._again_s: dict[str, float] = {}
        self._held_s = float("-inf")
        self._is_failing = False
        self._conditions: Conditions | None = None

    @property
    def targets(self) -> list[TargetSettings]:
        """All targets, as they are now."""
        return list(self._jails.notices.targets) if self._jails and self._jails.notices else []

    def use(self, jails: Jails) -> None:
        """Tell by another jails file from now on; what was told stays told."""
        if self._jails is None or self._jails != jails:
            self.pause()
            self._jails = jails

    def turn(self) -> None:
        """Begin, or end, what is to be; call it about once a second."""
        if not self._holds():
            self.pause()
            return
        if self._jails and self._is_due(_FLEET):
            watch = FleetWatch(self._settings, self._jails)
            self._conditions = self._conditions or Conditions(watch.look, self._clock)
            self._begin(_FLEET, self._conditions.run)
        for each in self.targets:
            if self._is_due(each.name):
                self._open(each)

    def _is_due(self, name: str) -> bool:
        """Tell whether something is to begin: it does not run, and was not begun a moment ago."""
        now_s, thread = self._clock.monotonic_s(), self._running.get(name)
        if (thread and thread.is_alive()) or now_s < self._again_s.get(name, float("-inf")):
            return False
        self._again_s[name] = now_s + AGAIN_S
        return True

    def pause(self) -> None:
        """End what runs; whoever hangs in a call ends after it, and tells nothing more."""
        self._stop.set()
        self._stop = threading.Event()
        self._running.clear()
        self._again_s.clear()
        self._conditions = None

    def end(self) -> None:
        """End, and let another process tell at once."""
        self.pause()
        try:
            self._lease.release()
        except F2bError as error:
            log.debug("lease_not_released", reason=str(error))

    def _holds(self) -> bool:
        now_s = self._clock.monotonic_s()
        try:
            holds = self._lease.hold()
        except F2bError as error:
            if not self._is_failing:
                log.warning("notices_wait", target="all", reason=str(error))
            self._is_failing = True
            return now_s - self._held_s < BELIEVED_S
        self._is_failing = False
        self._held_s = now_s if holds else float("-inf")
        return holds

    def _open(self, target: TargetSettings) -> None:
        try:
            courier = self._courier(target)
        except StartError as error:
            log.error("notice_target_unusable", target=target.name, reason=str(error))
            self.count(target.name, "unusable")
            self._again_s[target.name] = float("inf")  # until the file is read again, or the worker starts anew
        except F2bError as error:
            log.warning("notices_wait", target=target.name, reason=str(error))
        else:
            self._begin(target.name, courier.run)

    def _courier(self, target: TargetSettings) -> Courier:
        assert self._jails
        assert self._jails.notices
        conditions = self._conditions
        places: Places = open_places(self._settings)
        return Courier(
            target,
            source=open_source(self._settings),
            places=places,
            book=open_book(self._settings),
            conditions=lambda: conditions.seen if conditions else None,
            delivery=Delivery(target.name, open_target(target), self.count, self._clock),
            wording=Wording(target, fleet_name(self._jails.notices, self._settings)),
            clock=self._clock,
        )

    def _begin(self, name: str, run: Callable[[threading.Event], None]) -> None:
        stop = self._stop

        def guarded() -> None:
            try:
                run(stop)
            except Exception as error:
                log.error("notice_target_failed", target=name, exc_info=error)

        self._running[name] = threading.Thread(target=guarded, name=f"notices-{name}", daemon=True)
        self._running[name].start()
