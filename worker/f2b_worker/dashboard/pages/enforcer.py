"""Who enforces, how full the IP sets are, and what keeps bans out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.dashboard.asked import Page
from f2b_worker.dashboard.pages.fleet import blocklists_to_pause, enforcement_of
from f2b_worker.dashboard.pages.verdict import verdict_of
from f2b_worker.domain.noted_sets import UPDATES_PER_MINUTE

if TYPE_CHECKING:
    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.query.sources import Sources

ENTRIES_SHOWN = 50


def enforcer(asked: Asked, sources: Sources) -> Page:  # noqa: ARG001 - all pages are asked alike
    """Answer the page."""
    snapshot = sources.whole_snapshot()
    status = snapshot.status
    context = {
        "title": "Enforcer",
        "streams": True,
        "verdict": verdict_of(snapshot),
        "enforcement": enforcement_of(status),
        "workers": sorted(status.seen.workers or (), key=lambda each: (each not in status.alive, each.name)),
        "alive": {each.name for each in status.alive},
        "behind": {each.name for each in status.behind},
        "are_workers_known": status.seen.workers is not None,
        "generation": status.control.generation,
        "blocklists": blocklists_to_pause(status),
        "shown_max": ENTRIES_SHOWN,
        "updates_per_minute": UPDATES_PER_MINUTE,
    }
    return Page(200, "enforcer.html", context)
