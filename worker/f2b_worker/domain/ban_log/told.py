"""What a follower must remember of the bans that it has told of: far less than the bans themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, rank, revision_of
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.ban_log.changes import Change

_FORGET_EVERY_MS = 60_000  # every ban is looked at for it


class Told:
    """Of each offender how new the newest change is that was told, and its ban's end; 150 bytes beside the key."""

    def __init__(self) -> None:
        # By jail and key: a dictionary of pairs would hold a third object for each of them.
        # The rank of a change; of one that cannot be read the revision, as a negative number.
        self._ranks: dict[str, dict[str, int]] = {}
        self._ends_ms: dict[str, dict[str, int]] = {}
        self._looked_ms = float("-inf")

    def newer(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Go through the changes that are newer than what was told, and take it that they are told now."""
        for change in changes:
            jail, key = change.who
            if jail not in self._ranks:
                self._ranks[jail], self._ends_ms[jail] = {}, {}
            ranks = self._ranks[jail]
            if _is_newer(change, ranks.get(key)):
                is_readable = change.ban is not UNREADABLE
                ranks[key] = rank(*change[1:]) if is_readable else -change.revision
                self._ends_ms[jail][key] = change.ban.until_ms if is_readable else FOREVER_MS
                yield change

    def forget_ended(self, complete_ms: float) -> None:
        """Forget what had ended for long when everything was known that had been logged; see `Bans.remembered`."""
        if complete_ms - self._looked_ms < _FORGET_EVERY_MS:
            return
        self._looked_ms = complete_ms
        before_ms = complete_ms - KEPT_AFTER_END_MS
        for jail, ends_ms in self._ends_ms.items():
            for key in [key for key, end_ms in ends_ms.items() if end_ms < before_ms]:
                del ends_ms[key], self._ranks[jail][key]


def _is_newer(change: Change, known: int | None) -> bool:
    """Tell as `changes.is_newer` does, of a change that is known by its rank."""
    if known is None:
        return True
    _, ban, revision, lifted_ms = change
    if known < 0:
        return revision > -known or (revision == -known and ban is not UNREADABLE)
    return revision > revision_of(known) if ban is UNREADABLE else rank(ban, revision, lifted_ms) > known
