"""Whom nobody bans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.dashboard.asked import Page
from f2b_worker.dashboard.pages.paging import Pages, number_in, page_links, part_told
from f2b_worker.dashboard.pages.verdict import verdict_of

if TYPE_CHECKING:
    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.query.sources import Sources

PER_PAGE = 100


def allowlist(asked: Asked, sources: Sources) -> Page:
    """Answer the page: what was added while workers run stands before what the file says."""
    entries = sources.allowlist()
    last = max(1, -(-len(entries) // PER_PAGE))
    page = min(number_in(asked.query), last)
    first = (page - 1) * PER_PAGE
    shown = entries[first : first + PER_PAGE]
    told = part_told(first + 1, first + len(shown), len(entries))
    context = {
        "title": "Allowlist",
        "streams": True,
        "verdict": verdict_of(sources.snapshot()),
        "entries": shown,
        "told": told,
        "pages": Pages(told, page_links("/allowlist", {}, page, last=last, has_next=page < last)),
    }
    return Page(200, "allowlist.html", context)
