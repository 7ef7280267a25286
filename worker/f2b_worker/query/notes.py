"""The notes of the infractions that bans are backed by, read many at once and remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from f2b_worker.domain.judge.infractions import note_of
from f2b_worker.domain.judge.verdicts import Ban
from f2b_worker.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import BanBook, StandingBan

REMEMBERED_MAX = 10_000
"""So many bans are remembered with their notes: 10 MB, if each has a few."""


class NotesOfBans:
    """Reads notes, and remembers them while the ban stays as it is; any number of threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[OffenderId, Ban], tuple[str, ...]] = OrderedDict()

    def of(self, book: BanBook, bans: Sequence[StandingBan]) -> Mapping[OffenderId, tuple[str, ...]]:
        """Tell the notes of each ban, the last one last; none of a ban that cannot be read.

        Raises:
            Retryable: If they are not known just now.
        """
        with self._lock:
            found = {each.who: self._known.get((each.who, each.ban)) for each in bans}
        new = [each for each in bans if found[each.who] is None]
        read = book.last_bans([each.who for each in new]) if new else {}
        for each in new:
            ban = read.get(each.who)
            if isinstance(ban, Retryable):
                raise ban
            notes = tuple(filter(None, (note_of(hit.id) for hit in ban.evidence))) if isinstance(ban, Ban) else ()
            found[each.who] = notes
            self._remember(each, notes)
        return {who: notes or () for who, notes in found.items()}

    def remembered(self, bans: Sequence[StandingBan]) -> Mapping[OffenderId, tuple[str, ...]]:
        """Tell the notes of each ban that are known already: nothing is asked for them."""
        with self._lock:
            return {each.who: self._known.get((each.who, each.ban), ()) for each in bans}

    def _remember(self, each: StandingBan, notes: tuple[str, ...]) -> None:
        with self._lock:
            self._known[each.who, each.ban] = notes
            while len(self._known) > REMEMBERED_MAX:
                self._known.popitem(last=False)
