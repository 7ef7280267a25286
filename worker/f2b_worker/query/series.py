"""The numbers over time, for charts: infractions, bans and their ends, by jail and step."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.domain.tally import BANS, HOUR_MS, KEPT_MS, Kind, Noted, hour_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from f2b_worker.ports import TallyReader

STEPS_MS = ((2 * HOUR_MS, MINUTE_MS), (2 * DAY_MS, 15 * MINUTE_MS), (KEPT_MS, 2 * HOUR_MS))
"""Up to which length which step is used: a chart of 7 days, and one of an hour, has 60 to 100 bars."""

CLOSED_AFTER_MS = 15 * MINUTE_MS
"""So long after its end an hour may still change: whoever counted stores it within two minutes, if that works."""


RANGES: Mapping[str, tuple[int, str]] = {
    "1h": (60 * MINUTE_MS, "the last hour"),
    "24h": (DAY_MS, "the last 24 hours"),
    "7d": (7 * DAY_MS, "the last 7 days"),
}
"""What pages and documents tell of: how long, and how that is called."""

USUAL_RANGE = "24h"


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers over time.

    Attributes:
        since_ms: The begin of the first step.
        step_ms: How long each is; the last one is not over.
        at: When each begins, in seconds.
        kinds: By kind and jail, one number for each step.
    """

    since_ms: int
    step_ms: int
    at: Sequence[int]
    kinds: Mapping[str, Mapping[str, Sequence[int]]]


def step_of(length_ms: int) -> int:
    """Choose the step for a chart of so long a time."""
    return next((step_ms for most_ms, step_ms in STEPS_MS if length_ms <= most_ms), STEPS_MS[-1][1])


def series(noted: Iterable[Noted], since_ms: int, now_ms: int, step_ms: int) -> Series:
    """Sum up what was noted from *since_ms*, or a little before, to *now_ms*.

    Args:
        noted: What processes noted of these hours, and perhaps of others.
        since_ms: When the first step begins at the latest.
        now_ms: In the last step.
        step_ms: How long each is, whole minutes.
    """
    begin_ms = since_ms // step_ms * step_ms
    steps = range(begin_ms, now_ms + 1, step_ms)
    kinds: dict[str, dict[str, list[int]]] = {kind.value: {} for kind in Kind}
    for each in noted:
        for kind, jail, at_ms, number in each.sheet.counts():
            place = (at_ms - begin_ms) // step_ms
            if 0 <= place < len(steps):
                kinds[kind.value].setdefault(jail, [0] * len(steps))[place] += number
    by_name = {kind: dict(sorted(of_kind.items())) for kind, of_kind in kinds.items()}
    return Series(begin_ms, step_ms, [each // 1000 for each in steps], by_name)


def series_object(found: Series) -> dict[str, Any]:
    """Write numbers over time as JSON: times and the step in seconds."""
    return {
        "since": found.since_ms // 1000,
        "step": found.step_ms // 1000,
        "at": list(found.at),
        "kinds": {kind: {jail: list(each) for jail, each in jails.items()} for kind, jails in found.kinds.items()},
    }


class SeriesReader:
    """Reads the numbers over time, and keeps the hours that do not change any more; for several threads.

    Args:
        tally: Where they are.
    """

    def __init__(self, tally: TallyReader) -> None:
        self._tally = tally
        self._closed: dict[int, list[Noted]] = {}
        self._lock = threading.Lock()

    def read(self, length_ms: int, now_ms: int) -> Series:
        """Read the numbers of the last *length_ms*, seven days at most.

        Raises:
            F2bError: If they cannot be read.
        """
        length_ms = min(length_ms, 7 * DAY_MS)
        with self._lock:
            noted = self._noted(now_ms - length_ms - step_of(length_ms), now_ms)
        return series(noted, now_ms - length_ms, now_ms, step_of(length_ms))

    def _noted(self, since_ms: int, now_ms: int) -> list[Noted]:
        hours_ms = range(hour_of(since_ms), hour_of(now_ms) + 1, HOUR_MS)
        first_ms = next((each for each in hours_ms if each not in self._closed), now_ms)
        read: dict[int, list[Noted]] = {each: [] for each in range(hour_of(first_ms), now_ms + 1, HOUR_MS)}
        for noted in self._tally.read(first_ms, now_ms):
            read.setdefault(noted.sheet.hour_ms, []).append(noted)
        self._add_open(read)
        found = [noted for each in hours_ms for noted in read.get(each, self._closed.get(each, ()))]
        self._keep(read, now_ms)
        return found

    def _add_open(self, read: dict[int, list[Noted]]) -> None:
        """Put what is known of bans in the hours that are not stored on their own, or not for long."""
        counted = self._tally.bans()
        for sheet in (counted.sheet, counted.before) if counted else ():
            if sheet is not None and sheet.hour_ms in read:
                others = [noted for noted in read[sheet.hour_ms] if noted.name != BANS]
                read[sheet.hour_ms] = [*others, Noted(BANS, sheet)]

    def _keep(self, read: Mapping[int, list[Noted]], now_ms: int) -> None:
        closed = {each: noted for each, noted in read.items() if each + HOUR_MS + CLOSED_AFTER_MS < now_ms}
        kept = {each: noted for each, noted in self._closed.items() if each > now_ms - KEPT_MS}
        self._closed = kept | closed
