"""The loop of the scribe: one process of the fleet fills the holes of the ban log and makes snapshots of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from f2b_worker.ports import Clock, Lease

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 2.0
"""Soon enough for holes of ten seconds; a scribe that has more to do goes on at once."""


class Scribe(Protocol):
    """Who makes snapshots, as the loop uses it."""

    def tick(self) -> bool:
        """Do what is due; tell whether there is more to do at once."""
        ...


def run_scribe(begin: Callable[[], Scribe], lease: Lease, clock: Clock, stop: threading.Event) -> None:
    """Be the scribe while the lease is held, until *stop*.

    A failure is told once and tried again: all that depends on a scribe is what a start costs.

    Args:
        begin: Makes a scribe that knows nothing yet.
        lease: Keeps others from doing the same work.
        clock: Paces it.
        stop: Ends it.
    """
    scribe: Scribe | None = None
    is_failing = has_more = False
    while not clock.wait(stop, 0.0 if has_more else EVERY_S):
        has_more = False
        try:
            if not lease.hold():
                scribe = None
                continue
            scribe = scribe or begin()
            has_more = scribe.tick()
            is_failing = False
        except F2bError as error:
            if not is_failing:
                log.warning("scribe_failed", reason=str(error))
            is_failing = True
    if scribe:
        _give_back(lease)


def _give_back(lease: Lease) -> None:
    try:
        lease.release()
    except F2bError as error:
        log.debug("lease_not_released", reason=str(error))
