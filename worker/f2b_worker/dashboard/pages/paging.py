"""The links from page to page of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.dashboard.rendering import link

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_MAX = 10**9
"""A larger number is none: whoever types it gets the last page."""


class PageLink(NamedTuple):
    """One link; without an address a word that leads nowhere."""

    name: str
    href: str = ""
    rel: str = ""


class Pages(NamedTuple):
    """The links of a list, and which part of it is shown."""

    told: str
    links: tuple[PageLink, ...]

    @property
    def leads(self) -> bool:
        """Whether there is another page."""
        return any(each.href for each in self.links)


def number_in(query: Mapping[str, str]) -> int:
    """Read which page is asked for: what is no number asks for the first one."""
    text = query.get("page", "")
    return min(PAGE_MAX, max(1, int(text))) if text.isascii() and text.isdecimal() and len(text) < 12 else 1


def part_told(first: int, last: int, total: int) -> str:
    """Say which part of a list is shown: `51-100 of 12,345`."""
    return f"{first:,}\N{EN DASH}{last:,} of {total:,}" if total else "0 of 0"


def page_links(
    url: str, query: Mapping[str, str], page: int, *, last: int | None, has_next: bool
) -> tuple[PageLink, ...]:
    """Make the links around a page.

    Args:
        url: The list.
        query: What it was asked for.
        page: Which page this is, from 1.
        last: The last one; None if nobody knows.
        has_next: Whether another one follows.
    """

    def to(name: str, number: int, rel: str = "", *, leads: bool) -> PageLink:
        if not leads:
            return PageLink(name)
        return PageLink(name, link(url, **{**query, "page": "" if number == 1 else str(number)}), rel)

    links = [to("First", 1, leads=page > 1), to("Previous", page - 1, "prev", leads=page > 1)]
    links.append(to("Next", page + 1, "next", leads=has_next))
    if last is not None:
        links.append(to("Last", last, leads=has_next))
    return tuple(links)
