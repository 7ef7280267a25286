"""Who works: the enforcers, their IP sets, and what waits in the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.query.wording import blocklist_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.query.regions import Region
    from f2b_worker.query.status import Status


class SetLine(NamedTuple):
    """An IP set, and how full it is."""

    name: str
    blocklist: str
    family: int
    entries: int
    capacity: int
    seen_ms: int


class Paused(NamedTuple):
    """A pause that holds."""

    blocklist: str
    told: str
    from_ms: int
    until_ms: int | None
    by: str
    reason: str


class RegionLine(NamedTuple):
    """What is known of the enforcement in one Region.

    Attributes:
        region: Who enforces, and how fast.
        foreign: What others put into the sets, by the set's name.
        networks: What bans collapsed into.
        lost: Notes that cannot be read.
    """

    region: Region
    foreign: Sequence[tuple[str, Sequence[str]]] = ()
    networks: Sequence[tuple[str, Sequence[str]]] = ()
    lost: Sequence[str] = ()


class Enforcement(NamedTuple):
    """All of it, for a page."""

    regions: Sequence[RegionLine]
    sets: Sequence[SetLine]
    are_noted: bool
    pauses: Sequence[Paused]

    @property
    def is_held_back(self) -> bool:
        """Whether a surge guard holds bans back anywhere."""
        return any(each.region.held_back_from_ms is not None for each in self.regions)


def enforcement_of(status: Status) -> Enforcement:
    """Gather what is known of it."""
    sets = [
        SetLine(each.name, each.blocklist, each.family, each.entries, SET_CAPACITY, each.seen_ms)
        for each in status.sets
    ]
    return Enforcement(list(_regions(status)), sets, status.are_noted, list(_pauses(status)))


def _regions(status: Status) -> Iterator[RegionLine]:
    for region in status.regions:
        notes = status.notes.get(region.name)
        if notes is None:
            yield RegionLine(region)
        else:
            yield RegionLine(region, _by_set(notes.foreign), _by_set(notes.networks), sorted(notes.lost))


def _by_set(entries: Mapping[str, frozenset[str]]) -> list[tuple[str, list[str]]]:
    return [(_name_of(set_id), sorted(found)) for set_id, found in sorted(entries.items()) if found]


def _name_of(set_id: str) -> str:
    """Name an IP set as people know it: its ARN ends with `/ipset/<name>/<id>`."""
    parts = set_id.split("/")
    return parts[-2] if len(parts) > 2 else set_id


def _pauses(status: Status) -> Iterator[Paused]:
    for name, pause in status.control.pauses.items():
        if pause.counts_at(status.now_ms):
            told = blocklist_named(name)
            yield Paused(name, told[0].upper() + told[1:], pause.from_ms, pause.until_ms, pause.by, pause.reason)


def blocklists_to_pause(status: Status) -> list[tuple[str, str]]:
    """Name what may be paused: the value of the field, and how people call it."""
    names = dict.fromkeys(each.blocklist for each in status.sets)
    return [(EVERY_BLOCKLIST, "All blocklists"), *((name, name) for name in names)]
