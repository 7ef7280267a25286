"""The largest groups of running bans: networks, countries, jails."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.dashboard.rendering import link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from f2b_worker.query.sources import Sources

NOWHERE = "none"
"""The group of those that are registered in no country."""


class Group(NamedTuple):
    """One group.

    Attributes:
        share: Of the largest one, between 0 and 1.
        href: Its bans; empty if no search finds them.
    """

    name: str
    bans: int
    share: float
    href: str = ""


_SEARCHES: Mapping[str, Callable[[str], str]] = {
    "network": lambda name: link("/bans", q=name),
    "country": lambda name: "" if name == NOWHERE else link("/bans", country=name),
    "jail": lambda name: link("/bans", jail=name),
    "by": lambda name: link("/bans", by=name),
}


def _no_search(_: str) -> str:
    return ""


def groups_of(sources: Sources, by: str, top: int) -> list[Group]:
    """Count the running bans, the largest groups first; hours in their order.

    Raises:
        StartError: If countries are asked for, and nothing here knows them.
    """
    found = sources.groups(by, top=top).rows
    most = max((number for _, number in found), default=1)
    search = _SEARCHES.get(by, _no_search)
    return [Group(name, number, number / most, search(name)) for name, number in found]
