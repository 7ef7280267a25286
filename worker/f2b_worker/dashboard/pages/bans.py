"""All running bans: searched, sorted, and in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.dashboard.asked import Page
from f2b_worker.dashboard.pages.countries import knows_countries
from f2b_worker.dashboard.pages.paging import PageLink, Pages, number_in, page_links, part_told
from f2b_worker.dashboard.pages.table import MEANINGS, Caption, columns, lines, standing_of
from f2b_worker.dashboard.pages.verdict import verdict_of
from f2b_worker.dashboard.rendering import link
from f2b_worker.domain.addresses import display
from f2b_worker.errors import StartError
from f2b_worker.query.reading import network_in
from f2b_worker.query.search import Search
from f2b_worker.query.selection import ORIGINS, SORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.dashboard.pages.table import Column
    from f2b_worker.query.pages import BanPage
    from f2b_worker.query.sources import Sources

USUAL_SORT = "start"
FIELDS = ("q", "note", "jail", "by", "country", "state")
"""What may be searched for."""

_WORDS = {"judge": "by the judge", "cli": "by hand", "import": "from a list", "adopted": "found in an IP set"}


def bans(asked: Asked, sources: Sources) -> Page:
    """Answer a search; what is wrong in it is said above its form."""
    sort = asked.query.get("sort", USUAL_SORT)
    sort = sort if sort in SORTS else USUAL_SORT
    given = {name: value for name in FIELDS if (value := asked.query.get(name, "").strip())}
    snapshot = sources.snapshot()
    has_countries = knows_countries()
    context: dict[str, Any] = {
        "title": "Bans",
        "streams": True,
        "verdict": verdict_of(snapshot),
        "search": {name: given.get(name, "") for name in FIELDS},
        "sort": sort,
        "story": story_of(given.get("q", "")),
        "is_searched": bool(given),
        "jails": sorted({*sources.jails.policy.jails, *snapshot.status.bans}),
        "origins": [(each, _WORDS[each]) for each in ORIGINS],
        "states": [(state.value, standing_of(state), text) for state, text in MEANINGS.items()],
        "has_countries": has_countries,
    }
    heads = columns(sort, country=has_countries, url="/bans", **given)
    try:
        found = sources.bans(Search(**given), sort, number_in(asked.query))
    except StartError as error:  # countries were asked for, and the extra [geo] is not installed
        return Page(400, "bans.html", context | _nothing(str(error), heads))
    return Page(200, "bans.html", context | _found(found, given | {"sort": sort}, heads))


def story_of(text: str) -> PageLink | None:
    """Lead from an address that somebody typed to its page: why it is banned, or is not."""
    try:
        name = display(network_in(text))
    except ValueError:
        return None
    return PageLink(name, link(f"/address/{name}"))


def _found(found: BanPage, asked_for: Mapping[str, str], heads: tuple[Column, ...]) -> dict[str, Any]:
    told = part_told(found.first, found.last, found.total)
    links = page_links("/bans", asked_for, found.page, last=found.pages, has_next=found.page < found.pages)
    caption = Caption(f"Running bans, {told}", heads)
    return {"rows": lines(found.rows), "caption": caption, "pages": Pages(told, links), "remark": found.remark}


def _nothing(why: str, heads: tuple[Column, ...]) -> dict[str, Any]:
    told = part_told(0, 0, 0)
    return {"rows": [], "caption": Caption("Running bans", heads), "pages": Pages(told, ()), "remark": why}
