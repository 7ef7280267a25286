"""The time: this machine's clock, set right by the time that AWS's answers bear."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from f2b_worker.observe.late import late_log

if TYPE_CHECKING:
    import threading

log = late_log()

LOOK_EVERY_S = 5.0
"""How often the date of an answer is looked at: a clock that was moved is noticed so soon."""

QUICK_S = 2.0
"""An answer that took longer tells too little: somewhere within that time it was dated."""

AGREES_MS = 1000
"""A clock that is at most so far off is as good as AWS's: `Date` has whole seconds."""

QUIET_S = 600.0
"""How often it is said that the clock is off."""

_DATE_MS = 1000


class AwsTime:
    """How far AWS's clock is ahead of this machine's, by the `Date` header of AWS's answers.

    A ban ends by the time of whoever reads it: without this, one whose clock is off lifts bans early, or late. A
    clock that agrees with AWS's is left as it is.

    Any number of threads at once. Of two that learn at the same time either may win; the next answer tells.

    Attributes:
        ahead_ms: What is to be added to this machine's clock; 0 if it agrees.
    """

    def __init__(self) -> None:
        self.ahead_ms = 0
        self._next_s = float("-inf")
        self._said_s = float("-inf")

    def learn(self, date: str | None, *, began_s: float) -> None:
        """Take in the date of an answer, if one was not looked at within the last seconds.

        Args:
            date: The answer's `Date`; None or something else than a date tells nothing.
            began_s: When the request was made, by `time.monotonic`.
        """
        now_s = time.monotonic()
        if now_s < self._next_s or now_s - began_s > QUICK_S:
            return
        told_ms = _epoch_ms(date)
        if told_ms is None:
            return
        self._next_s = now_s + LOOK_EVERY_S
        # AWS dated its answer at some time of the second, somewhere between request and answer.
        earliest_ms = told_ms - _machine_ms()
        latest_ms = earliest_ms + _DATE_MS + round(1000 * (now_s - began_s))
        for right_ms in (self.ahead_ms, 0):
            if earliest_ms - AGREES_MS <= right_ms <= latest_ms + AGREES_MS:
                break
        else:
            right_ms = earliest_ms  # never ahead of AWS's: who is ahead lifts bans early
        if right_ms != self.ahead_ms:
            self._set(right_ms, now_s)

    def _set(self, ahead_ms: int, now_s: float) -> None:
        self.ahead_ms = ahead_ms
        if not ahead_ms:
            log.info("clock_is_right_again")
            self._said_s = float("-inf")
        elif now_s - self._said_s >= QUIET_S:
            self._said_s = now_s
            remedy = "f2b goes by AWS's clock meanwhile; let NTP set this machine's"
            log.warning("clock_is_off", behind_aws_s=round(ahead_ms / 1000, 1), remedy=remedy)


AWS_TIME = AwsTime()
"""Of this process: one machine has one clock, and all clients of AWS learn how far it is off."""


def _machine_ms() -> int:
    return time.time_ns() // 1_000_000


def _epoch_ms(date: str | None) -> int | None:
    try:
        return round(parsedate_to_datetime(date or "").timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


class SystemClock:
    """The machine's own clocks; the time of day is AWS's once an answer of AWS told that it is off.

    Args:
        aws: How far it is off.
    """

    def __init__(self, aws: AwsTime = AWS_TIME) -> None:
        self._aws = aws

    def now_ms(self) -> int:
        """Tell the wall-clock time in epoch milliseconds."""
        return time.time_ns() // 1_000_000 + self._aws.ahead_ms

    def monotonic_s(self) -> float:
        """Tell a time that never goes back, in seconds from an arbitrary start."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until *event* is set or *timeout_s* has passed; tell whether it is set."""
        return event.wait(max(0.0, timeout_s))
