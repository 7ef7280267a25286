"""Pauses: while somebody wants it, the IP sets of a blocklist stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.acts.control import Control, Pause
    from f2b_worker.domain.plan.groups import Groups
    from f2b_worker.observe.region_metrics import RegionMetrics
    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Pausing:
    """Knows which blocklists are paused now, by this reader's clock.

    Args:
        blocklists: The names of those that are enforced.
        control: What all workers obey.
        clock: Ends the pauses.
    """

    def __init__(self, blocklists: Iterable[str], control: Control, clock: Clock) -> None:
        self.control = control  # whoever follows it replaces it, from another thread
        self._blocklists = tuple(blocklists)
        self._clock = clock
        self._paused: dict[str, Pause] = {}

    def apply(self, groups: Groups) -> None:
        """Hold the sets of what is paused now; call it before anything is written."""
        control, now_ms = self.control, self._clock.now_ms()
        found = {name: control.pause_of(name, now_ms) for name in self._blocklists}
        paused = {name: pause for name, pause in found.items() if pause}
        for name in paused.keys() - self._paused.keys():
            log.warning("paused", blocklist=name, by=paused[name].by, reason=paused[name].reason)
        for name in self._paused.keys() - paused.keys():
            log.info("resumed", blocklist=name)
        self._paused = paused
        groups.pause(paused, self._clock.monotonic_s())

    def remarks(self, groups: Groups) -> Iterator[str]:
        """Say of each pause until when it lasts, whose it is, and what waits for its end."""
        now_ms = self._clock.now_ms()
        for name, pause in self._paused.items():
            waiting = sum(len(each.pending) for each in groups.by_place.values() if each.blocklist == name)
            by = f" by {pause.by}" if pause.by else ""
            reason = f" ({pause.reason})" if pause.reason else ""
            yield f"blocklist {name} is paused{by}{reason}, {_ends(pause, now_ms)}; {waiting} bans wait for that"

    def show(self, metrics: RegionMetrics) -> None:
        """Show which blocklists are paused."""
        for name in self._blocklists:
            metrics.show_paused(name, is_paused=name in self._paused)


def _ends(pause: Pause, now_ms: int) -> str:
    if pause.until_ms is None:
        return "until somebody resumes it"
    return f"for another {max(0, round((pause.until_ms - now_ms) / 1000))} s"
