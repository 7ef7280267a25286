"""All groups of IP sets of one Region, and the way of a wanted key into them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import family_of, is_one_customer
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.networks import NEVER_BANNED
from f2b_worker.domain.plan.collapse import Collapser
from f2b_worker.domain.plan.division import Claim
from f2b_worker.domain.plan.group import Group
from f2b_worker.domain.plan.ladder import crowded
from f2b_worker.domain.plan.parting import Parting
from f2b_worker.domain.plan.relief import Relief
from f2b_worker.domain.plan.wants import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from f2b_worker.domain.blocklists import Blocklist, Collapse
    from f2b_worker.domain.networks import Networks
    from f2b_worker.domain.plan.lifted import Lifted
    from f2b_worker.domain.plan.roster import Roster

FAMILIES = (4, 6)


class Groups:
    """The groups of several blocklists: two each, one a family.

    Args:
        blocklists: The blocklists of the Region.
        allowed: The allowlist, which no entry of ours may touch.
        apart: Addresses that single bans may hit in some jail, and no collapsed network.
        lifted: Whose ban was lifted.
        unban_lag_s: How long a removal may wait for an update that it can ride along with.
        capacity: Entries in one set.
        attack: Tells for a blocklist when a key attacked last, and for how long it was banned for that.

    Attributes:
        by_place: By the blocklist's name and the family.
    """

    def __init__(  # noqa: PLR0913
        self,
        blocklists: Iterable[Blocklist],
        allowed: Networks,
        *,
        apart: Networks = NEVER_BANNED,
        lifted: Lifted | None = None,
        unban_lag_s: float,
        capacity: int = SET_CAPACITY,
        attack: Callable[[str, str], tuple[int, int] | None] = lambda _b, _k: None,
    ) -> None:
        self.by_place: dict[tuple[str, int], Group] = {}
        self._reliefs: dict[tuple[str, int], Relief] = {}
        self._attack = attack
        self._collapsers: dict[str, Collapser] = {}
        self._crowded: dict[str, set[str]] = {}
        self._partings: dict[str, Parting] = {}
        for each in blocklists:
            for family in FAMILIES:
                group = self.by_place[each.name, family] = Group(
                    each.name,
                    family,
                    policy=each.foreign,
                    allowed=allowed,
                    apart=apart,
                    lifted=lifted,
                    unban_lag_s=unban_lag_s,
                    capacity=capacity,
                    claim=partial(self._claim, each.name),
                )
                self._reliefs[each.name, family] = Relief(group)
            self._partings[each.name] = self._parting(each.name, allowed)
            if each.collapse:
                self._collapsers[each.name] = self._collapser(each.name, each.collapse, allowed, apart)

    def _collapser(self, blocklist: str, collapse: Collapse, allowed: Networks, apart: Networks) -> Collapser:
        return Collapser(
            collapse,
            allowed,
            apart,
            holds=lambda entry: self._relief(blocklist, entry).holds(entry),
            is_settled=lambda entry: self._relief(blocklist, entry).is_settled(entry),
        )

    def _parting(self, blocklist: str, allowed: Networks) -> Parting:
        return Parting(
            allowed,
            end_ms=lambda entry: self._relief(blocklist, entry).end_ms(entry),
            is_settled=lambda entry: (
                self._relief(blocklist, entry).is_settled(entry) or self._covers(blocklist, entry)
            ),
        )

    @property
    def pending(self) -> int:
        """How many entries wait to be written."""
        return sum(len(group.pending) for group in self.by_place.values())

    @property
    def is_suspect(self) -> bool:
        """Whether entries wait that were refused together with a bad one."""
        return any(group.is_suspect for group in self.by_place.values())

    @property
    def oldest_s(self) -> float | None:
        """Since when the longest waiting ban waits. The time that a pause held it up does not count."""
        waits = ((group.oldest_s, group) for group in self.by_place.values() if not group.is_paused)
        return min((max(at_s, group.resumed_s) for at_s, group in waits if at_s is not None), default=None)

    def holds(self, blocklist: str, key: str) -> bool:
        """Tell whether a set of a blocklist holds *key*, or the network that it collapsed into."""
        return self._relief(blocklist, key).holds(key) or self._covers(blocklist, key)

    def _covers(self, blocklist: str, key: str) -> bool:
        collapser = self._collapsers.get(blocklist)
        return bool(collapser and collapser.covers(key))

    def keeps(self, blocklist: str, key: str) -> bool:
        """Tell whether a set of a blocklist holds *key*, or the network around it, and that entry is ours."""
        collapser = self._collapsers.get(blocklist)
        relief = self._relief(blocklist, key)
        network = collapser.network(key) if collapser else None
        return relief.keeps(key) or bool(network and relief.keeps(network))

    def expect_more(self) -> None:
        """Take it that there are sets that were not found yet."""
        for group in self.by_place.values():
            group.expect_more()

    def have_all(self, set_ids: Mapping[str, Sequence[str]], now_s: float) -> None:
        """Take it that all sets were found: those of each blocklist, in the order of their numbers."""
        for (name, _), group in self.by_place.items():
            group.have_all([each for each in set_ids.get(name, ()) if each in group.sets], now_s)
        self.settle(now_s)

    def start(
        self, wanted: Mapping[str, Mapping[str, int]], parted: Mapping[str, tuple[str, ...]], now_s: float
    ) -> None:
        """Take in everything that is wanted in each blocklist, before any set was read.

        Args:
            wanted: The end of each key, by blocklist.
            parted: The pieces of those keys that are wanted as such.
            now_s: The time, on a clock that never goes back.
        """
        for name, ends_ms in wanted.items():
            parts = [Want(name, key, ends_ms[key], pieces) for key, pieces in parted.items() if key in ends_ms]
            if name in self._collapsers:
                whole = (Want(name, *each) for each in ends_ms.items() if each[0] not in parted)
                self.take_in((*parts, *whole), now_s)
                continue
            for family in FAMILIES:
                mine = {key: until_ms for key, until_ms in ends_ms.items() if family_of(key) == family}
                for each in parts:
                    mine.pop(each.key, None)
                self._reliefs[name, family].start(mine, now_s)
            self.take_in(parts, now_s)

    def take_in(self, changes: Iterable[Want], now_s: float) -> None:
        """Take in what changed."""
        for each in changes:
            self._change(each, now_s)
        self.settle(now_s)

    def _change(self, change: Want, now_s: float) -> None:
        blocklist, key, until_ms, pieces = change
        parting = self._partings[blocklist]
        if pieces or parting.knows(key):
            if until_ms is None:
                parting.drop(key)
            else:
                parting.put(key, until_ms, pieces)
            self._take_pieces(blocklist, now_s)
        self._want_whole(blocklist, key, None if pieces else until_ms, now_s)

    def _want_whole(self, blocklist: str, key: str, until_ms: int | None, now_s: float) -> None:
        collapser = self._collapsers.get(blocklist)
        # A collapser decides in which form a key is wanted; `settle` takes its decision up.
        if collapser is None:
            self._want(blocklist, key, until_ms, now_s)
        elif until_ms is not None:
            collapser.put(key, until_ms)
        else:
            collapser.drop(key)

    def _want(self, blocklist: str, entry: str, until_ms: int | None, now_s: float) -> None:
        until_ms = self._partings[blocklist].until(entry, until_ms)
        self._place(blocklist, entry, until_ms, now_s)

    def _place(self, blocklist: str, entry: str, until_ms: int | None, now_s: float) -> None:
        self._relief(blocklist, entry).place(entry, until_ms, now_s)

    def _take_pieces(self, blocklist: str, now_s: float) -> None:
        for entry, until_ms in self._partings[blocklist].take_changes().items():
            self._place(blocklist, entry, until_ms, now_s)

    def networks(self, blocklist: str) -> int:
        """Tell how many networks of a blocklist are written for those in them, since its sets are full."""
        return sum(self._reliefs[blocklist, family].networks for family in FAMILIES)

    @property
    def is_dividing(self) -> bool:
        """Whether there is more to decide about who finds room: `settle` goes on with it."""
        return any(group.is_dividing for group in self.by_place.values())

    def hurry(self, now_s: float) -> None:
        """Have what is left of lifted bans go at once."""
        for group in self.by_place.values():
            group.hurry(now_s)

    def pause(self, blocklists: Container[str], now_s: float) -> None:
        """Hold the sets of these blocklists as they are, but for what goes at once, and those of no other."""
        for (name, _), group in self.by_place.items():
            if group.is_paused and name not in blocklists:
                group.resumed_s = now_s
            group.is_paused = name in blocklists

    def spare(self, until_s: float) -> None:
        """Let what is to go since *until_s* or longer stay for now."""
        for group in self.by_place.values():
            group.spared_s = until_s

    def settle(self, now_s: float) -> None:
        """Go on with networks that collapse or part, after a set was read or written."""
        for blocklist, collapser in self._collapsers.items():
            collapser.settle()
            for entry, until_ms in collapser.take_changes().items():
                self._want(blocklist, entry, until_ms, now_s)
        for blocklist, parting in self._partings.items():
            parting.settle()
            self._take_pieces(blocklist, now_s)
        for relief in self._reliefs.values():
            relief.settle(now_s)

    def allow(self, allowed: Networks, now_s: float, *, apart: Networks = NEVER_BANNED) -> None:
        """Use another allowlist, and other addresses that no collapsed network may hit."""
        for parting in self._partings.values():
            parting.allowed = allowed
        for group in self.by_place.values():
            group.allow(allowed, now_s, apart=apart)
        # After the groups: what `settle` places below is placed by the new allowlist.
        for collapser in self._collapsers.values():
            collapser.allow(allowed, apart)
        for relief in self._reliefs.values():
            relief.reconsider(now_s)
        self.settle(now_s)

    def take_over(self, group: Group, entries: Iterable[str], now_s: float) -> None:
        """Make foreign entries our own that the network around them stands for."""
        collapser = self._collapsers.get(group.blocklist)
        relief = self._reliefs[group.blocklist, group.family]
        for entry in list(entries):
            if relief.is_hidden(entry) or (collapser and collapser.wants(entry)):
                group.take_over(entry, now_s)

    def is_network(self, blocklist: str, entry: str) -> bool:
        """Tell whether no ban may bear the name of *entry*: keys collapse into it, or it is a piece of one."""
        collapser = self._collapsers.get(blocklist)
        if self._partings[blocklist].is_piece(entry) or self._relief(blocklist, entry).is_network(entry):
            return True
        return bool(collapser and collapser.is_network(entry))

    def is_explained(self, blocklist: str, entry: str, roster: Roster, since_ms: int) -> bool:
        """Tell whether a ban that lasted until *since_ms* explains an entry, or those that collapse into it do.

        Args:
            blocklist: Whose set holds the entry.
            entry: What was found.
            roster: Knows the bans.
            since_ms: Bans that ended before explain nothing.
        """
        if roster.explains(entry, since_ms) or self._partings[blocklist].is_piece(entry):
            return True
        # What one customer has is no network, but a ban itself.
        if is_one_customer(entry):
            return False
        collapser = self._collapsers.get(blocklist)
        if blocklist not in self._crowded:
            # Seconds of work where much is remembered, so once; what collapsed since then is known to be wanted.
            remembered = roster.remembered()
            collapsed = collapser.crowded(remembered) if collapser else set()
            self._crowded[blocklist] = collapsed | crowded(remembered)
        return entry in self._crowded[blocklist] or bool(collapser and collapser.is_collapsed(entry))

    def refuse(self, entry: str, now_s: float) -> bool:
        """Keep an entry that WAF does not take out of every group; tell whether any wanted it."""
        wanting = [group for group in self.by_place.values() if group.end_ms(entry) is not None]
        for group in wanting:
            group.refuse(entry, now_s)
        for relief in self._reliefs.values():
            relief.reconsider(now_s)
        return bool(wanting)

    def accept(self, entry: str, now_s: float) -> None:
        """Try an entry again that WAF did not take."""
        for group in self.by_place.values():
            group.accept(entry, now_s)
        for relief in self._reliefs.values():
            relief.reconsider(now_s)

    def _claim(self, blocklist: str, entry: str) -> Claim:
        """Tell what decides whether an entry finds room, be it a ban, a network or a piece of a range."""
        relief, parting = self._relief(blocklist, entry), self._partings[blocklist]
        if relief.is_leaving(entry):
            return Claim(is_leaving=True)
        key = relief.newest_in(entry) or entry
        collapser = self._collapsers.get(blocklist)
        key = (collapser and collapser.newest_in(key)) or key
        attack = self._attack(blocklist, key)
        if attack is None:
            # However many pieces a range has, they are one ban.
            owner = parting.owner_of(key)
            return Claim(*(self._attack(blocklist, owner) or (0, 0)), owner) if owner else Claim()
        return Claim(*attack)

    def _relief(self, blocklist: str, entry: str) -> Relief:
        return self._reliefs[blocklist, family_of(entry)]
