"""Bans made of columns: many at once, in a third of the time of one by one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.judge.verdicts import Ban

if TYPE_CHECKING:
    from collections.abc import Iterable


def bans_of(number: int, **columns: Iterable[Any]) -> list[Ban]:
    """Make so many bans of columns, each of which has an attribute of all of them; what is in them was checked."""
    bans = [object.__new__(Ban) for _ in range(number)]
    for name, column in columns.items():
        # A ban is frozen, and sets each attribute of its own through two calls; this is what they end in.
        deque(map(getattr(Ban, name).__set__, bans, column), maxlen=0)
    return bans
