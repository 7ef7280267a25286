"""The loop of the scribe: one process of the fleet fills the holes of the ban log and makes snapshots of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from f2b_worker.ports import Changes, Clock, Lease

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 2.0
"""Soon enough for holes of ten seconds; a scribe that has more to do goes on at once."""


class Scribe(Protocol):
    """Who makes snapshots, as the loop uses it."""

    @property
    def is_behind(self) -> bool:
        """Whether there is more to do at once."""
        ...

    @property
    def complete_ms(self) -> float:
        """Up to which time of the day everything is known that was logged."""
        ...

    def tick(self) -> Changes:
        """Do what is due; answer which bans it has learned of."""
        ...


class Heeding(Protocol):
    """Who looks at the bans that changed, as the loop uses it."""

    def heed(self, changes: Changes) -> None:
        """Look at bans that changed."""
        ...

    def look_at_all(self) -> None:
        """Look at all bans the next time."""
        ...


class Tallying(Protocol):
    """Who counts what became of the bans that the scribe hears of, as the loop uses it."""

    def heed(self, complete_ms: float) -> None:
        """Store what is due; its failures are its own."""
        ...

    def settle(self) -> None:
        """Store what is not stored yet."""
        ...


class Working(NamedTuple):
    """A scribe, and whoever works on what it learns."""

    scribe: Scribe
    pardoning: Heeding
    tallying: Tallying


def run_scribe(begin: Callable[[], Working], lease: Lease, clock: Clock, stop: threading.Event) -> None:
    """Be the scribe while the lease is held, until *stop*.

    A failure is told once and tried again: what depends on a scribe is what a start costs, and that a ban which
    was stored inside the allowlist does not come back when its entry ends.

    Args:
        begin: Makes a scribe that knows nothing yet, and who works on what it learns.
        lease: Keeps others from doing the same work.
        clock: Paces it.
        stop: Ends it.
    """
    working: Working | None = None
    is_failing = is_behind = False
    while not clock.wait(stop, 0.0 if is_behind else EVERY_S):
        is_behind = False
        try:
            if not lease.hold():
                working = None
                continue
            working = working or begin()
            _work(working)
            is_behind = working.scribe.is_behind
            is_failing = False
        except F2bError as error:
            if not is_failing:
                log.warning("scribe_failed", reason=str(error))
            is_failing = True
    if working:
        working.tallying.settle()
        _give_back(lease)


def _work(working: Working) -> None:
    try:
        working.pardoning.heed(working.scribe.tick())
    except F2bError:
        working.pardoning.look_at_all()
        raise
    finally:
        working.tallying.heed(working.scribe.complete_ms)


def _give_back(lease: Lease) -> None:
    try:
        lease.release()
    except F2bError as error:
        log.debug("lease_not_released", reason=str(error))
