"""The largest groups of running bans: networks, countries with a map, jails, hours."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.dashboard.asked import Page
from f2b_worker.dashboard.pages.choices import Choice
from f2b_worker.dashboard.pages.groups import Group, groups_of
from f2b_worker.dashboard.pages.verdict import verdict_of
from f2b_worker.dashboard.rendering import link
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.query.sources import Sources

GROUPINGS: Mapping[str, tuple[str, str]] = {
    "network": ("Networks", "Network"),
    "country": ("Countries", "Country"),
    "jail": ("Jails", "Jail"),
    "hour": ("Hours", "Hour in which they began"),
    "count": ("Returns", "How often banned"),
    "by": ("Origins", "Who banned"),
    "blocklist": ("Blocklists", "Blocklist"),
    "family": ("Families", "Family"),
}
"""By what bans are counted: what the view is called, and its column."""

USUAL = "network"
SHOWN = 50
COUNTRIES_MAX = 260
"""More there are not: the map shades all, and the table has the largest."""

SHADES = 5


class Country(NamedTuple):
    """A country on the map; what is told of it when somebody points at it is empty if the table leaves it out."""

    code: str
    shade: int
    told: str


class Shade(NamedTuple):
    """What one shade of the map means."""

    shade: int
    told: str


def top(asked: Asked, sources: Sources) -> Page:
    """Answer one grouping."""
    by = asked.query.get("by", USUAL)
    by = by if by in GROUPINGS else USUAL
    missing = ""
    groups: list[Group] = []
    try:
        groups = groups_of(sources, by, COUNTRIES_MAX if by == "country" else SHOWN)
    except StartError as error:  # the extra [geo] is not installed: the line says what to install
        missing = str(error)
    name, column = GROUPINGS[by]
    context = {
        "title": f"Top: {name}",
        "streams": True,
        "verdict": verdict_of(sources.snapshot()),
        "views": [Choice(each, link("/top", by=key), key == by) for key, (each, _) in GROUPINGS.items()],
        "name": name,
        "column": column,
        "groups": groups[:SHOWN],
        "is_cut": len(groups) >= SHOWN,
        "total": sum(sources.snapshot().status.bans.values()),
        "shown_max": SHOWN,
        "missing": missing,
        "has_countries": by == "country" and not missing,
        "places": places(groups) if by == "country" else [],
        "shades": shades(groups) if by == "country" else [],
    }
    return Page(200, "top.html", context)


def places(groups: Sequence[Group]) -> list[Country]:
    """Shade the countries."""
    most = _most(groups)
    return [
        Country(each.name, _shade(each.bans, most), f"{each.name}: {each.bans:,}" if place < SHOWN else "")
        for place, each in enumerate(groups)
        if is_code(each.name)
    ]


def is_code(name: str) -> bool:
    """Tell whether a group is a country: those that are registered nowhere are one, too."""
    return len(name) == 2 and name.isascii() and name.isalpha()


def _shade(bans: int, most: int) -> int:
    """Choose a shade by the order of magnitude: else one country alone would have one."""
    return SHADES if bans >= most else 1 + int((SHADES - 1) * log(bans) / log(most)) if bans > 1 else 1


def shades(groups: Sequence[Group]) -> list[Shade]:
    """Say which numbers each shade stands for."""
    most = _most(groups)
    found: dict[int, list[int]] = {}
    for each in groups:
        if is_code(each.name):
            found.setdefault(_shade(each.bans, most), []).append(each.bans)
    return [Shade(shade, _range(min(numbers), max(numbers))) for shade, numbers in sorted(found.items())]


def _most(groups: Sequence[Group]) -> int:
    return max((each.bans for each in groups if is_code(each.name)), default=1)


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,}\N{EN DASH}{high:,}"
