"""The numbers over time, as a process counts them: how many infractions it judged, by jail and minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.tally import KEPT_MS, Kind, Sheet, hour_of
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping

    from f2b_worker.ports import Clock, Tally

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_S = 5.0
"""So exactly what was judged is put into its minute."""

STORE_EVERY_S = 60.0
"""A write unit each time that something was counted: a process that always judges costs $0.03 a month."""

FINISHED_WITHIN_S = 5.0
"""So long a stop waits for the last infractions to be judged."""


class Hours:
    """The sheet of this hour, and those of hours before it that are not stored yet.

    Args:
        sheet: Of the last hour that is known.
        before: Those before it that may not be stored.
    """

    def __init__(self, sheet: Sheet, before: Iterable[Sheet] = ()) -> None:
        self.sheet = sheet
        self.before = list(before)

    def turn(self, now_ms: int) -> None:
        """Begin another sheet if the hour is over; what no reader asks for any more is not stored."""
        hour_ms = hour_of(now_ms)
        if hour_ms > self.sheet.hour_ms:
            self.before = [each for each in self.before if each.hour_ms > hour_ms - KEPT_MS]
            if not self.sheet.is_empty:
                self.before.append(self.sheet)
            self.sheet = Sheet(hour_ms)

    def store_before(self, tally: Tally, name: str) -> None:
        """Store the hours that are over.

        Raises:
            F2bError: If one may not be stored; the next call goes on.
        """
        while self.before:
            tally.note(name, self.before[0])
            del self.before[0]


class InfractionTally:
    """Counts what one process judged, and stores it; one thread at a time.

    Args:
        tally: Where.
        name: Of the process; nobody else's.
        clock: Tells the minute.
        look: Tells how many infractions were judged in each jail since the process began.
    """

    def __init__(self, tally: Tally, name: str, clock: Clock, look: Callable[[], Mapping[str, int]]) -> None:
        self._tally = tally
        self._name = name
        self._clock = clock
        self._look = look
        self._seen: Mapping[str, int] = {}
        self._hours = Hours(Sheet(hour_of(clock.now_ms())))
        self._is_changed = self._is_failing = False

    def count(self) -> None:
        """Put what was judged since the last call into this minute."""
        now_ms, totals = self._clock.now_ms(), self._look()
        self._hours.turn(now_ms)
        for jail, total in totals.items():
            number = total - self._seen.get(jail, 0)
            if number:
                self._hours.sheet.add(Kind.INFRACTIONS, jail, now_ms, number)
                self._is_changed = True
        self._seen = totals

    def store(self) -> None:
        """Store what was counted, if anything was; a failure is told once, and tried again."""
        try:
            self._hours.store_before(self._tally, self._name)
            if self._is_changed and not self._hours.sheet.is_empty:
                self._tally.note(self._name, self._hours.sheet)
            self._is_changed = self._is_failing = False
        except F2bError as error:
            if not self._is_failing:
                log.warning("tally_failed", reason=str(error))
            self._is_failing = True


def tally_infractions(
    tally: InfractionTally, clock: Clock, stop: threading.Event, finished: threading.Event
) -> None:
    """Count until *stop* and a last time when *finished*, and store what was counted once a minute."""
    next_s = clock.monotonic_s() + STORE_EVERY_S
    while not clock.wait(stop, LOOK_S):
        tally.count()
        if clock.monotonic_s() >= next_s:
            tally.store()
            next_s = clock.monotonic_s() + STORE_EVERY_S
    clock.wait(finished, FINISHED_WITHIN_S)
    tally.count()
    tally.store()
