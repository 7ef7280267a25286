"""Pages that take long to make: whoever asks for them again and again keeps nobody else waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

PageT = TypeVar("PageT")

RESTS = 9
"""So many times as long as it took to make a page, it is given again: a tenth of a core at most for each."""


class LastPages(Generic[PageT]):
    """The last page of each name.

    Args:
        now_s: Tells the time, on a clock that never goes back.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._made: dict[str, tuple[float, PageT]] = {}

    def page(self, name: str, make: Callable[[], PageT]) -> PageT:
        """Make a page, or give the last one of this name again."""
        began_s = self._now_s()
        last = self._made.get(name)
        if last and began_s < last[0]:
            return last[1]
        page = make()
        done_s = self._now_s()
        self._made[name] = (done_s + RESTS * (done_s - began_s), page)
        return page
