"""What a follower must remember of the bans that it has told of: far less than the bans themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.ban_log.changes import Change

_FORGET_EVERY_MS = 60_000  # every ban is looked at for it


class Told:
    """Of each offender the newest revision that was told, and the end of that ban; 100 bytes beside the key."""

    def __init__(self) -> None:
        # By jail and key: a dictionary of pairs would hold a third object for each of them.
        self._revisions: dict[str, dict[str, int]] = {}
        self._ends_ms: dict[str, dict[str, int]] = {}
        self._looked_ms = float("-inf")

    def newer(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Go through the changes that are newer than what was told, and take it that they are told now."""
        for change in changes:
            (jail, key), ban, revision, _ = change
            if jail not in self._revisions:
                self._revisions[jail], self._ends_ms[jail] = {}, {}
            revisions = self._revisions[jail]
            if revision > revisions.get(key, 0):
                # Who can read a ban later tells more of the same revision.
                revisions[key] = revision - (ban is UNREADABLE)
                self._ends_ms[jail][key] = FOREVER_MS if ban is UNREADABLE else ban.until_ms
                yield change

    def forget_ended(self, complete_ms: float) -> None:
        """Forget what had ended for long when everything was known that had been logged; see `Bans.remembered`."""
        if complete_ms - self._looked_ms < _FORGET_EVERY_MS:
            return
        self._looked_ms = complete_ms
        before_ms = complete_ms - KEPT_AFTER_END_MS
        for jail, ends_ms in self._ends_ms.items():
            for key in [key for key, end_ms in ends_ms.items() if end_ms < before_ms]:
                del ends_ms[key], self._revisions[jail][key]
