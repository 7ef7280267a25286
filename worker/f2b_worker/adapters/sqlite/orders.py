"""The allowlist of run time and the control of the workers, as they stand in a state file."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.remedies import MISSHAPEN, unreadable_item
from f2b_worker.adapters.sqlite.file import sqlite_errors
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.control import Control, Pause
from f2b_worker.domain.acts.soundness import checked_entry, checked_pause, what_is_left
from f2b_worker.domain.judge.soundness import NUMBER_MAX, is_whole
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from f2b_worker.errors import Unreadable

_PAUSE = "pause#"
_RELOAD = "reload"
_ASKED = "asked"


class SqliteStandingOrders:
    """What a worker follows beside the bans, in one state file.

    Args:
        reading: A connection for reading.
        lock: Held by who reads through it; its own, if nobody else does.
        aside: Told of each entry that cannot be read.
    """

    def __init__(
        self,
        reading: sqlite3.Connection,
        lock: threading.Lock | None = None,
        *,
        aside: Callable[[Unreadable], None] = set_aside,
    ) -> None:
        self._reading = reading
        self._lock = lock or threading.Lock()
        self._aside = aside

    def mark(self) -> int:
        """Tell a number that is another one whenever allowlist or control have changed."""
        ((number,),) = self._rows("SELECT coalesce(max(n), 0) FROM counters WHERE name = 'orders'")
        return int(number)

    def allowlist(self) -> list[AllowEntry]:
        """Read the allowlist, by network; an entry that cannot be read is named, and has no end."""
        found: list[AllowEntry | None] = []
        for row in self._rows("SELECT network, until_ms, comment, who, at_ms FROM allowed ORDER BY network"):
            try:
                found.append(checked_entry(AllowEntry(*row)))
            except MISSHAPEN as error:
                self._aside(unreadable_item("allow", f"allowed {row[0]}", str(error)))
                found.append(what_is_left(row[0]))
        return [entry for entry in found if entry]

    def control(self) -> Control:
        """Read what all workers obey; what cannot be read is named, and counts for nothing."""
        pauses: dict[str, Pause] = {}
        numbers = {_RELOAD: 0}
        for name, content in self._rows("SELECT name, content FROM control ORDER BY name"):
            try:
                if name in {_RELOAD, _ASKED}:
                    numbers[name] = _as_number(content)
                elif name.startswith(_PAUSE):
                    pauses[name.removeprefix(_PAUSE)] = checked_pause(Pause(*json.loads(content)))
            except MISSHAPEN:
                self._aside(unreadable_item("control", f"control {name}", "content"))
        return Control(pauses, numbers[_RELOAD], numbers.get(_ASKED))

    def _rows(self, query: str) -> list[Any]:
        with self._lock, sqlite_errors("reading allowlist and control"):
            return self._reading.execute(query).fetchall()


def _as_number(content: str) -> int:
    number = int(content)
    if not is_whole(number, 0, NUMBER_MAX):
        raise ValueError("number")
    return number
