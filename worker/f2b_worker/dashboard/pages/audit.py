"""Who did what, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.dashboard.asked import Page
from f2b_worker.dashboard.pages.paging import Pages, number_in, page_links
from f2b_worker.dashboard.pages.verdict import verdict_of
from f2b_worker.dashboard.rendering import link
from f2b_worker.domain.addresses import display, is_key
from f2b_worker.query.wording import did

if TYPE_CHECKING:
    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.query.sources import Sources

THINGS_SHOWN = 3


class Thing(NamedTuple):
    """What an act is about, and its page, if it has one."""

    name: str
    href: str


class ActLine(NamedTuple):
    """One act.

    Attributes:
        more: Of how many other things it is.
    """

    at_ms: int
    by: str
    did: str
    things: tuple[Thing, ...]
    more: int
    jail: str
    reason: str


def audit(asked: Asked, sources: Sources) -> Page:
    """Answer one page of the audit, the newest first."""
    found = sources.audit(number_in(asked.query))
    links = page_links("/audit", {}, found.page, last=None, has_next=not found.is_last)
    context = {
        "title": "Audit",
        "streams": True,
        "verdict": verdict_of(sources.snapshot()),
        "acts": [act_line(each) for each in found.acts],
        "unreadable": [str(each) for each in found.unreadable],
        "all_days": sources.settings.audit_days if found.is_cut else 0,
        "pages": Pages(f"Page {found.page:,}", links),
    }
    return Page(200, "audit.html", context)


def act_line(act: Act) -> ActLine:
    """Write an act."""
    named = act.what[:THINGS_SHOWN]
    more = max(0, (act.count or len(act.what)) - len(named))
    things = tuple(
        Thing(display(each), link(f"/address/{display(each)}") if is_key(each) else "") for each in named
    )
    return ActLine(act.at_ms, act.by, did(act), things, more, act.jail, act.reason)
