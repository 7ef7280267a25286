"""Bounds how long a line may keep the user's regexes busy: on a line of an attacker's one may backtrack for years.

Python's `re` looks for signals while it matches, so a timer ends it. No other engine is needed for that. Those
whose time is linear, google-re2 and hyperscan, know no look-around, by which <HOST> takes an address whole or not
at all. And without it re2 took 2 to 16 times as long as `re` for a line of an access log or of sshd.
"""

import atexit
import signal
from collections.abc import Callable
from typing import ClassVar, TypeVar

T = TypeVar("T")

TICK_S = 0.005
"""Many systems do not measure CPU time finer than that."""

ALLOWANCE_TICKS = 20
"""So long one line may take, 0.1 s: a regex takes microseconds for most, and is meant to, for long ones."""


class TooSlowError(Exception):
    """A line was given up."""


class TimeLimit:
    """An allowance of CPU time, which slow lines use up and others earn.

    So of many slow lines in a row each takes two ticks at most. It counts the process's CPU time: on a
    busy machine no line is given up for what others do, and an idle process has no ticks. The timer runs on from
    line to line: to set it for each would take nearly as long as to judge one. It works in the main thread, the
    only one that Python lets signals interrupt.
    """

    _running: ClassVar["TimeLimit | None"] = None
    _is_ticking: ClassVar[bool] = False

    def __init__(self) -> None:
        self._allowance = ALLOWANCE_TICKS
        self._lines = 0
        self._seen = 0  # the line at the last tick
        self._was_same = False  # whether that was the line at the tick before, too
        signal.signal(signal.SIGVTALRM, self._tick)

    def run(self, judge: Callable[[str], T], line: str) -> T:
        """Have a line judged.

        Raises:
            TooSlowError: If that took too long.
        """
        self._lines += 1
        if not TimeLimit._is_ticking:
            TimeLimit._is_ticking = True
            signal.setitimer(signal.ITIMER_VIRTUAL, TICK_S, TICK_S)
        TimeLimit._running = self
        try:
            return judge(line)
        finally:
            TimeLimit._running = None

    @classmethod
    def _tick(cls, *_: object) -> None:
        if cls._running:
            cls._running.count()
        else:
            stop()
            cls._is_ticking = False

    def count(self) -> None:
        """Count a tick.

        Raises:
            TooSlowError: If it is one too many.
        """
        is_same = self._lines == self._seen
        self._seen = self._lines
        if not is_same and not self._was_same:
            self._allowance = min(ALLOWANCE_TICKS, self._allowance + 1)
        self._was_same = is_same
        if is_same:
            self._allowance -= 1
            if self._allowance <= 0:
                self._allowance = 1
                raise TooSlowError


def stop() -> None:
    """Stop the timer."""
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)


atexit.register(stop)  # later nobody takes the signal, and it would end the process
