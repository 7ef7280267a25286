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
        last = self.kept(name, began_s)
        if last is not None:
            return last
        page = make()
        self.keep(name, page, began_s)
        return page

    def kept(self, name: str, now_s: float) -> PageT | None:
        """Find the last page of this name; None where it is time to make a new one."""
        last = self._made.get(name)
        return last[1] if last and now_s < last[0] else None

    def keep(self, name: str, page: PageT, began_s: float) -> None:
        """Keep a page that has just been made, for as long as it may be given again."""
        done_s = self._now_s()
        self._made[name] = (done_s + RESTS * (done_s - began_s), page)
