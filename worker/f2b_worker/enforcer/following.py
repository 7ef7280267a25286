"""Following the ledger's bans: the roster learns of them while the loop goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.enforcer.lifting import Lifting
from f2b_worker.errors import F2bError
from f2b_worker.ports import Changes

if TYPE_CHECKING:
    from collections.abc import Callable

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
        learn: Takes what was found, in that thread, if nobody else may use what learns it.

    Attributes:
        is_complete: Whether all is found that was known to followers when it began.
    """

    def __init__(
        self, follower: Follower, *, began: Moment, learn: Callable[[Changes, Moment], int] | None = None
    ) -> None:
        self.began = began
        self.has_news = threading.Event()
        self._follower = follower
        self._learn = learn
        self._learned = 0
        self.is_complete = False
        self._changes = Changes(())
        self._error: BaseException | None = None

    def work(self) -> None:
        """Read to the end; an error is kept for who takes the news."""
        try:
            changes = self._follower.poll()
            self.is_complete = changes.is_complete
            if self._learn:
                self._learned = self._learn(changes, self.began)
            else:
                self._changes = changes
        # An error that nobody expects must reach the loop, or it would wait for this reading for ever.
        except BaseException as error:  # noqa: BLE001 - raised again in the loop
            self._error = error
        self.has_news.set()

    def take(self, learn: Callable[[Changes, Moment], int]) -> int:
        """Have what was found learned, unless it is already; tell how many bans that were.

        Raises:
            F2bError: If it did not come to its end.
        """
        if self._error:
            raise self._error
        return self._learned if self._learn else learn(self._changes, self.began)


class Mark(NamedTuple):
    """How far the ledger was read.

    Attributes:
        began: When the last complete reading began: what was known to followers before is known.
        ended_s: When the last reading ended, complete or not.
        took_s: How long it took, for the next one's pace.
    """

    began: Moment
    ended_s: float
    took_s: float


_NOTHING_READ = Mark(Moment(float("-inf"), 0), ended_s=float("-inf"), took_s=0.0)


class Following:
    """Keeps a roster as the ledger is: it asks for news aside of the loop, four times a second or at once.

    Until a term begins nobody else uses the roster, so all bans are learned aside as well.

    Args:
        follower: Follows the ledger's bans; it has told of none yet.
        roster: What learns all of them, and then their changes.
        clock: Tells when to ask.
        aside: Does slow work, perhaps in a thread.
        turn: Held by whoever teaches the roster aside: one who was given up may not have heard of it yet.

    Attributes:
        is_failing: Whether the last reading failed.
        has_begun: Whether a term began, which uses the roster.
        lifting: When what ended may go.
    """

    def __init__(
        self, follower: Follower, roster: Roster, *, clock: Clock, aside: Aside, turn: threading.Lock | None = None
    ) -> None:
        self._is_asked = False
        self.is_failing = False
        self.lifting = Lifting(clock)
        self._follower = follower
        self._roster = roster
        self._clock = clock
        self._aside = aside
        self._mark = _NOTHING_READ
        self._reading: Reading | None = None
        self._turn = turn or threading.Lock()
        self.has_begun = self._is_given_up = False

    @property
    def known_ms(self) -> int:
        """What followers of the ledger were told before this time is known."""
        return self._mark.began.ms

    @property
    def news(self) -> threading.Event | None:
        """What is set when a reading that is under way has something to hand over; None if none is."""
        return self._reading.has_news if self._reading else None

    def load(self, since_s: float) -> bool:
        """Learn all that was logged up to *since_s*, before a term begins; tell whether it is known.

        Raises:
            F2bError: If the ledger did not answer.
        """
        self._take_news()
        if self._reading is None and self._mark.began.s < since_s:
            self._read_news()
            self._take_news()
        return self._reading is None and self._mark.began.s >= since_s

    def give_up(self) -> None:
        """Teach the roster nothing from now on, whatever is still being read."""
        with self._turn:
            self._is_given_up = True

    def begin_term(self) -> None:
        """Take it that the lease was just taken: what ends about now may have been extended by nobody yet."""
        self.has_begun = True
        self.lifting = Lifting(self._clock)
        self._roster.expire(self._mark.began.ms)

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
        learn = None if self.has_begun else self._learn
        self._reading = Reading(self._follower, began=_now(self._clock), learn=learn)
        self._aside(self._reading.work)

    def _take_news(self) -> None:
        reading = self._reading
        if reading is None or not reading.has_news.is_set():
            return
        self._reading = None
        try:
            learned = reading.take(self._learn)
        except F2bError:
            self._is_asked = self.is_failing = True
            raise
        ended_s = self._clock.monotonic_s()
        began = reading.began if reading.is_complete else self._mark.began
        self._mark = Mark(began, ended_s, took_s=min(PAUSE_MAX_S, ended_s - reading.began.s))
        self.is_failing = False
        if reading.is_complete:
            self.lifting.have_read(learned)

    def _learn(self, changes: Changes, began: Moment) -> int:
        with self._turn:
            if self._is_given_up:
                return 0
            if changes.is_all:
                return self._roster.replace(changes.bans, began.ms)
            # Where something is missing, it may be what extends a ban that seems to be over.
            known_ms = began.ms if changes.is_complete else self._mark.began.ms
            number = 0
            for who, ban, lifted_ms in changes.bans:
                number += 1
                is_lifted = ban.until_ms <= lifted_ms
                self._roster.take_in(who, ban, began.ms if is_lifted else known_ms, lifted_ms)
            return number


def _now(clock: Clock) -> Moment:
    return Moment(clock.monotonic_s(), clock.now_ms())
