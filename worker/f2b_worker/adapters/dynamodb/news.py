"""What the ban log tells a worker of the bans that its colleagues stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import Bans
from f2b_worker.domain.judge.verdicts import UNREADABLE, Offender

if TYPE_CHECKING:
    from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
    from f2b_worker.domain.ban_log.cursor import Cursor
    from f2b_worker.domain.judge.verdicts import OffenderId


class News:
    """Goes through the ban log once, and remembers nothing of it; one thread at a time.

    Args:
        reader: Reads the log.

    Attributes:
        is_anew: Whether the last reading began anew: what was read before it may be of another log.
    """

    def __init__(self, reader: BanLogReader) -> None:
        self._reader = reader
        self._cursor: Cursor | None = None
        self.is_anew = False

    def read(self) -> dict[OffenderId, Offender]:
        """Read what was logged since this was last asked, at first what the newest snapshot holds.

        Raises:
            F2bError: If DynamoDB does not answer; the next call goes on.
        """
        reading = self._reader.follow(self._cursor) if self._cursor else self._reader.start()
        newer = Bans().take_in(reading.changes())
        self._cursor = reading.cursor
        self.is_anew = reading.is_anew
        return {
            change.who: Offender(ban=change.ban, revision=change.revision, lifted_ms=change.lifted_ms)
            for change in newer
            if change.ban is not UNREADABLE
        }
