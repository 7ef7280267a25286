"""The queue of standalone mode: a table of the state file."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, cast

from pydantic_core import to_json

from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.domain.judge.soundness import is_whole
from f2b_worker.errors import F2bError
from f2b_worker.ports import RECEIVE_MAX, Message

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from f2b_worker.adapters.sqlite.place import Place
    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.adapters.sqlite.writer import Writer
    from f2b_worker.ports import Clock, DeadLetter

VISIBILITY_S = 60.0
LATE_MS = 60_000
"""Nothing more is taken while the oldest message waits for so long: the judge cannot keep up, and the file grows.

It is twice what an infraction that only extends a ban may be made to wait.
"""

POSTPONED_S = 10.0
"""When messages come again that had to be left: well before they would count as an overload."""

DEAD_LETTERS_KEPT_MS = 14 * DAY_MS
"""As long as SQS keeps a message at most."""

_DETAIL_CHARACTERS_MAX = 256
# As bytes: SQLite hands out no row of a query in which one text is none.
_READ = "SELECT id, CAST(body AS BLOB), sent_at_ms FROM inbox WHERE id IN (SELECT value FROM json_each(?))"
_READ_NEW = "SELECT id, CAST(body AS BLOB), sent_at_ms FROM inbox WHERE id > ? ORDER BY id LIMIT ?"
_OLDEST = "SELECT CAST(sent_at_ms AS INTEGER) FROM inbox ORDER BY id LIMIT 1"
_INSERT = "INSERT INTO inbox (body, sent_at_ms) VALUES (?, ?)"
_DELETE = "DELETE FROM inbox WHERE id IN (SELECT value FROM json_each(?))"
_BURY = "INSERT INTO dead_letters (at_ms, reason, detail, message_id, body) VALUES (?, ?, ?, ?, ?)"


class SqliteInbox:
    """What HTTP took and nobody has judged yet, oldest first.

    Which messages are in hand is remembered by this process alone: if it dies, all of them come again.

    Args:
        state: The open file.
        clock: Dates what is put in and what is buried.
        linger_s: A receive that waits brings something so often at most; the first one after a silence does at
            once.
    """

    def __init__(self, state: StateFile, clock: Clock, *, linger_s: float = 0.1) -> None:
        self._reading = state.reader()
        self._writer = state.writer
        self._clock = clock
        self._linger_s = linger_s
        self._opened_ms = clock.now_ms()
        self._looked_s = float("-inf")
        self._overload: str | None = None
        self._news = threading.Condition()
        self._may_have_new = True
        self._handed_out = 0  # ids rise in the order of commits, so everything below was handed out
        self._in_hand: set[int] = set()
        self._released: dict[int, None] = {}  # in the order in which they were released
        self._postponed: deque[tuple[float, int]] = deque()
        self._received_s = float("-inf")
        self._closed = False

    @property
    def visibility_s(self) -> float:
        """How often messages in hand want to be kept; here they stay hidden until the process ends."""
        return VISIBILITY_S

    def receive(self, *, wait_s: float) -> list[Message]:
        """Receive up to ten messages, waiting up to *wait_s* for the first, which wakes at once who waits."""
        with self._news, sqlite_errors("receiving infractions"):
            self._bring_back()
            if not self._news.wait_for(self._has_some, wait_s):
                self._may_have_new = True  # a command may have put something back, and tells nobody
            elif wait_s:
                self._gather()
            again = list(islice(self._released, RECEIVE_MAX))
            rows = self._reading.execute(_READ, (_array(again),)).fetchall() if again else []
            room = RECEIVE_MAX - len(rows)
            if room and self._may_have_new:
                new = self._reading.execute(_READ_NEW, (self._handed_out, room)).fetchall()
                self._may_have_new = len(new) == room
                self._handed_out = new[-1][0] if new else self._handed_out
                rows += new
            for number in again:
                del self._released[number]
            self._in_hand.update(number for number, _, _ in rows)
            return [self._message(*row) for row in rows]

    def _message(self, number: int, body: bytes, sent_at_ms: object) -> Message:
        """Read a row, whatever it holds: what is no infraction is found out with the others."""
        is_time = is_whole(sent_at_ms, 0, FOREVER_MS)
        sent_ms = cast("int", sent_at_ms) if is_time else self._clock.now_ms()
        return Message(str(number), str(number), bytes(body).decode(errors="replace"), sent_ms)

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages for good; deleting twice is no error."""
        if not messages:
            return
        numbers = [int(message.id) for message in messages]
        self._writer.do("deleting judged messages", partial(_run, _DELETE, (_array(numbers),)))
        with self._news:
            self._in_hand.difference_update(numbers)

    def keep(self, messages: Sequence[Message]) -> None:
        """Do nothing: what is in hand stays hidden."""

    def release(self, messages: Sequence[Message]) -> None:
        """Make messages visible again, at once."""
        with self._news:
            for number in (int(message.id) for message in messages):
                if number in self._in_hand:
                    self._in_hand.remove(number)
                    self._released[number] = None
            self._news.notify_all()

    def postpone(self, messages: Sequence[Message]) -> None:
        """Leave messages in the file, to come again after *POSTPONED_S*."""
        due_s = self._clock.monotonic_s() + POSTPONED_S
        with self._news:
            self._postponed.extend((due_s, int(message.id)) for message in messages)

    def bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        """Put *letters* among the dead ones, all or none, and forget those of two weeks ago."""
        now_ms = self._clock.now_ms()
        rows = [(now_ms, each.reason, _text(each.detail), each.message_id, _text(each.body)) for each in letters]
        try:
            self._writer.do("storing dead letters", partial(_bury, rows, now_ms - DEAD_LETTERS_KEPT_MS))
        except F2bError as error:
            return [error] * len(letters)
        return [None] * len(letters)

    def announce(self) -> None:
        """Wake who waits in a receive: something was put in."""
        with self._news:
            self._may_have_new = True
            self._news.notify_all()

    def close(self) -> None:
        """Let whoever waits in a receive go."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def overload(self) -> str | None:
        """Say in one line that nothing more should be put in, if so; it looks once a second at most.

        Time during which nobody was there to judge does not count.
        """
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s >= 1:
            self._looked_s = now_s
            self._overload = self._look_for_overload()
        return self._overload

    def dead_letters(self) -> int:
        """Count the dead letters."""
        with sqlite_errors("counting dead letters"):
            number: int = self._reading.execute("SELECT count(*) FROM dead_letters").fetchone()[0]
            return number

    def _look_for_overload(self) -> str | None:
        try:
            with self._news, sqlite_errors("looking at what waits"):
                row = self._reading.execute(_OLDEST).fetchone()
        except F2bError as error:
            return str(error)
        late_ms = self._clock.now_ms() - max(row[0], self._opened_ms) if row else 0
        return f"infractions wait for {late_ms // 1000} s to be judged" if late_ms > LATE_MS else None

    def _bring_back(self) -> None:
        while self._postponed and self._postponed[0][0] <= self._clock.monotonic_s():
            _, number = self._postponed.popleft()
            if number in self._in_hand:
                self._in_hand.remove(number)
                self._released[number] = None

    def _gather(self) -> None:
        """Let messages gather while they come all the time: a small flush costs nearly as much as a large one."""
        pause_s = self._received_s + self._linger_s - self._clock.monotonic_s()
        if pause_s > 0:
            self._news.wait_for(lambda: self._closed, pause_s)
        self._received_s = self._clock.monotonic_s()

    def _has_some(self) -> bool:
        return bool(self._closed or self._released or self._may_have_new)


class SqliteQueue:
    """The end of the inbox that the HTTP interface puts messages into, in another process.

    It writes in the event loop's own thread: everybody there waits for the disk anyway, and two changes of threads
    take as long as the fsync between them.

    Args:
        writer: Writes to the file, safely.
        clock: Dates messages.
        announce: Called when messages are on disk.
        place: Tells whether that is where a restart would find them.
    """

    def __init__(self, writer: Writer, clock: Clock, announce: Callable[[], None], place: Place) -> None:
        self._writer = writer
        self._clock = clock
        self._announce = announce
        self._place = place

    async def send(
        self, bodies: Sequence[str], *, within_s: float, followed_s: float = 0.0
    ) -> list[F2bError | None]:
        """Store message bodies; answers when they are on disk, or why they are not."""
        del within_s, followed_s  # the writer has a time of its own, and what it gave up is not stored later
        now_ms = self._clock.now_ms()
        try:
            self._writer.do("storing infractions", partial(_insert, [(body, now_ms) for body in bodies]))
            self._place.check()
        except F2bError as error:
            return [error] * len(bodies)
        self._announce()
        return [None] * len(bodies)

    async def check(self) -> None:
        """Return if the file can be written to, and would be read again."""
        self._writer.do("writing to the state file", _touch)
        self._place.check(beside=True)
        self._place.check_contents("inbox")

    async def close(self) -> None:
        """Let go of the file."""
        self._writer.close()
        self._place.close()


def _insert(rows: Sequence[tuple[str, int]], connection: sqlite3.Connection) -> None:
    for row in rows:
        connection.execute(_INSERT, row)


def _touch(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")  # written, whatever it was: a full disk shows


def _bury(rows: Sequence[tuple[object, ...]], older_ms: int, connection: sqlite3.Connection) -> None:
    connection.executemany(_BURY, rows)
    connection.execute("DELETE FROM dead_letters WHERE at_ms < ?", (older_ms,))


def _run(statement: str, values: Sequence[str], connection: sqlite3.Connection) -> None:
    connection.execute(statement, values).fetchall()


def _array(numbers: object) -> str:
    return to_json(list(numbers)).decode()  # type: ignore[call-overload]


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
