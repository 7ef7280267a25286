"""What holds of the whole fleet: a surge, bans that find no room or wait, nobody who enforces, dead letters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.acts.control import EVERY_BLOCKLIST, Control
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.noted_sets import NOTED_WITHIN_MS
from f2b_worker.domain.notices.kinds import DEAD_LETTERS, ENFORCER_LOST, LAG, OVERFLOW, SURGE
from f2b_worker.errors import F2bError
from f2b_worker.ports.notices import ConditionsSeen
from f2b_worker.query.looking import nobody_enforces
from f2b_worker.query.wording import duration, held_back, since

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping

    from f2b_worker.domain.noted_sets import NotedGroup
    from f2b_worker.ports import Clock, Holder, Notes

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 30.0
"""So often it is looked."""

LATE_MS = 60_000
"""A ban that waits for longer is late."""

_FULL = SET_CAPACITY * 99 // 100
"""A set is as good as full: the last places are kept for networks."""


@dataclass(frozen=True, slots=True)
class FleetSeen:
    """What is looked at.

    Attributes:
        now_ms: When.
        regions: Where somebody is to enforce.
        notes: What the enforcers noted, by Region.
        holders: Who holds the lease to enforce, by Region; none of a worker on a file.
        control: What people ordered.
        dead_letters: How many there are; None: nobody knows.
    """

    now_ms: int
    regions: Collection[str] = ()
    notes: Mapping[str, Notes] = field(default_factory=dict)
    holders: Mapping[str, Holder] = field(default_factory=dict)
    control: Control = field(default_factory=Control)
    dead_letters: int | None = None


class Conditions:
    """Looks at the fleet now and then, for all targets together.

    Args:
        look: Looks.
        clock: Paces it.

    Attributes:
        seen: What was seen last; None before the first look.
    """

    def __init__(self, look: Callable[[], FleetSeen], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._out: dict[tuple[str, str, int], dict[str, int]] = {}
        self._is_failing = False
        self.seen: ConditionsSeen | None = None

    def run(self, stop: threading.Event) -> None:
        """Look until *stop*; what cannot be seen is told once, and leaves what was seen as it is."""
        while not stop.is_set():
            self.tick()
            self._clock.wait(stop, EVERY_S)

    def tick(self) -> None:
        """Look once."""
        try:
            fleet = self._look()
        except F2bError as error:
            if not self._is_failing:
                log.warning("conditions_not_seen", reason=str(error))
            self._is_failing = True
            return
        self._is_failing = False
        texts: dict[str, str] = {}
        for kind, text in self._hold(fleet):
            texts[kind] = f"{texts[kind]}; {text}" if kind in texts else text
        self.seen = ConditionsSeen(fleet.now_ms, texts)

    def _hold(self, fleet: FleetSeen) -> Iterator[tuple[str, str]]:
        for region, notes in fleet.notes.items():
            if notes.held_back_from_ms is not None:
                yield SURGE, held_back(region, notes.held_back_from_ms)
            if notes.sets and notes.sets.is_fresh(fleet.now_ms):
                yield from self._of_sets(fleet, region, notes)
        yield from _lost(fleet)
        if fleet.dead_letters:
            yield DEAD_LETTERS, f"{fleet.dead_letters:,} in the dead-letter queue: f2b dlq list"

    def _of_sets(self, fleet: FleetSeen, region: str, notes: Notes) -> Iterator[tuple[str, str]]:
        assert notes.sets
        known_ms = notes.sets.known_ms
        if fleet.now_ms - known_ms > LATE_MS:
            yield LAG, f"{region}: no ban of the last {since(known_ms, fleet.now_ms)} is known to who enforces"
        for group in notes.sets.groups:
            waits_ms = self._waits_ms(fleet.now_ms, region, group)
            if _is_paused(fleet, group.blocklist):
                continue
            name = f"blocklist {group.blocklist} (IPv{group.family})"
            if _is_out(group) and all(each.entries >= _FULL for each in group.sets):
                yield OVERFLOW, f"{name} is full, and bans find no room: f2b provision --capacity"
            elif waits_ms > LATE_MS:
                yield LAG, f"{name}: bans wait for {duration(waits_ms // 1000 * 1000)} to be enforced"

    def _waits_ms(self, now_ms: int, region: str, group: NotedGroup) -> int:
        """Tell for how long the ban waits that waits longest; of those that are too many to be named, any."""
        place = (region, group.blocklist, group.family)
        before = self._out.get(place, {})
        waiting = (EVERY_BLOCKLIST,) if group.out is None else group.out
        self._out[place] = {each: before.get(each, now_ms) for each in waiting}
        return max((now_ms - since_ms for since_ms in self._out[place].values()), default=0)


def _is_out(group: NotedGroup) -> bool:
    return group.out is None or bool(group.out)


def _is_paused(fleet: FleetSeen, blocklist: str) -> bool:
    pauses = (fleet.control.pauses.get(name) for name in (blocklist, EVERY_BLOCKLIST))
    return any(each.counts_at(fleet.now_ms) for each in pauses if each)


def _lost(fleet: FleetSeen) -> Iterator[tuple[str, str]]:
    """Find where nobody enforces: nobody holds the lease, or who does gives no sign."""
    for region in fleet.regions:
        notes = fleet.notes.get(region)
        noted = notes.sets if notes else None
        if region in fleet.holders and not fleet.holders[region].owner:
            yield ENFORCER_LOST, nobody_enforces(region)
        elif noted and fleet.now_ms - noted.at_ms > NOTED_WITHIN_MS:
            silent = since(noted.at_ms, fleet.now_ms)
            yield ENFORCER_LOST, f"{region}: who enforces has given no sign for {silent}: look at its log"
