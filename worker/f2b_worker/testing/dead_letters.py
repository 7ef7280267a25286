"""Dead letters in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.ports import StoredLetter

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.testing.inbox import MemoryInbox


class MemoryDeadLetters:
    """The twin of the dead-letter queue of a `MemoryInbox`."""

    def __init__(self, inbox: MemoryInbox) -> None:
        self._inbox = inbox

    def letters(self, limit: int) -> list[StoredLetter]:
        """Read up to *limit* letters."""
        return [
            StoredLetter(each.message_id, 0, each.reason, each.detail, each.body) for each in self._inbox.dead
        ][:limit]

    def take(self, wanted: Callable[[StoredLetter], bool], *, retry: bool) -> list[StoredLetter]:
        """Put the wanted letters back, or forget them; answer which."""
        taken = [each for each in self.letters(len(self._inbox.dead)) if wanted(each)]
        ids = {each.id for each in taken}
        self._inbox.dead[:] = [each for each in self._inbox.dead if each.message_id not in ids]
        for each in taken if retry else ():
            self._inbox.put(each.body)
        return taken
