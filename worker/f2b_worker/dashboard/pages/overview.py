"""The first page: whether it works, what happens, and who is banned."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.dashboard.asked import Page
from f2b_worker.dashboard.pages.choices import Choice
from f2b_worker.dashboard.pages.countries import knows_countries
from f2b_worker.dashboard.pages.fleet import enforcement_of
from f2b_worker.dashboard.pages.groups import Group, groups_of
from f2b_worker.dashboard.pages.table import Caption, columns, lines
from f2b_worker.dashboard.pages.verdict import verdict_of
from f2b_worker.dashboard.rendering import link
from f2b_worker.domain.tally import JAILS_MAX, OTHERS, UNKNOWN
from f2b_worker.errors import F2bError
from f2b_worker.query.search import Search
from f2b_worker.query.series import RANGES, USUAL_RANGE

if TYPE_CHECKING:
    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.query.series import Series
    from f2b_worker.query.sources import Sources

KINDS = {"infractions": "Infractions", "bans": "Bans", "unbans": "Unbans"}
NEWEST = 10
_TOP = 5
_COLOURS = 8
"""So many jails have a colour of their own; the others share the last one."""

_MEANINGS = {UNKNOWN: "what the jails file does not have", OTHERS: f"those beyond {JAILS_MAX} jails"}


class JailLine(NamedTuple):
    """The numbers of one jail in the time that the charts show, and its colour."""

    jail: str
    colour: int
    numbers: tuple[int, ...]

    @property
    def meaning(self) -> str:
        """What the name says, where it is not a jail's."""
        return _MEANINGS.get(self.jail, "")


def overview(asked: Asked, sources: Sources) -> Page:
    """Answer the first page."""
    since = asked.query.get("since", USUAL_RANGE)
    since = since if since in RANGES else USUAL_RANGE
    length_ms, name = RANGES[since]
    snapshot = sources.whole_snapshot()
    jails, problem = _jails(sources, length_ms)
    newest = sources.newest(NEWEST)
    has_countries = knows_countries()
    context = {
        "title": "Overview",
        "streams": True,
        "charts": KINDS,
        "verdict": verdict_of(snapshot),
        "series_url": link("/series.json", since=since),
        "since": name,
        "ranges": [Choice(each, link("/", since=each), each == since) for each in RANGES],
        "jails": jails,
        "series_problem": problem,
        "newest": lines(newest.rows),
        "newest_caption": Caption("The newest bans", columns(country=has_countries), is_seen=False),
        "total": newest.total,
        **_tops(sources, has_countries=has_countries),
        "has_countries": has_countries,
        "enforcement": enforcement_of(snapshot.status),
        "queue": snapshot.status.seen.queue,
    }
    return Page(200, "overview.html", context)


def _jails(sources: Sources, length_ms: int) -> tuple[list[JailLine], str]:
    """Sum the time up, or say why nobody can: the page has more to show than that."""
    try:
        return jail_lines(sources.series(length_ms)), ""
    except F2bError as error:
        return [], str(error)


def _tops(sources: Sources, *, has_countries: bool) -> dict[str, Any]:
    return {
        "offenders": lines(sources.bans(Search(), "count").rows[:_TOP]),
        "networks": groups_of(sources, "network", _TOP),
        "top_countries": groups_of(sources, "country", _TOP) if has_countries else list[Group](),
    }


def jail_lines(series: Series) -> list[JailLine]:
    """Sum up each jail, by name: the busiest have a colour of their own, in which the charts draw them."""
    sums: dict[str, Counter[str]] = {}
    for kind in KINDS:
        for jail, numbers in series.kinds.get(kind, {}).items():
            sums.setdefault(jail, Counter())[kind] = sum(numbers)
    busiest = sorted(sums, key=lambda jail: (-sums[jail].total(), jail))[: _COLOURS - 1]
    ordered = [*sorted(busiest), *sorted(sums.keys() - set(busiest))]
    return [
        JailLine(jail, min(place, _COLOURS - 1), tuple(sums[jail][kind] for kind in KINDS))
        for place, jail in enumerate(ordered)
    ]
