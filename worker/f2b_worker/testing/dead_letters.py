"""Dead letters in memory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from f2b_worker.ports import LETTERS_AT_ONCE, StoredLetter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from f2b_worker.testing.inbox import MemoryInbox


class MemoryDeadLetters:
    """The twin of the dead-letter queue of a `MemoryInbox`."""

    def __init__(self, inbox: MemoryInbox) -> None:
        self._inbox = inbox

    def letters(self, limit: int) -> Iterator[StoredLetter]:
        """Go through up to *limit* letters."""
        for each in self._inbox.dead[:limit]:
            yield StoredLetter(each.message_id, 0, each.reason, each.detail, each.body)

    def take(
        self,
        wanted: Callable[[StoredLetter], bool],
        before: Callable[[Sequence[StoredLetter]], object],
        *,
        retry: bool,
        most: int,
        limit: int,
    ) -> list[StoredLetter]:
        """Put wanted letters back, or forget them; answer which."""
        taken = list(islice(filter(wanted, self.letters(limit)), most))
        for first in range(0, len(taken), LETTERS_AT_ONCE):
            part = taken[first : first + LETTERS_AT_ONCE]
            before(part)
            ids = {each.id for each in part}
            self._inbox.dead[:] = [each for each in self._inbox.dead if each.message_id not in ids]
            for each in part if retry else ():
                self._inbox.put(each.body)
        return taken
