"""What pages show: bans with all that is said of each, a page at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from f2b_worker.query.bans import Shown, row_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.judge.enforcement import State
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import StoredLetter

PER_PAGE = 50
"""So many rows a page has: what a person reads, in 50 KB."""


@dataclass(frozen=True, slots=True)
class BanRow:
    """One ban of a page.

    Attributes:
        who: Whose; None where even that cannot be read.
        ban: The ban.
        state: How far it is enforced; None if nobody knows just now.
        country: Where the address is registered; None if nowhere, or if nobody can tell.
        note: The note of its last infraction; empty for none.
        why: Why it cannot be read.
    """

    who: OffenderId | None
    ban: Ban
    state: State | None = None
    country: str | None = None
    note: str = ""
    why: Unreadable | None = None

    def as_object(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            **row_object(Shown(self.who, self.ban, self.why), self.state),
            "country": self.country,
            "note": self.note or None,
        }


@dataclass(frozen=True, slots=True)
class BanPage:
    """Some of the bans that somebody looks for.

    Attributes:
        rows: The bans.
        total: How many there are.
        page: Which page it is, from 1 on.
        pages: How many pages there are, 1 at least.
        first: Which ban the first one is, from 1 on; 0 if there is none.
        last: Which the last one is.
        remark: What somebody should know of it; empty: nothing.
    """

    rows: Sequence[BanRow]
    total: int
    page: int = 1
    pages: int = 1
    first: int = 0
    last: int = 0
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Groups:
    """Bans counted by something: the largest groups, and how many bans there are in all."""

    by: str
    rows: Sequence[tuple[str, int]]
    total: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """What people did, the newest first.

    Attributes:
        acts: Some of it.
        page: Which page it is, from 1 on.
        is_last: Whether no page follows.
        unreadable: What of it cannot be read.
        is_cut: Whether older acts are remembered, which no page shows.
    """

    acts: Sequence[Act]
    page: int
    is_last: bool
    unreadable: Sequence[Unreadable] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters.

    Attributes:
        letters: The first of them.
        at_ms: When they were read.
        is_whole: Whether these are all.
        reasons: How many of them have each reason.
        problem: Why they cannot be read, in one line; None: they can.
    """

    letters: Sequence[StoredLetter]
    at_ms: int
    is_whole: bool = True
    reasons: Counter[str] = field(default_factory=Counter)
    problem: str | None = None
