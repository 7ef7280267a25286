"""Following the ledger's bans: the roster learns of them while the loop goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.enforcer.lifting import Lifting
from f2b_worker.errors import F2bError
from f2b_worker.ports import Changes

if TYPE_CHECKING:
    from f2b_worker.aside import Aside
    from f2b_worker.domain.plan.roster import Roster
    from f2b_worker.ports import Clock, Follower

FOLLOW_S = 0.25
"""How often the ledger is asked for bans that other workers stored."""

PAUSE_MAX_S = 5.0
"""A ledger that takes long is left alone for as long as it took, and for so long at most."""

QUICK_S = 0.25
"""A ledger that answers so soon is asked once more right before an update, for what has come meanwhile."""


class Moment(NamedTuple):
    """One moment, on the clock that never goes back and as time of the day."""

    s: float
    ms: int


class Reading:
    """One poll for what changed in the ledger, in another thread.

    Args:
        follower: Follows the ledger's bans.
        began: When it began.
    """

    def __init__(self, follower: Follower, *, began: Moment) -> None:
        self.began = began
        self.has_news = threading.Event()
        self._follower = follower
        self._changes = Changes(())
        self._error: BaseException | None = None

    def work(self) -> None:
        """Read to the end; an error is kept for who takes the news."""
        try:
            self._changes = self._follower.poll()
        # An error that nobody expects must reach the loop, or it would wait for this reading for ever.
        except BaseException as error:  # noqa: BLE001 - raised again in the loop
            self._error = error
        self.has_news.set()

    def take(self) -> Changes:
        """Take what was found.

        Raises:
            F2bError: If it did not come to its end.
        """
        if self._error:
            raise self._error
        return self._changes


class Mark(NamedTuple):
    """How far the ledger was read.

    Attributes:
        began: When the last reading began: what was known to followers before is known.
        ended_s: When it ended.
        took_s: How long it took, for the next one's pace.
    """

    began: Moment
    ended_s: float
    took_s: float


_NOTHING_READ = Mark(Moment(float("-inf"), 0), ended_s=float("-inf"), took_s=0.0)


class Following:
    """Keeps a roster as the ledger is: it asks for news aside of the loop, four times a second or at once.

    Args:
        follower: Follows the ledger's bans; it has told of none yet.
        roster: What learns all of them, and then their changes.
        clock: Tells when to ask.
        aside: Does slow work, perhaps in a thread.

    Attributes:
        is_failing: Whether the last reading failed.
        lifting: When what ended may go.
    """

    def __init__(self, follower: Follower, roster: Roster, *, clock: Clock, aside: Aside) -> None:
        self._is_asked = False
        self.is_failing = False
        self.lifting = Lifting(clock)
        self._follower = follower
        self._roster = roster
        self._clock = clock
        self._aside = aside
        self._mark = _NOTHING_READ
        self._reading: Reading | None = None

    @property
    def news(self) -> threading.Event | None:
        """What is set when a reading that is under way has something to hand over; None if none is."""
        return self._reading.has_news if self._reading else None

    @property
    def read_s(self) -> float:
        """Since when changes may be unknown: when the last reading began that came to its end."""
        return self._mark.began.s

    def begin_term(self) -> None:
        """Take it that the lease was just taken: what ends about now may have been extended by nobody yet."""
        self.lifting = Lifting(self._clock)

    def ask(self) -> None:
        """Ask the ledger for news as soon as they are of use, sooner than usual."""
        self._is_asked = True

    def follow(self, slot_s: float, *, is_waiting: bool) -> None:
        """Take in what is known by now, end the bans whose end has passed, and ask on.

        Args:
            slot_s: When the next update may leave: before that there is no use for news that somebody asked for.
            is_waiting: Whether an update waits for that time, with which other bans could go.

        Raises:
            F2bError: If the ledger did not answer.
        """
        self._take_news()
        if self._reading is None and self._clock.monotonic_s() >= self._due_s(slot_s, is_waiting=is_waiting):
            self._read_news()
            self._take_news()
        self._roster.expire(self._mark.began.ms)

    def next_s(self, slot_s: float, *, is_waiting: bool) -> float | None:
        """Tell when it is to be asked for news; None while they are awaited."""
        return None if self._reading else self._due_s(slot_s, is_waiting=is_waiting)

    def _due_s(self, slot_s: float, *, is_waiting: bool) -> float:
        due_s = self._mark.ended_s + max(FOLLOW_S, self._mark.took_s)
        # A reading begins so early that its news are there in time.
        early_s = slot_s - self._mark.took_s
        if self._is_asked:
            return min(due_s, early_s)
        if is_waiting and self._mark.took_s <= QUICK_S:
            return min(due_s, max(early_s, self._mark.ended_s + QUICK_S))
        return due_s

    def _read_news(self) -> None:
        self._is_asked = False  # who asks from now on wants another reading
        self._reading = Reading(self._follower, began=_now(self._clock))
        self._aside(self._reading.work)

    def _take_news(self) -> None:
        reading = self._reading
        if reading is None or not reading.has_news.is_set():
            return
        self._reading = None
        try:
            changes = reading.take()
        except F2bError:
            self._is_asked = self.is_failing = True
            raise
        if changes.is_all:
            self._roster.replace(((each.who, each.ban) for each in changes.bans), reading.began.ms)
        else:
            for each in changes.bans:
                self._roster.take_in(each.who, each.ban, reading.began.ms)
        self._mark = _mark(reading.began, self._clock)
        self.is_failing = False
        self.lifting.have_read(len(changes.bans))


def _now(clock: Clock) -> Moment:
    return Moment(clock.monotonic_s(), clock.now_ms())


def _mark(began: Moment, clock: Clock) -> Mark:
    ended_s = clock.monotonic_s()
    return Mark(began, ended_s, took_s=min(PAUSE_MAX_S, ended_s - began.s))
