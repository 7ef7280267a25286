"""What a follower must remember of the bans that it has told of: far less than the bans themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, rank, revision_of
from f2b_worker.domain.judge.verdicts import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.ban_log.changes import Change

_FORGET_EVERY_MS = 60_000  # every ban is looked at for it

_END_BITS = 48  # of milliseconds, beyond the year 9999
_END = (1 << _END_BITS) - 1


class Told:
    """Of each offender how new the newest change is that was told, and its ban's end; 80 bytes beside the key."""

    def __init__(self) -> None:
        # By jail and key: a dictionary of pairs would hold a third object for each of them. One number each holds
        # the rank of a change and the ban's end; of one that cannot be read the revision, as a negative number.
        self._known: dict[str, dict[str, int]] = {}
        self._looked_ms = float("-inf")

    def newer(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Go through the changes that are newer than what was told, and take it that they are told now."""
        for change in changes:
            (jail, key), ban, revision, lifted_ms = change
            known = self._known.get(jail)
            if known is None:
                known = self._known[jail] = {}
            before = known.get(key)
            if before is None or _is_newer(change, before):
                is_readable = ban is not UNREADABLE
                known[key] = _packed(rank(ban, revision, lifted_ms), ban.until_ms) if is_readable else -revision
                yield change

    def forget_ended(self, complete_ms: float) -> None:
        """Forget what had ended for long when everything was known that had been logged; see `Bans.remembered`."""
        if complete_ms - self._looked_ms < _FORGET_EVERY_MS:
            return
        self._looked_ms = complete_ms
        before_ms = complete_ms - KEPT_AFTER_END_MS
        for known in self._known.values():
            for key in [key for key, packed in known.items() if packed >= 0 and packed & _END < before_ms]:
                del known[key]


def _packed(rank_of_it: int, until_ms: int) -> int:
    return (rank_of_it << _END_BITS) + max(0, until_ms)


def _is_newer(change: Change, known: int) -> bool:
    """Tell as `changes.is_newer` does, of a change of which is known what `Told` holds."""
    _, ban, revision, lifted_ms = change
    if known < 0:
        return revision > -known or (revision == -known and ban is not UNREADABLE)
    known_rank = known >> _END_BITS
    return revision > revision_of(known_rank) if ban is UNREADABLE else rank(ban, revision, lifted_ms) > known_rank
