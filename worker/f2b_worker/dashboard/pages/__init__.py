"""The pages: each a function from what is asked to what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.dashboard.pages.address import address
from f2b_worker.dashboard.pages.allowlist import allowlist
from f2b_worker.dashboard.pages.audit import audit
from f2b_worker.dashboard.pages.bans import bans
from f2b_worker.dashboard.pages.enforcer import enforcer
from f2b_worker.dashboard.pages.overview import overview
from f2b_worker.dashboard.pages.queue import queue
from f2b_worker.dashboard.pages.top import top

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from f2b_worker.dashboard.asked import Asked, Page
    from f2b_worker.query.sources import Sources

PAGES: Mapping[str, Callable[[Asked, Sources], Page]] = {
    "": overview,
    "bans": bans,
    "address": address,
    "top": top,
    "enforcer": enforcer,
    "queue": queue,
    "allowlist": allowlist,
    "audit": audit,
}
"""By the first part of the path; only `address` has more than one part."""
