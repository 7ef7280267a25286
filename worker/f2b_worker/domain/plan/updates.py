"""The enforcer's decision: which IP set to write next, and what, so that the sets equal the active bans."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import span_of_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.plan.group import Group
    from f2b_worker.domain.plan.set_state import SetState

REMOVALS_WAIT_S = 5.0
"""How long a due removal waits for a second in which no ban waits; then it takes every other one."""

COMPACTION_SLACK = 500
"""Room that stays in a set that takes another's entries in, so that the next bans do not part them again."""


class Why(StrEnum):
    """What made an update worth a second of WAF's budget."""

    BANS = "bans"
    REMOVALS = "removals"
    COMPACTION = "compaction"


@dataclass(frozen=True, slots=True)
class Update:
    """The next content of one IP set.

    Attributes:
        entries: All of it, since UpdateIPSet replaces the whole set.
    """

    group: Group
    set_id: str
    entries: frozenset[str]
    added: frozenset[str]
    removed: frozenset[str]
    why: Why


def next_update(
    groups: Iterable[Group], now_s: float, usable: AbstractSet[str], *, after_removals: bool = False
) -> Update | None:
    """Choose the next update, or None if nothing has to be written now.

    What is to go free at once comes first, together with the bans that find room there. Then new bans: those of
    the group that waits longest, all of them into one set. Removals ride along, or take a second in which no ban
    waits; so does compaction. A paused group's sets stay as they are, but for what is to go free at once.

    Args:
        groups: What is wanted, held and waiting.
        now_s: The time, on the clock that the waiting times come from.
        usable: The ids of the sets whose contents are known for certain and that can be written.
        after_removals: Whether the last update was for removals alone: then bans come first whatever is due.
    """
    groups = list(groups)
    active = [group for group in groups if not group.is_paused]
    # Under a steady stream of bans removals would wait for ever; every other update at most is theirs.
    impatient = (
        None if after_removals else _hurried(groups, usable) or _removals(active, now_s - REMOVALS_WAIT_S, usable)
    )
    return (
        impatient
        or _bans(active, usable)
        or _hurried(groups, usable)
        or _removals(active, now_s, usable)
        or _compaction(active, usable)
    )


def early_update(groups: Iterable[Group], newcomers: Mapping[str, int], usable: AbstractSet[str]) -> Update | None:
    """Choose an update for who was banned lately, while not every set was looked into; None if there is none.

    He may be in one of the other sets by now: for a while an entry in two sets does no harm. Nothing goes out, for
    nobody knows yet what there is room for.

    Args:
        groups: What is wanted, held and waiting, as far as it is known.
        newcomers: When the bans of these keys began: the latest go first.
        usable: The ids of the sets whose contents are known for certain and that can be written.
    """
    latest = sorted(newcomers, key=newcomers.__getitem__, reverse=True)
    waiting = [
        (group, entries)
        for group in groups
        if not group.is_paused and (entries := [entry for entry in latest if entry in group.pending])
    ]
    # Who was written waits no longer; so each group has its turn.
    for group, entries in sorted(waiting, key=lambda each: min(map(each[0].pending.__getitem__, each[1]))):
        rooms = [(group.capacity - len(kept.held), kept) for kept in _usable(group, usable)]
        kept = _fullest_for(rooms, len(entries))
        if kept:
            added = frozenset(islice(group.first_of(entries), group.capacity - len(kept.held)))
            return Update(group, kept.id, added.union(kept.held), added, frozenset(), Why.BANS)
    return None


def _hurried(groups: Iterable[Group], usable: AbstractSet[str]) -> Update | None:
    """Choose the set from which most is to go free at once."""
    hurried = [(group, kept) for group in groups for kept in _usable(group, usable) if kept.hurried]
    for group, kept in sorted(hurried, key=lambda each: -len(each[1].hurried)):
        update = _update(group, kept, usable, Why.REMOVALS)
        if not update.removed.isdisjoint(kept.hurried):
            return update
    return None


def _bans(groups: Iterable[Group], usable: AbstractSet[str]) -> Update | None:
    waiting = [(since_s, group) for group in groups if (since_s := group.oldest_s) is not None]
    # WAF may refuse all that a suspect group has; what is not suspect must not wait for that.
    for _, group in sorted(waiting, key=lambda each: (each[1].is_suspect, each[0])):
        kept = _with_room(group, usable)
        if kept:
            return _update(group, kept, usable, Why.BANS)
    return None


