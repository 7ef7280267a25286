"""Links to the other views of a page."""

from __future__ import annotations

from typing import NamedTuple


class Choice(NamedTuple):
    """One of several views."""

    name: str
    href: str
    is_chosen: bool
