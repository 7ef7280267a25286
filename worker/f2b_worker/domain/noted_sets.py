"""How an enforcer last knew its IP sets: what it notes, so that a command need not ask WAF for it.

WAF answers five reads a second; a fleet of 100 IP sets takes 20 s to read.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.blocklists import ip_sets_named, ip_sets_of
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.soundness import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from f2b_worker.domain.blocklists import Blocklist

NAMED_MAX = 100
"""So many entries are named; of more nobody is told which.

Packed, a note of 100 IP sets is 3 KB, and 5 KB if so many are named of each kind and family: as many write units.
"""

NOTED_WITHIN_MS = 90_000
"""An older note is not believed: an enforcer writes it every 30 s, and when something changed."""

AHEAD_MS = 10_000
"""So far the clock of who wrote a note may be ahead of the reader's. By one that is further ahead, the note of a
worker that is gone would stay fresh, and bans that it did not know yet would count as enforced."""

SEEN_WITHIN_MS = 180_000
"""A set that was not seen for so long cannot be read: an enforcer looks into each once a minute."""

UPDATES_PER_MINUTE = 60
"""So many calls of UpdateIPSet WAF takes, of all callers of an account and Region together."""

_MANY = "*"
_FAMILIES = {"4": 4, "6": 6}

Named = tuple[str, ...] | None
"""Entries, by name; None if they are too many."""


class NotedSet(NamedTuple):
    """One IP set: how many entries it held when it was last read or written."""

    name: str
    entries: int
    seen_ms: int


class NotedGroup(NamedTuple):
    """The IP sets of one family of one blocklist.

    Attributes:
        blocklist: The blocklist's name.
        family: 4 or 6.
        sets: All of them.
        out: What is wanted and in none of them: it waits, finds no room, or is refused.
        held_back: What the surge guard keeps out of them.
    """

    blocklist: str
    family: int
    sets: tuple[NotedSet, ...]
    out: Named = ()
    held_back: Named = ()


class Progress(NamedTuple):
    """How fast bans get into the IP sets of a Region.

    Attributes:
        updates: So many calls of UpdateIPSet were made in the last minute; see `UPDATES_PER_MINUTE`.
        waiting_since_ms: Since when the ban waits that waits longest; None: none does.
        enforced_ms: When new bans were last written; None: not since this enforcer took over.
        took_ms: How long the slowest of them took, from the infraction that was one too many; None as above.
    """

    updates: int = 0
    waiting_since_ms: int | None = None
    enforced_ms: int | None = None
    took_ms: int | None = None


class NotedSets(NamedTuple):
    """The IP sets of a Region.

    Attributes:
        at_ms: When it was noted.
        known_ms: All bans that were stored before that time were known.
        groups: The groups that have sets.
        progress: How fast bans get into them; None: it was not noted.
    """

    at_ms: int
    known_ms: int
    groups: tuple[NotedGroup, ...]
    progress: Progress | None = None

    def is_fresh(self, now_ms: int) -> bool:
        """Tell whether somebody who writes the sets wrote this of late, and could read all of them."""
        return self.is_recent(now_ms) and now_ms - self.seen_ms <= SEEN_WITHIN_MS

    def is_recent(self, now_ms: int) -> bool:
        """Tell whether somebody who writes the sets wrote this of late."""
        return -AHEAD_MS <= now_ms - self.at_ms <= NOTED_WITHIN_MS

    @property
    def seen_ms(self) -> int:
        """When the set was last seen that was not seen for longest."""
        return min((each.seen_ms for group in self.groups for each in group.sets), default=self.at_ms)

    def of(self, blocklist: Blocklist) -> tuple[NotedGroup, ...]:
        """Choose the groups of a blocklist; none if what is noted are not the sets that it names."""
        mine = tuple(each for each in self.groups if each.blocklist == blocklist.name)
        names = {each.name for group in mine for each in group.sets}
        is_all = all(ip_sets_named(name, names) for name in blocklist.ip_sets)
        return mine if is_all and names == set(ip_sets_of(blocklist, names)) else ()


def named(entries: Iterable[str]) -> Named:
    """Name entries if they are not too many."""
    first = tuple(islice(entries, NAMED_MAX + 1))
    return tuple(sorted(first)) if len(first) <= NAMED_MAX else None


def as_lines(noted: NotedSets) -> Iterator[str]:
    """Write it down: names of blocklists and IP sets have no blanks in them."""
    yield f"at {noted.at_ms} {noted.known_ms}"
    for group in noted.groups:
        yield f"group {group.blocklist} {group.family}"
        yield from (f"set {each.name} {each.entries} {each.seen_ms}" for each in group.sets)
        for kind, entries in (("out", group.out), ("held_back", group.held_back)):
            if entries is None or entries:
                yield " ".join((kind, *((_MANY,) if entries is None else entries)))


def from_lines(lines: Iterable[str]) -> NotedSets:
    """Read it again.

    Raises:
        ValueError: If it is nothing that an enforcer writes.
    """
    head, *rest = [line.split(" ") for line in lines]
    at, at_ms, known_ms = head
    if at != "at":
        raise ValueError("at")
    groups: list[NotedGroup] = []
    for kind, *words in rest:
        if kind == "group":
            blocklist, family = words
            if family not in _FAMILIES:
                raise ValueError("family")
            groups.append(NotedGroup(blocklist, _FAMILIES[family], ()))
        elif groups:
            groups[-1] = _with(groups[-1], kind, words)
        else:
            raise ValueError(kind)
    return NotedSets(_number(at_ms), _number(known_ms), tuple(groups))


def as_numbers(progress: Progress) -> dict[str, int]:
    """Write it down: what is not known is left out."""
    return {name: number for name, number in progress._asdict().items() if number is not None}


def from_numbers(numbers: Mapping[str, int]) -> Progress:
    """Read it again; what a later version wrote besides is left.

    Raises:
        ValueError: If it is nothing that an enforcer writes.
    """
    known = {name: number for name, number in numbers.items() if name in Progress._fields}
    if not all(is_whole(number, 0, FOREVER_MS) for number in known.values()):
        raise ValueError("number")
    if ("enforced_ms" in known) != ("took_ms" in known):
        raise ValueError("one without the other")
    return Progress(**known)


def _with(group: NotedGroup, kind: str, words: list[str]) -> NotedGroup:
    if kind == "set":
        name, entries, seen_ms = words
        return group._replace(sets=(*group.sets, NotedSet(name, _number(entries), _number(seen_ms))))
    entries_named = None if words == [_MANY] else tuple(words)
    if kind == "out":
        return group._replace(out=entries_named)
    if kind == "held_back":
        return group._replace(held_back=entries_named)
    raise ValueError(kind)


def _number(text: str) -> int:
    number = int(text)
    if not is_whole(number, 0, FOREVER_MS):
        raise ValueError("number")
    return number