def _with_room(group: Group, usable: AbstractSet[str]) -> SetState | None:
    return _fullest_for(
        [(_room(group, kept, usable), kept) for kept in _usable(group, usable)], len(group.pending)
    )


def _fullest_for(rooms: Sequence[tuple[int, SetState]], number: int) -> SetState | None:
    """Choose the set for so many bans: one that takes all of them, or else the one that takes most."""
    for_all = [kept for room, kept in rooms if room >= number]
    if for_all:
        # One update does both where removals wait. Else the fullest: so the emptiest set becomes free.
        return max(for_all, key=lambda kept: (bool(kept.removals), len(kept.held)))
    room, kept = max(rooms, key=lambda each: each[0], default=(0, None))
    return kept if room > 0 else None


def _removals(groups: Iterable[Group], due_by_s: float, usable: AbstractSet[str]) -> Update | None:
    due = [
        (due_s, group, kept)
        for group in groups
        for kept in _usable(group, usable)
        if (due_s := kept.due_s) is not None and due_s <= due_by_s
    ]
    for _, group, kept in sorted(due, key=lambda each: each[0]):
        update = _update(group, kept, usable, Why.REMOVALS)
        # A due entry may be the only certain copy of a ban; then nothing can go yet.
        if update.removed:
            return update
    return None


def _compaction(groups: Iterable[Group], usable: AbstractSet[str]) -> Update | None:
    """Copy the entries of a half-empty set into a fuller one; as duplicates they go out of it later."""
    for group in groups:
        kept = sorted(_usable(group, usable), key=lambda each: len(each.held))
        for place, source in enumerate(kept[:-1]):
            target = _fuller(group, source, kept[place + 1 :], usable)
            if target:
                copied = frozenset(source.held - source.foreign - source.removals.keys() - target.held)
                return _update(group, target, usable, Why.COMPACTION, copied=copied)
    return None


def _fuller(group: Group, source: SetState, others: list[SetState], usable: AbstractSet[str]) -> SetState | None:
    """Find the fullest set with room for all of ours in a set that is at most half full of it."""
    # A fuller set is not worth the updates: it would fill again soon.
    if not 0 < source.ours <= group.capacity // 2:
        return None
    needed = source.ours + min(COMPACTION_SLACK, 1 + group.capacity // 20)
    return next((each for each in reversed(others) if _room(group, each, usable) >= needed), None)


def _usable(group: Group, usable: AbstractSet[str]) -> Iterator[SetState]:
    return (kept for kept in group.sets.values() if kept.known and kept.id in usable)


def _room(group: Group, kept: SetState, usable: AbstractSet[str]) -> int:
    return group.capacity - len(kept.held) + sum(1 for _ in _removable(group, kept, usable))


def _removable(group: Group, kept: SetState, usable: AbstractSet[str]) -> Iterator[str]:
    """Find the entries that may go out of a set now; one copy of two only while the other is certain."""
    free = sum(group.capacity - len(each.held) for each in group.sets.values())
    # Nothing is spared where bans find no room.
    spares = group.spared_s > float("-inf") and len(group.pending) <= free
    for entry, due_s in kept.removals.items():
        if group.is_paused and entry not in kept.hurried:
            continue
        if spares and group.is_spared(entry, due_s):
            continue
        if not group.must_be_held(entry) or group.is_held_elsewhere(entry, kept, usable):
            yield entry


def _update(
    group: Group, kept: SetState, usable: AbstractSet[str], why: Why, copied: frozenset[str] = frozenset()
) -> Update:
    removed = frozenset(_removable(group, kept, usable))
    room = group.capacity - len(kept.held) + len(removed) - len(copied)
    waiting = _within(removed, group.pending) if group.is_paused else group.next_in()
    added = copied.union(islice(waiting, max(0, room)))
    return Update(group, kept.id, frozenset(kept.held - removed | added), added, removed, why)


def _within(removed: frozenset[str], waiting: Iterable[str]) -> Iterator[str]:
    """Choose what is blocked by that which goes: a range that is held stays so but for who is to go free."""
    spans = [span_of_network(each) for each in removed]
    for entry in waiting if spans else ():
        _, low, high = span_of_network(entry)
        if any(span.low <= low and high <= span.high for span in spans):
            yield entry
