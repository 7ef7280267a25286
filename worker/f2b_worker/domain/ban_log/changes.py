"""A change of a ban, as the ban log holds it, and what many of them make together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.judge.verdicts import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.judge.verdicts import Ban, OffenderId

KEPT_AFTER_END_MS = 15 * 60 * 1000
"""For so long after its end a ban is remembered: longer than any writer may be late with an older state of it.

A state is logged at most 60 s after it was read, under a number that is at most 60 s old, by a call whose
signature AWS takes for 5 minutes: 7 minutes in all.
"""

_REVISION_BITS = 64


class Change(NamedTuple):
    """The whole last ban of one offender after a change, never a difference: repetition and order do not matter.

    Attributes:
        who: Whose ban it is.
        ban: The ban, without its evidence.
        revision: Counts the changes of the offender's ban, as long as the offender is remembered; see `rank`.
        lifted_ms: Infractions up to this time no longer count, since somebody lifted the ban; 0 if nobody did.
    """

    who: OffenderId
    ban: Ban
    revision: int
    lifted_ms: int = 0


def is_remembered(ban: Ban, complete_ms: float) -> bool:
    """Tell whether a ban had not ended for long at *complete_ms*; see `Bans.remembered`."""
    return ban.until_ms >= complete_ms - KEPT_AFTER_END_MS or ban is UNREADABLE


class Bans:
    """What a reader knows: of each offender the newest change that it has read."""

    def __init__(self) -> None:
        self.newest: dict[OffenderId, Change] = {}

    def take_in(self, changes: Iterable[Change]) -> list[Change]:
        """Learn changes, in any order, and some perhaps again; answer those that are newer than what was known."""
        newest = self.newest
        newer: dict[OffenderId, Change] = {}
        for change in changes:
            who = change.who
            known = newest.get(who)
            if known is None or is_newer(change, known):
                newest[who] = newer[who] = change
        return list(newer.values())

    def remembered(self, complete_ms: float) -> list[Change]:
        """Choose all but those that had ended for long when everything was known that had been logged.

        Never by the clock alone: who slept, or waits for a number, may yet read an older state of them.

        Args:
            complete_ms: Everything that was logged before this moment is known.
        """
        return [change for change in self.newest.values() if is_remembered(change.ban, complete_ms)]

    def forget_ended(self, complete_ms: float) -> None:
        """Forget those that `remembered` leaves out."""
        self.newest = {change.who: change for change in self.remembered(complete_ms)}


def rank(ban: Ban, revision: int, lifted_ms: int) -> int:
    """Say how new a change is: of two of one offender, of which both can be read, the greater one is true.

    The revision alone does not tell: an item that is gone, by its time to live or by hand, begins at 1 when it
    comes again. As long as it is there its revision rises, and the later of start and lift never goes back: a ban
    starts after the one before, and a lift is not before the start of what it lifts. So a change with a later one
    of these and a lower revision is of a later item.
    """
    return (max(ban.start_ms, lifted_ms) << _REVISION_BITS) + revision


def revision_of(known_rank: int) -> int:
    """Tell the revision of a change by its rank."""
    return known_rank & ((1 << _REVISION_BITS) - 1)


def is_newer(change: Change, known: Change | None) -> bool:
    """Tell whether a change tells more than what is known.

    Of what cannot be read only the revision tells; of the same revision what can be read does, too.
    """
    if known is None:
        return True
    if change.ban is not UNREADABLE and known.ban is not UNREADABLE:
        return rank(*change[1:]) > rank(*known[1:])
    return change.revision > known.revision or (
        change.revision == known.revision and change.ban is not UNREADABLE and known.ban is UNREADABLE
    )
