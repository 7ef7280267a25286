"""Counts that many threads may add to without a lock, and what they say."""

from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

from f2b_producer._ground import Ground, find


class Stats(NamedTuple):
    """What became of the reports of this process; ``accepted == sent + dropped + buffered`` at rest.

    Attributes:
        accepted: Infractions taken into the buffer.
        sent: Infractions that the queue has confirmed.
        dropped: Infractions lost after they were accepted: the buffer overflowed, the queue called the
            message malformed, or they were left behind when the producer was closed.
        refused: Reports that were not accepted, by reason (a key of `REASONS`).
        buffered: Infractions waiting, those being sent included.
        send_errors: SendMessageBatch calls that failed, as a whole or for some entries.
        blocked: Reports that waited for room, which they do only with ``overflow="block"``.
    """

    accepted: int
    sent: int
    dropped: int
    refused: Mapping[str, int]
    buffered: int
    send_errors: int
    blocked: int = 0


class Health(NamedTuple):
    """How the sending goes in this process.

    Attributes:
        thread_alive: Whether the sending thread runs; before the first report there is none. It does not if the
            oldest infraction waits 30 seconds longer than it lingers, and not because of the queue: a round of
            attempts takes less (10 seconds, and one more call of 14). Some servers let no thread run.
        queue_answers: Whether the queue took or judged a message at the last attempt; None before the first.
        last_error: What went wrong at the last attempt, in one line; None if nothing did.
        oldest_waiting_s: Seconds since the oldest unsent infraction was reported; 0 if none waits.
        fullness: Buffered infractions as a share of `max_buffered`, from 0 to 1.
    """

    thread_alive: bool
    queue_answers: bool | None
    last_error: str | None
    oldest_waiting_s: float
    fullness: float

    @property
    def ok(self) -> bool:
        """Whether the queue answers, there is room, and somebody works for what waits."""
        served = self.thread_alive or self.fullness == 0
        return served and self.queue_answers is not False and self.fullness < 1

    @property
    def ground(self) -> Ground:
        """On which ground this process stands: its server, and what must be set there."""
        return find()


class Counter:
    """A number that threads and signal handlers may raise and read: both are atomic and take no lock."""

    __slots__ = ("_count", "add")

    def __init__(self) -> None:
        self._count = count()
        self.add = self._count.__next__

    def value(self) -> int:
        """Return how often `add` was called."""
        return int(repr(self._count)[6:-1])  # "count(5)": what says it without a step of the count
