"""How the room of full IP sets is divided, so that nobody crowds others out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.addresses import BITS, IPV6_BITS, parts_of
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.plan.ranking import Rank, Ranking

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT_MS = DAY_MS
"""A ban of up to a day is a short one. Longer ones pile up: without a share of their own, short ones would find
no room beside them, and most bans are short."""

NEWEST_SHARE = 4
"""A quarter of the room is for those who attacked last, however long they are banned."""

SHORT_SHARE = 2
"""Half of the room is for short bans, if so many want it."""

NETWORK_SHARE = 8
"""An eighth of the room is for the short bans of one network, and as much for its long ones, while others wait."""

NETWORK_LEAST = 64
"""So many of a network come in any case: in sets with so little room, which WAF has not, a share means nothing."""


SHARE_PREFIX = {4: 16, 6: 29}
"""Whose entries have one share of the room: a /29 is what a provider gets without a question (RIPE-738, 5.1.2),
and a /16 what larger hosters have in IPv4."""

_TIME_BITS = 50
_NUMBER_BITS = 144

Share = tuple[str | int, bool]
"""A network, or a range that is written in pieces; and whether its share of the room for short bans is meant."""


class Claim(NamedTuple):
    """What decides whether an entry finds room.

    Attributes:
        attacked_ms: When somebody in it attacked last, as far as its ban tells.
        length_ms: How long its ban was given.
        owner: The range of which it is a piece: its pieces share one share of the room, wherever they are.
        is_leaving: Whether it only stays until another entry, which stands for it, is in a set.
    """

    attacked_ms: int = 0
    length_ms: int = 0
    owner: str = ""
    is_leaving: bool = False


class Ranked(NamedTuple):
    """A claim as it is ranked.

    Attributes:
        share: Whose share it takes; None for who is leaving.
        by_attack: The rank among those who attack now.
        by_kind: The rank among the short bans, or the long ones.
    """

    share: Share | None
    by_attack: Rank
    by_kind: Rank

    @classmethod
    def of(cls, entry: str, until_ms: int, claim: Claim) -> Ranked:
        """Rank the claim of an entry that is wanted until then.

        Of equals the wider one goes first: of the pieces of a range those that hold most of it. Then the one with
        the smaller address does, so that two enforcers choose alike.
        """
        family, value, prefix = parts_of(entry)
        order = (1 << _NUMBER_BITS) - (prefix << IPV6_BITS) - value
        if claim.is_leaving:
            return cls(None, order, order)
        is_short = claim.length_ms <= SHORT_MS
        by_attack = by_kind = _rank(claim.attacked_ms, until_ms, order)
        if not is_short:
            by_kind = _rank(until_ms, claim.attacked_ms, order)
        wider = min(prefix, SHARE_PREFIX[family])
        # The bit before them keeps networks of other lengths apart.
        network = value >> BITS[family] - wider | 1 << wider
        return cls((claim.owner or network, is_short), by_attack, by_kind)


def _rank(first_ms: int, second_ms: int, order: int) -> Rank:
    # One more: what is leaving is worse than whatever began in 1970.
    return (first_ms + 1 << _TIME_BITS | second_ms) << _NUMBER_BITS + 1 | order


class Division:
    """The entries that want the room of one group, where it is not enough for all.

    1. Of each network those who attacked last come within its share; the others of it come last of all.
    2. A quarter of the room is for those of all networks who attacked last.
    3. Half of the room is for short bans, of those who attacked last: whoever is banned for an hour is not to keep
       out who is banned for ten minutes. The rest is for long bans, of those that end last, the newest first among
       equal ends. What the one kind leaves is the other's.

    Each change costs O(log n).

    Args:
        room: How many fit.
        wanted: All who want it.
    """

    def __init__(self, room: int, wanted: Mapping[str, Ranked]) -> None:
        self._room = room = max(0, room)
        self._wanted = dict(wanted)
        self._touched: set[str] = set()
        self._networks: dict[Share, Ranking] = {}
        self._newest = Ranking(room // NEWEST_SHARE)
        within, over = self._by_shares()
        self._newest.fill(within)
        older = {entry: self._wanted[entry] for entry in self._newest.outside}
        short = {entry: each.by_kind for entry, each in older.items() if _is_short(each)}
        long = {entry: each.by_kind for entry, each in older.items() if not _is_short(each)}
        self._short, self._long, self._over = map(Ranking, self._rooms(len(short), len(long)))
        # Each knows its room before it is filled: to move hundreds of thousands later takes seconds.
        self._short.fill(short)
        self._long.fill(long)
        self._over.fill(over)

    def _by_shares(self) -> tuple[dict[str, Rank], dict[str, Rank]]:
        """Find and rank those within the shares of their networks, and the others."""
        shares: dict[Share, dict[str, Rank]] = {}
        over: dict[str, Rank] = {}
        for entry, each in self._wanted.items():
            if each.share:
                shares.setdefault(each.share, {})[entry] = each.by_attack
            else:
                over[entry] = each.by_kind
        within: dict[str, Rank] = {}
        for share, ranks in shares.items():
            ranking = self._network(share)
            ranking.fill(ranks)
            within |= ranking.inside
            over |= {entry: self._wanted[entry].by_kind for entry in ranking.outside}
        return within, over

    def is_in(self, entry: str) -> bool:
        """Tell whether an entry finds room."""
        return (
            entry in self._newest.inside
            or entry in self._short.inside
            or entry in self._long.inside
            or entry in self._over.inside
        )

    def take_touched(self) -> set[str]:
        """Take the entries for which that may have changed since this was last asked."""
        touched, self._touched = self._touched, set()
        return touched

    def put(self, entry: str, ranked: Ranked) -> None:
        """Take an entry in, or rank it anew."""
        before = self._wanted.get(entry)
        if before and before.share != ranked.share:
            self._forget(entry)
        self._wanted[entry] = ranked
        self._touched.add(entry)
        if ranked.share is None:
            self._over.put(entry, ranked.by_kind)
        else:
            ranking = self._network(ranked.share)
            ranking.put(entry, ranked.by_attack)
            self._follow(ranking, entry)
        self._allot()

    def drop(self, entry: str) -> None:
        """Take it that an entry wants no room any longer."""
        self._forget(entry)
        self._allot()

    def discard(self, entry: str) -> None:
        """Do so if it wanted any."""
        if entry in self._wanted:
            self.drop(entry)

    def _network(self, share: Share) -> Ranking:
        ranking = self._networks.get(share)
        if ranking is None:
            ranking = self._networks[share] = Ranking(max(NETWORK_LEAST, self._room // NETWORK_SHARE))
        return ranking

    def _forget(self, entry: str) -> None:
        share = self._wanted.pop(entry).share
        for ranking in (self._newest, self._short, self._long, self._over):
            ranking.drop(entry)
        if share is not None:
            mine = self._networks[share]
            mine.drop(entry)
            self._follow(mine)
            if not len(mine):
                del self._networks[share]

    def _follow(self, network: Ranking, *anew: str) -> None:
        """Pass on who came into the share of a network, or fell out of it; and *anew* in any case."""
        for entry in network.take_changes().union(anew):
            ranked = self._wanted.get(entry)
            if ranked is None:
                continue
            if entry in network.inside:
                self._over.drop(entry)
                self._newest.put(entry, ranked.by_attack)
            else:
                self._newest.drop(entry)
                self._kind(ranked).drop(entry)
                self._over.put(entry, ranked.by_kind)
        moved = self._newest.take_changes()
        self._touched |= moved
        for entry in moved.union(anew):
            ranked = self._wanted.get(entry)
            if ranked is None:
                continue
            if entry in self._newest.inside:
                self._kind(ranked).drop(entry)
            elif entry in self._newest.outside:
                self._kind(ranked).put(entry, ranked.by_kind)

    def _kind(self, ranked: Ranked) -> Ranking:
        return self._short if _is_short(ranked) else self._long

    def _rooms(self, short: int, long: int) -> tuple[int, int, int]:
        """Divide what the newest leave among so many short bans, so many long ones, and all others."""
        left = self._room - len(self._newest.inside)
        for_short = min(short, max(min(left, self._room // SHORT_SHARE), left - long))
        for_long = min(long, left - for_short)
        return for_short, for_long, left - for_short - for_long

    def _allot(self) -> None:
        rankings = self._short, self._long, self._over
        rooms = self._rooms(len(self._short), len(self._long))
        for ranking, room in zip(rankings, rooms, strict=True):
            ranking.resize(room)
            self._touched |= ranking.take_changes()


def _is_short(ranked: Ranked) -> bool:
    return bool(ranked.share and ranked.share[1])
