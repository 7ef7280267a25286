"""Following the ledger's bans: the roster learns of them while the loop goes on."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.enforcer.aside import Question
from f2b_worker.enforcer.lifting import Lifting
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from f2b_worker.aside import Aside
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.domain.plan.roster import Roster
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.ports import BanBook, Clock, StandingBan

FOLLOW_S = 1.0
"""How often the ledger is asked for bans that other workers stored."""

LOOK_BACK_S = 15.0
"""How often it is asked for bans that writers with slow clocks stored."""

RESYNC_S = 300.0
"""How often all bans are read, in case a change was missed."""

RESYNC_AGAIN_S = 10.0
"""How soon that is tried again when it failed."""

PAUSE_MAX_S = 5.0
"""A ledger that takes long is left alone for as long as it took, and for so long at most."""

QUICK_S = 0.25
"""A ledger that answers so soon is asked once more right before an update, for what has come meanwhile."""

HELPING = SET_CAPACITY
"""So many new bans are handed over before the others are read: no update takes more of them."""

_TURNS = 10


class Moment(NamedTuple):
    """One moment, on the clock that never goes back and as time of the day."""

    s: float
    ms: int


class Reading:
    """One reading of what changed in the ledger, in another thread.

    What is new is handed over when all is read, so that no update leaves with a part of what takes one; but of
    more than an update can take, as much as that at a time.

    Args:
        bans: The ledger's bans.
        cursor: Where the last reading ended.
        is_new: Tells whether a ban is news.
        began: When it began.
    """

    def __init__(
        self, bans: BanBook, cursor: int, is_new: Callable[[StandingBan], bool], *, began: Moment
    ) -> None:
        self.began = began
        self.has_news = threading.Event()
        self.is_over = False
        self.rows = 0
        self._bans = bans
        self._cursor = cursor
        self._is_new = is_new
        self._helpings: deque[list[StandingBan]] = deque()
        self._error: BaseException | None = None

    def work(self) -> None:
        """Read to the end; an error is kept for who takes the news."""
        try:
            changes = self._bans.changes(self._cursor)
            self._read(changes.bans)
            self._cursor = changes.cursor
        # An error that nobody expects must reach the loop, or it would wait for this reading for ever.
        except BaseException as error:  # noqa: BLE001 - raised again in the loop
            self._error = error
        self.is_over = True
        self.has_news.set()

    def _read(self, bans: Iterable[StandingBan]) -> None:
        helping: list[StandingBan] = []
        for each in bans:
            self.rows += 1
            if self._is_new(each):
                helping.append(each)
                if len(helping) == HELPING:
                    self._helpings.append(helping)
                    self.has_news.set()
                    helping = []
        self._helpings.append(helping)

    def take(self) -> list[StandingBan]:
        """Take what was found since the last time."""
        self.has_news.clear()
        # It must wake the loop once more, so that the end is taken, too.
        if self.is_over:
            self.has_news.set()
        return [each for _ in range(len(self._helpings)) for each in self._helpings.popleft()]

    def cursor(self) -> int:
        """Tell where it ended.

        Raises:
            F2bError: If it did not come to its end.
        """
        if self._error:
            raise self._error
        return self._cursor


class Mark(NamedTuple):
    """How far the ledger was read.

    Attributes:
        cursor: Where to go on from.
        began_ms: When that reading began: what was stored before is known.
        ended_s: When it ended.
        took_s: How long it took, for the next one's pace.
    """

    cursor: int
    began_ms: int
    ended_s: float
    took_s: float


def learn(bans: BanBook, roster: Roster, clock: Clock) -> Mark:
    """Learn all bans before anything is compared with them.

    Raises:
        F2bError: If the ledger did not answer; then the roster is as it was.
    """
    began = _now(clock)
    changes = bans.changes(0)
    _replace(roster, {each.who: each.ban for each in changes.bans}, began.ms)
    return _mark(changes.cursor, began, clock)


class Following:
    """Keeps a roster as the ledger is.

    Three questions are asked aside of the loop: for news, every second or at once; for what writers with slow
    clocks stored, and for everything. The last two wait for each other and for a moment without the first.

    Args:
        bans: The ledger's bans.
        roster: What has learned of them, and learns of their changes.
        mark: How far it has learned them.
        alarms: Where a failure is reported that is no more than late.
        clock: Tells when to ask.
        aside: Does slow work, perhaps in a thread.

    Attributes:
        is_failing: Whether the last reading failed.
        lifting: When what ended may go.
    """

    def __init__(  # noqa: PLR0913
        self,
        bans: BanBook,
        roster: Roster,
        mark: Mark,
        *,
        alarms: Alarms,
        clock: Clock,
        aside: Aside,
    ) -> None:
        self._is_asked = False
        self.is_failing = False
        self.lifting = Lifting(clock)
        self._bans = bans
        self._roster = roster
        self._alarms = alarms
        self._clock = clock
        self._aside = aside
        self._mark = mark
        self._reading: Reading | None = None
        self._turns = 0
        # What was taken in since all bans were read, and since one of the questions behind was asked.
        self._known: dict[OffenderId, Ban] = {}
        self._newer: dict[OffenderId, Ban] = {}
        # `learn` has just read everything: each is asked for the first time after its whole time.
        self._late = self._question(lambda: self._late_changes(self._mark.cursor), LOOK_BACK_S)
        self._all = self._question(lambda: list(self._bans.changes(0).bans), RESYNC_S)

    def _question(self, read: Callable[[], list[StandingBan]], every_s: float) -> Question[list[StandingBan]]:
        def ask() -> list[StandingBan]:
            # What is followed from now on may be newer than the answer; what was followed before is in it.
            self._newer = {}
            return read()

        return Question(ask, every_s=every_s, clock=self._clock, aside=self._aside)

    def _late_changes(self, cursor: int) -> list[StandingBan]:
        return [each for each in self._bans.late_changes(cursor) if self._is_new(each)]

    def _is_new(self, found: StandingBan) -> bool:
        return self._known.get(found.who) != found.ban

    @property
    def news(self) -> threading.Event | None:
        """What is set when a reading that is under way has something to hand over; None if none is."""
        return self._reading.has_news if self._reading else None

    def ask(self) -> None:
        """Ask the ledger for news as soon as they are of use, sooner than every second."""
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
        # Under a steady load a reading follows the other; now and then these have to wait for the two behind.
        if self._reading is None and self._turns >= _TURNS:
            self._ask_behind()
        if self._reading is None and self._clock.monotonic_s() >= self._due_s(slot_s, is_waiting=is_waiting):
            self._read_news()
            self._take_news()
        if self._reading is None:
            self._ask_behind()
        self._roster.expire(self._mark.began_ms)

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
        self._turns += 1
        self._is_asked = False  # who asks from now on wants another reading
        self._reading = Reading(self._bans, self._mark.cursor, self._is_new, began=_now(self._clock))
        self._aside(self._reading.work)

    def _take_news(self) -> None:
        reading = self._reading
        if reading is None or not reading.has_news.is_set():
            return
        is_over = reading.is_over
        self._take_in(reading.take(), reading.began.ms)
        if not is_over:
            return
        self._reading = None
        try:
            self._mark = _mark(reading.cursor(), reading.began, self._clock)
            self.is_failing = False
            self.lifting.have_read(reading.rows)
        except F2bError:
            self._is_asked = self.is_failing = True
            raise

    def _take_in(self, found: Iterable[StandingBan], over_ms: int) -> None:
        for who, ban in ((each.who, each.ban) for each in found):
            self._roster.take_in(who, ban, over_ms)
            self._known[who] = self._newer[who] = ban

    def _ask_behind(self) -> None:
        """Ask for all bans or for late ones, and take the answers; a failure costs no more than that answer."""
        self._turns = 0
        if not self._late.is_open:
            everything = self._all.news("reading all bans", self._alarms, again_s=RESYNC_AGAIN_S)
            if everything is not None:
                self._take_all(everything)
        if not self._all.is_open:
            late = self._late.news("reading late bans", self._alarms)
            if late is not None:
                found = [each for each in late if each.who not in self._newer]
                self._take_in(found, self._mark.began_ms)

    def _take_all(self, everything: Iterable[StandingBan]) -> None:
        bans = {each.who: each.ban for each in everything} | self._newer
        _replace(self._roster, bans, self._mark.began_ms)
        self._known = dict(self._newer)


def _replace(roster: Roster, bans: Mapping[OffenderId, Ban], over_ms: int) -> None:
    roster.replace(bans.items(), over_ms)
    roster.expire(over_ms)


def _now(clock: Clock) -> Moment:
    return Moment(clock.monotonic_s(), clock.now_ms())


def _mark(cursor: int, began: Moment, clock: Clock) -> Mark:
    ended_s = clock.monotonic_s()
    return Mark(cursor, began.ms, ended_s, took_s=min(PAUSE_MAX_S, ended_s - began.s))
