"""Makes the site's menu of docs/index.md: a heading is a caption, and the pages of its table stand below it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADING = re.compile(r"^## (.+)$")
_LINK = re.compile(r"\]\(([^)#\s]+\.md)\)")


def with_menu(index: str) -> str:
    """Return the index with a hidden toctree for each of its headings, below it."""
    trees = [_tree(caption, pages) for caption, pages in menu_of(index).items()]
    return "\n\n".join([index, *trees])


def menu_of(index: str) -> dict[str, list[str]]:
    """Tell under which heading of the index which pages are, in the order of its tables.

    A page that a table names twice, because it answers two questions, stands in the menu once, at the first.
    """
    menu: dict[str, list[str]] = {}
    seen: set[str] = set()
    for caption, page in _named(index):
        if page not in seen:
            menu.setdefault(caption, []).append(page)
        seen.add(page)
    return menu


def _named(index: str) -> Iterator[tuple[str, str]]:
    caption = ""
    for line in index.splitlines():
        heading = _HEADING.match(line)
        if heading:
            caption = heading[1]
        elif caption and line.startswith("|"):
            yield from ((caption, page) for page in _LINK.findall(line))


def _tree(caption: str, pages: list[str]) -> str:
    # From docs/, where the index is.
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"])
