"""While there is not room for all, crowded networks are written as one entry each, by steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import BITS, USUAL_IPV6_PREFIX, cidr_of, ipv6_prefix_of, parts_of
from f2b_worker.domain.plan.ladder import LADDER
from f2b_worker.domain.plan.members import Members

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

EASED_AT = 0.9
"""A step is taken back where that leaves a tenth of the room free, so that it is not taken again at once."""

LEAVING_MS = 0
"""Until when an entry is wanted that only stays until its successor is in a set."""

_INDEX_PREFIX = {4: 24, 6: 56}
_MANY = 1 << 62
_NOBODY: set[str] = set()


@dataclass(slots=True, kw_only=True)
class _Crowd(Members):
    """A network that is written for its members."""

    prefix: int
    place: int


class Crowding:
    """Turns the entries that one group should hold into fewer.

    Nobody is let through in between: the members of a network stay wanted until it is held, and a network that is
    taken apart until its members are, or will not be. Yet what stays so has no right to room that others need.

    Args:
        family: 4 or 6.
        holds: Tells whether a set holds an entry.
        is_settled: Tells whether an entry is held, or will not be.
        is_spared: Tells whether somebody in a network must not be hit, or WAF refuses it.
    """

    def __init__(
        self,
        family: int,
        *,
        holds: Callable[[str], bool],
        is_settled: Callable[[str], bool],
        is_spared: Callable[[str], bool],
    ) -> None:
        self._family = family
        self._ladder = LADDER[family]
        # The largest networks first.
        self._prefixes = sorted({prefix for prefix, _ in self._ladder})
        self._shifts = [(prefix, BITS[family] - prefix) for prefix in self._prefixes]
        self._holds = holds
        self._is_settled = is_settled
        self._is_spared = is_spared
        self._step = 0
        self._least: dict[int, int] = {}
        self._ends_ms: dict[str, int] = {}
        # How many entries are in each network, and which, by networks of one size.
        self._numbers: dict[int, dict[int, int]] = {prefix: {} for prefix in self._prefixes}
        self._inside: dict[int, str | set[str]] = {}
        self._crowds: dict[str, _Crowd] = {}
        self._hidden: dict[str, str] = {}
        self._crossed: set[tuple[int, int]] = set()
        self._rising: dict[str, set[str]] = {}  # what stays until a network is held, by that network
        self._falling: dict[str, set[str]] = {}  # a network that stays, until these are settled
        self._changes: dict[str, None] = {}

    @property
    def number(self) -> int:
        """How many entries are left."""
        return len(self._ends_ms) - len(self._hidden) + len(self._crowds)

    @property
    def networks(self) -> Collection[str]:
        """The networks that are written for those in them, as they are at any time."""
        return self._crowds.keys()

    @property
    def is_idle(self) -> bool:
        """Whether each entry is written as itself."""
        return not (self._step or self._crowds or self._rising or self._falling)

    def end_ms(self, entry: str) -> int | None:
        """Tell until when *entry* is wanted as itself, in whatever form it is written; None if it is not."""
        return self._ends_ms.get(entry)

    def is_network(self, entry: str) -> bool:
        """Tell whether *entry* is written on behalf of those in it."""
        return entry in self._crowds or entry in self._falling

    def is_leaving(self, entry: str) -> bool:
        """Tell whether *entry* only stays until its successors are in the sets."""
        return self._end_of(entry) == LEAVING_MS

    def is_hidden(self, entry: str) -> bool:
        """Tell whether *entry* is wanted, and a network stands for it."""
        return entry in self._hidden

    def written(self) -> dict[str, int]:
        """Tell until when each entry is wanted that is left, gathered anew."""
        shown = (entry for entry in self._ends_ms if entry not in self._hidden)
        ends_ms = {entry: self._end_of(entry) for entry in (*shown, *self._crowds)}
        return {entry: until_ms for entry, until_ms in ends_ms.items() if until_ms is not None}

    def newest_in(self, network: str) -> str | None:
        """Name the member of a network that came last; None if it is none."""
        crowd = self._crowds.get(network)
        return next(reversed(crowd.members)) if crowd else None

    def network(self, entry: str) -> str | None:
        """Name the network that stands for *entry*, or would if it were banned; None for none."""
        if entry in self._hidden:
            return self._hidden[entry]
        names = (self._name(prefix, place) for prefix, place in self._places(entry)) if self._crowds else ()
        return next((name for name in names if name in self._crowds), None)

    def covers(self, entry: str) -> bool:
        """Tell whether a set holds a network on behalf of *entry*."""
        network = self.network(entry)
        return bool(network and self._holds(network))

    def fill(self, ends_ms: Mapping[str, int]) -> None:
        """Want all of these, at the beginning."""
        self._ends_ms |= ends_ms
        for entry in ends_ms:
            self._count(entry)

    def put(self, entry: str, until_ms: int) -> None:
        """Want *entry* until then."""
        is_new = entry not in self._ends_ms
        self._ends_ms[entry] = until_ms
        if is_new:
            self._count(entry)
            self._regroup([entry])
        network = self._hidden.get(entry)
        if network:
            self._crowds[network].put(entry, until_ms)
        self._changes[network or entry] = None

    def drop(self, entry: str) -> None:
        """Want *entry* no longer."""
        if self._ends_ms.pop(entry, None) is None:
            return
        self._discount(entry)
        network = self._hidden.pop(entry, None)
        if network:
            self._part(network, entry)
            self._rising.get(network, _NOBODY).discard(entry)
            crowd = self._crowds.get(network)
            if crowd and not self._is_crowd(crowd.prefix, crowd.place, network):
                self._regroup(list(crowd.members))
        self._changes[entry] = None

    def relieve(self, room: int) -> None:
        """Take as many steps as make the entries fit; or take one back, if there is room for that."""
        crossed, self._crossed = self._crossed, set()
        # The one that crossed the line is in its network already, and those before it are not.
        self._raise(crossed, is_begun=True)
        if self.number > room:
            while self.number > room and self._step < len(self._ladder):
                self._take_step(self._step + 1)
                self._raise(self._crowded(self._ladder[self._step - 1][0]))
        elif self._step and self._number_after(self._step - 1) <= EASED_AT * room:
            self._take_step(self._step - 1)
            self._regroup(entry for name in self._thin() for entry in list(self._crowds[name].members))

    def reconsider(self) -> None:
        """Find out anew which networks must not be written, and which may be."""
        # They go at once, and nobody waits until their members are held: somebody in them is to go free.
        for name in [name for name in self._crowds if self._is_spared(name)]:
            self._regroup(list(self._crowds[name].members))
        for name in [name for name in self._falling if self._is_spared(name)]:
            del self._falling[name]
            self._changes[name] = None
        for prefix in self._least:
            self._raise(self._crowded(prefix))

    def settle(self) -> None:
        """Let those go whose successors are held."""
        for network in [name for name in self._rising if name not in self._crowds or self._holds(name)]:
            self._changes |= dict.fromkeys(self._rising.pop(network))
        for network, successors in list(self._falling.items()):
            if all(self._is_settled(each) or self._end_of(each) is None for each in successors):
                del self._falling[network]
                self._changes[network] = None

    def take_changes(self) -> dict[str, int | None]:
        """Take the entries whose end may have changed since this was last asked; None: no longer wanted."""
        changes, self._changes = self._changes, {}
        return {entry: self._end_of(entry) for entry in changes}

    def _end_of(self, entry: str) -> int | None:
        ends_ms = [] if entry in self._hidden else [self._ends_ms.get(entry)]
        crowd = self._crowds.get(entry)
        if crowd:
            ends_ms.append(crowd.until_ms)
        if entry in self._falling or entry in self._rising.get(self._hidden.get(entry, ""), _NOBODY):
            ends_ms.append(LEAVING_MS)
        return max((end_ms for end_ms in ends_ms if end_ms is not None), default=None)

    def _places(self, entry: str) -> list[tuple[int, int]]:
        """Find the networks that could stand for *entry*, the largest first: their prefix, and where they are."""
        _, value, own = parts_of(entry)
        # Where a /64 is not one customer, those beside it have nothing to do with it.
        if self._family == 6 and ipv6_prefix_of(value) != USUAL_IPV6_PREFIX:
            return []
        return [(prefix, value >> shift) for prefix, shift in self._shifts if prefix < own]

    def _name(self, prefix: int, place: int) -> str:
        return cidr_of(self._family, place << BITS[self._family] - prefix, prefix)

    def _count(self, entry: str) -> None:
        for prefix, place in self._places(entry):
            numbers = self._numbers[prefix]
            number = numbers[place] = numbers.get(place, 0) + 1
            if number == self._least.get(prefix):
                self._crossed.add((prefix, place))
        place = self._index(entry)
        there = self._inside.get(place)
        if there is None:
            self._inside[place] = entry
        elif isinstance(there, set):
            there.add(entry)
        else:
            self._inside[place] = {there, entry}

    def _discount(self, entry: str) -> None:
        for prefix, place in self._places(entry):
            numbers = self._numbers[prefix]
            numbers[place] -= 1
            if not numbers[place]:
                del numbers[place]
        place = self._index(entry)
        there = self._inside[place]
        if isinstance(there, set) and len(there) > 1:
            there.discard(entry)
        else:
            del self._inside[place]

    def _index(self, entry: str) -> int:
        _, value, _ = parts_of(entry)
        return value >> BITS[self._family] - _INDEX_PREFIX[self._family]

    def _crowded(self, prefix: int) -> set[tuple[int, int]]:
        least = self._least[prefix]
        return {(prefix, place) for place, number in self._numbers[prefix].items() if number >= least}

    def _is_crowd(self, prefix: int, place: int, name: str) -> bool:
        """Tell whether a network is to be written; one that is stays so until half of its members are gone."""
        least = self._least.get(prefix)
        if least is None:
            return False
        number = self._numbers[prefix].get(place, 0)
        return number >= (least // 2 if name in self._crowds else least) and not self._is_spared(name)

    def _top(self, entry: str) -> str | None:
        for prefix, place in self._places(entry):
            least = self._least.get(prefix)
            # Nearly all are in no crowd: their networks need no name.
            if least is not None and self._numbers[prefix].get(place, 0) >= least // 2:
                name = self._name(prefix, place)
                if self._is_crowd(prefix, place, name):
                    self._crowds.setdefault(name, _Crowd(prefix=prefix, place=place))
                    return name
        return None

    def _raise(self, networks: Iterable[tuple[int, int]], *, is_begun: bool = False) -> None:
        """Write these networks, if they may be written, for all in them."""
        by_prefix: dict[int, set[int]] = {}
        for prefix, place in networks:
            name = self._name(prefix, place)
            if (is_begun or name not in self._crowds) and self._is_crowd(prefix, place, name):
                by_prefix.setdefault(prefix, set()).add(place)
        for prefix, places in by_prefix.items():
            self._regroup(self._entries_in(prefix, places))

    def _entries_in(self, prefix: int, places: set[int]) -> list[str]:
        shift = _INDEX_PREFIX[self._family] - prefix
        if shift > 0:
            indexes: Iterable[int] = [each for each in self._inside if each >> shift in places]
        else:
            indexes = {place >> -shift for place in places}
        found: list[str] = []
        for index in indexes:
            there = self._inside[index]
            found += there if isinstance(there, set) else [there]
        return found

    def _regroup(self, entries: Iterable[str]) -> None:
        """Write each of these in the form in which it is to be written now."""
        for entry in entries:
            before, after = self._hidden.get(entry), self._top(entry)
            if before == after:
                continue
            if after:
                self._hidden[entry] = after
                self._crowds[after].put(entry, self._ends_ms[entry])
                self._falling.pop(after, None)
                if before is None and self._holds(entry):
                    self._rising.setdefault(after, set()).add(entry)
                self._changes[after] = None
            else:
                del self._hidden[entry]
            if before:
                self._rising.get(before, _NOBODY).discard(entry)
                self._part(before, entry, after or entry)
            self._changes[entry] = None

    def _part(self, network: str, entry: str, successor: str | None = None) -> None:
        """Take an entry out of the network that stood for it; *successor* does so now."""
        crowd = self._crowds[network]
        crowd.drop(entry)
        if not crowd.members:
            del self._crowds[network]
        self._changes[network] = None
        if successor and self._holds(network) and not self._is_spared(network):
            self._falling.setdefault(network, set()).add(successor)

    def _take_step(self, step: int) -> None:
        self._step = step
        self._least = dict(self._ladder[:step])

    def _number_after(self, step: int) -> int:
        """Tell how many entries there would be at most after another step."""
        least = dict(self._ladder[:step])
        gone = [
            each for each in self._crowds.values() if self._inside_of(each) < least.get(each.prefix, _MANY) // 2
        ]
        return self.number + sum(len(each.members) - 1 for each in gone)

    def _inside_of(self, crowd: _Crowd) -> int:
        return self._numbers[crowd.prefix].get(crowd.place, 0)

    def _thin(self) -> list[str]:
        """Find the networks that are written and are not to be any longer."""
        return [name for name, each in self._crowds.items() if not self._is_crowd(each.prefix, each.place, name)]
