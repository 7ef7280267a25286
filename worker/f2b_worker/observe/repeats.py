"""One event may come with every message or every request; its lines are bounded, and what is left out is told."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import EventDict

log: structlog.stdlib.BoundLogger = structlog.get_logger()

WINDOW_S = 60.0

OF_ONE_THING_MAX = 100
"""So many lines an event has within a window about one thing: WAF is written once a second, and that is told."""

OF_ONE_EVENT_MAX = 500
"""So many it has about all things together: an address may be the thing, and attackers have many."""

_THINGS = ("about", "kind", "ip_set", "blocklist", "part", "path")
"""The keys that say what a line is about, in names of ours; what others send says nothing of that."""

_RECORDS = frozenset({"banned", "would_ban", "pardoned"})
"""Each of these is a fact that is written into the ledger, once: no two lines say the same."""

_TELLS = "log_lines_left_out"


class Repeats:
    """A processor of structlog that leaves out what was said often within a minute, and tells how much that was.

    Lines of the level debug are all shown: whoever asks for them wants them.

    Args:
        on_left_out: Called with the event of each line that is left out.
        monotonic_s: The clock.
        later: Calls something after so many seconds, in a thread that keeps no process alive.
    """

    def __init__(
        self,
        on_left_out: Callable[[str], None],
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], None] | None = None,
    ) -> None:
        self._on_left_out = on_left_out
        self._monotonic_s = monotonic_s
        self._later = later or _later
        self.begin()
        os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """Start with nothing said; what a forked process inherits is told by its parent."""
        self._lock = threading.RLock()  # a signal handler of this very thread may log, too
        self._left_out: Counter[tuple[str, bool]] = Counter()
        self._shown: Counter[object] = Counter()
        self._ends_s = float("-inf")

    def __call__(self, _logger: object, level: str, line: EventDict) -> EventDict:
        """Let a line through.

        Raises:
            structlog.DropEvent: If it is left out.
        """
        event = line.get("event")
        if level == "debug" or event in _RECORDS or event == _TELLS or not isinstance(event, str):
            return line
        with self._lock:
            before = self._after_the_window()
            is_shown = self._has_room(event, line)
            if not is_shown:
                self._leave_out(event, is_error=level in {"error", "critical"})
        _tell(before)
        if not is_shown:
            self._on_left_out(event)
            raise structlog.DropEvent
        return line

    def tell(self) -> None:
        """Say how many lines were left out up to now."""
        with self._lock:
            before, self._left_out = self._left_out, Counter()
        _tell(before)

    def _after_the_window(self) -> Counter[tuple[str, bool]]:
        """Begin another window if this one is over; answer what is to be told of it."""
        now_s = self._monotonic_s()
        if now_s < self._ends_s:
            return Counter()
        self._ends_s = now_s + WINDOW_S
        self._shown.clear()
        before, self._left_out = self._left_out, Counter()
        return before

    def _has_room(self, event: str, line: EventDict) -> bool:
        # As texts: a value may be a list, say, which no key can be.
        thing = (event, *(str(line[key]) for key in _THINGS if key in line))
        if self._shown[event] >= OF_ONE_EVENT_MAX or self._shown[thing] >= OF_ONE_THING_MAX:
            return False
        self._shown[event] += 1
        self._shown[thing] += 1
        return True

    def _leave_out(self, event: str, *, is_error: bool) -> None:
        if not self._left_out:  # if nothing more is logged, nobody else would tell
            self._later(max(0.0, self._ends_s - self._monotonic_s()), self.tell)
        self._left_out[event, is_error] += 1


def _tell(left_out: Mapping[tuple[str, bool], int]) -> None:
    for (event, is_error), number in left_out.items():
        if is_error:  # its level, so that whoever asks for errors alone hears of it
            log.error("log_lines_left_out", of=event, lines=number)
        else:
            log.warning("log_lines_left_out", of=event, lines=number)


def _later(in_s: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(in_s, call)
    timer.name, timer.daemon = "log", True
    with suppress(RuntimeError):  # no more threads: then the next line tells
        timer.start()
