"""What one looks into beside the ledger: the IP sets of the blocklists, and the enforcers' notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.judge.enforcement import NotedPlace, Place
from f2b_worker.domain.judge.explanations import entry_over

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.noted_sets import NotedGroup, NotedSets
    from f2b_worker.ports import IpSet, Notebook, Notes


@dataclass(frozen=True, slots=True)
class Holder:
    """An IP set that holds an address key, the entry by which it does, and the blocklist that it belongs to.

    Attributes:
        foreign: Whether that entry is noted as somebody else's.
    """

    name: str
    entry: str
    blocklist: str
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """What was found.

    Attributes:
        sets: All IP sets of the blocklists, each with its blocklist's name and what it holds.
        by_blocklist: The same by blocklist, with what the notes say of each.
        notes: What was noted in each Region.
    """

    sets: Sequence[tuple[str, IpSet, AbstractSet[str]]] = ()
    by_blocklist: Mapping[str, Place] = field(default_factory=dict)
    notes: Mapping[str, Notes] = field(default_factory=dict)

    def holders(self, key: str, family: int) -> tuple[Holder, ...]:
        """Find the IP sets that hold *key*, or a network around it."""
        found = []
        for blocklist, ip_set, entries in self.sets:
            entry = entry_over(key, entries) if ip_set.family == family else None
            if entry:
                found.append(Holder(ip_set.name, entry, blocklist, self._is_foreign(ip_set.id, entry)))
        return tuple(found)

    def _is_foreign(self, set_id: str, entry: str) -> bool:
        return any(entry in notes.foreign.get(set_id, ()) for notes in self.notes.values())


def open_ip_sets(blocklists: Sequence[Blocklist]) -> Iterator[tuple[str, IpSet]]:
    """Open all IP sets of the blocklists, each with its blocklist's name, to read them once.

    Raises:
        Missing: If a name in a blocklist stands for no IP set.
    """
    if not blocklists:
        return
    from f2b_worker.process.regions import open_finders  # noqa: PLC0415 - who names no set does not wait for AWS's

    for finder in open_finders(blocklists, SystemClock()):
        finder.check()
        for name, ip_sets in finder.find().items():
            yield from ((name, each) for each in ip_sets)


class Noted(NamedTuple):
    """What the enforcers noted of the IP sets.

    Attributes:
        groups: Those of each blocklist, by its name, with the note that they stand in.
        seen_ms: When the set was last seen that was not seen for longest.
    """

    groups: Mapping[str, tuple[NotedSets, Sequence[NotedGroup]]]
    seen_ms: int


def noted_sets(blocklists: Sequence[Blocklist], notes: Mapping[str, Notes], now_ms: int) -> Noted | None:
    """Find what was noted of late of the IP sets of all these blocklists; None if it is not all there."""
    groups = {}
    for blocklist in blocklists:
        for each in (one.sets for one in notes.values() if one.sets and one.sets.is_fresh(now_ms)):
            if mine := each.of(blocklist):
                groups[blocklist.name] = (each, mine)
    if not groups or len(groups) < len(blocklists):
        return None
    return Noted(groups, min(noted.seen_ms for noted, _ in groups.values()))


def noted_places(noted: Noted, notes: Mapping[str, Notes]) -> dict[str, NotedPlace]:
    """Put beside the IP sets of each blocklist what else was noted in its Region."""
    places = {}
    for name, (in_region, groups) in noted.groups.items():
        beside = next(each for each in notes.values() if each.sets is in_region)
        places[name] = NotedPlace(
            {each.family: each for each in groups},
            in_region.known_ms,
            frozenset().union(*beside.networks.values()),
            beside.held_back_from_ms,
        )
    return places


def read_notes(notebooks: Mapping[str, Notebook]) -> dict[str, Notes]:
    """Read the notes of each Region."""
    return {region: notebook.read() for region, notebook in notebooks.items()}


def look_into(
    ip_sets: Iterator[tuple[str, IpSet]], blocklists: Sequence[Blocklist], notes: Mapping[str, Notes]
) -> Places:
    """Read the IP sets, and put beside them what was noted in the Region of each blocklist."""
    return placed([(name, each, each.read().entries) for name, each in ip_sets], blocklists, notes)


def placed(
    sets: Sequence[tuple[str, IpSet, AbstractSet[str]]],
    blocklists: Sequence[Blocklist],
    notes: Mapping[str, Notes],
) -> Places:
    """Put beside IP sets, of which it is known what they hold, what was noted in the Region of each blocklist."""
    regions = _regions(blocklists) if sets else {}
    places = {each.name: _place(each.name, sets, notes.get(regions.get(each.name, ""))) for each in blocklists}
    return Places(sets, places, notes)


def _regions(blocklists: Sequence[Blocklist]) -> dict[str, str]:
    from f2b_worker.process.regions import by_region  # noqa: PLC0415 - as above

    return {each.name: region for region, here in by_region(blocklists).items() for each in here}


def _place(name: str, sets: Sequence[tuple[str, IpSet, AbstractSet[str]]], notes: Notes | None) -> Place:
    held = {
        family: [entries for each, ip_set, entries in sets if each == name and ip_set.family == family]
        for family in (4, 6)
    }
    return Place(held, notes.held_back_from_ms if notes else None)
