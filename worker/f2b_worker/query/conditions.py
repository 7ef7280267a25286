"""Is the fleet well? The one place of the rules: `f2b status`, the dashboard and notices all go by them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from f2b_worker.domain.acts.control import EVERY_BLOCKLIST, Control
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.noted_sets import NOTED_WITHIN_MS
from f2b_worker.domain.notices.kinds import DEAD_LETTERS, ENFORCER_LOST, LAG, OVERFLOW, SURGE, Condition
from f2b_worker.query.looking import alive_of, nobody_enforces
from f2b_worker.query.wording import held_back, since

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from f2b_worker.domain.noted_sets import NotedGroup, NotedSets
    from f2b_worker.ports import Holder, Notes, WorkerSign

LATE_MS = 60_000
"""A ban that waits for longer is late."""

_NO_ROOM = SET_CAPACITY * 99 // 100
"""A set with so many entries has room for no ban: the last places are kept for networks."""


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
        workers: Their signs of life, which may be old; None: nobody knows.
        entries: How many entries each IP set of a blocklist and family holds, where that was looked at; as it was
            noted otherwise.
    """

    now_ms: int
    regions: Collection[str] = ()
    notes: Mapping[str, Notes] = field(default_factory=dict)
    holders: Mapping[str, Holder] = field(default_factory=dict)
    control: Control = field(default_factory=Control)
    dead_letters: int | None = None
    workers: Sequence[WorkerSign] | None = None
    entries: Mapping[tuple[str, int], Sequence[int]] = field(default_factory=dict)


def conditions_of(fleet: FleetSeen) -> Iterator[Condition]:
    """Find what somebody should see to, the worst first."""
    yield from _lost(fleet)
    for region, notes in fleet.notes.items():
        if notes.held_back_from_ms is not None:
            yield Condition(SURGE, held_back(region, notes.held_back_from_ms), region)
    yield from _full(fleet)
    yield from _late(fleet)
    if fleet.dead_letters:
        number = fleet.dead_letters
        yield Condition(DEAD_LETTERS, f"{number:,} dead letter{'' if number == 1 else 's'}: f2b dlq list")


def last_noted(notes: Mapping[str, Notes]) -> tuple[str, ...]:
    """Name the Region that was noted last: of a state file, which may have notes of Regions of before."""
    at_ms = {region: each.sets.at_ms for region, each in notes.items() if each.sets}
    return (max(at_ms, key=lambda region: at_ms[region]),) if at_ms else ()


def _lost(fleet: FleetSeen) -> Iterator[Condition]:
    """Find where nobody enforces: nobody holds the lease, or who does gives no sign."""
    for region in fleet.regions:
        holder = fleet.holders.get(region)
        noted = _noted(fleet, region)
        if holder and not holder.owner:
            yield Condition(ENFORCER_LOST, nobody_enforces(region), region)
        elif noted and _is_silent(fleet, noted.at_ms, holder.owner if holder else ""):
            silent = since(noted.at_ms, fleet.now_ms)
            text = f"{region}: who enforces has given no sign for {silent}: look at its log, or start a worker"
            yield Condition(ENFORCER_LOST, text, region)


def _is_silent(fleet: FleetSeen, noted_ms: int, owner: str) -> bool:
    """Tell whether a worker that is alive has missed an enforcer's note for too long.

    It goes by the workers' clocks: the reader's may be wrong. Where all of them began a moment ago, the last note
    is from before they stopped; where the enforcer did, it has noted nothing yet. That no worker is alive is told
    elsewhere.
    """
    if fleet.workers is None:
        return fleet.now_ms - noted_ms > NOTED_WITHIN_MS
    alive = alive_of(fleet.workers, fleet.now_ms)
    if any(_is_of(owner, each) and each.at_ms - each.started_ms <= NOTED_WITHIN_MS for each in alive):
        return False
    seen_ms = (each.at_ms - max(noted_ms, each.started_ms) for each in alive)
    return max(seen_ms, default=0) > NOTED_WITHIN_MS


def _is_of(owner: str, sign: WorkerSign) -> bool:
    """Tell whether a lease's owner is the process that gave a sign: host/pid/random, each with its own random."""
    return bool(owner) and owner.rpartition("/")[0] == sign.name.rpartition("/")[0]


def _full(fleet: FleetSeen) -> Iterator[Condition]:
    """Find where no more bans find room."""
    noted = {
        (group.blocklist, group.family): group
        for region in fleet.notes
        if (sets := _noted(fleet, region)) and sets.is_fresh(fleet.now_ms)
        for group in sets.groups
    }
    entries = {place: [each.entries for each in group.sets] for place, group in noted.items()}
    for (blocklist, family), held in {**entries, **fleet.entries}.items():
        lacks = _lacks(fleet, noted.get((blocklist, family)))
        if held and min(held) >= (_NO_ROOM if lacks else SET_CAPACITY):
            text = f"the IPv{family} sets of blocklist {blocklist} are full"
            more = ", and bans find no room" if lacks else ""
            where = f"blocklist {blocklist} (IPv{family})"
            yield Condition(OVERFLOW, f"{text}{more}: f2b provision --capacity", where)


def _lacks(fleet: FleetSeen, group: NotedGroup | None) -> bool:
    """Tell whether bans are in no set of a group though nobody paused it."""
    if group is None or group.out == ():
        return False
    pauses = (fleet.control.pauses.get(name) for name in (group.blocklist, EVERY_BLOCKLIST))
    return not any(each.counts_at(fleet.now_ms) for each in pauses if each)


def _late(fleet: FleetSeen) -> Iterator[Condition]:
    """Find where bans wait, by the enforcer's own clock. What a pause holds up does not count as waiting."""
    for region in fleet.notes:
        noted = _noted(fleet, region)
        if noted is None or not noted.is_recent(fleet.now_ms):
            continue
        waiting_ms = noted.progress.waiting_since_ms if noted.progress else None
        if noted.at_ms - noted.known_ms > LATE_MS:
            unknown = f"no ban of the last {since(noted.known_ms, noted.at_ms)} is known to who enforces"
            yield Condition(LAG, f"{region}: {unknown}: look at its log", region)
        elif waiting_ms is not None and noted.at_ms - waiting_ms > LATE_MS:
            waits = since(waiting_ms, noted.at_ms)
            text = f"{region}: bans wait for {waits} to be enforced: look at the log of who enforces"
            yield Condition(LAG, text, region)


def _noted(fleet: FleetSeen, region: str) -> NotedSets | None:
    notes = fleet.notes.get(region)
    return notes.sets if notes else None
