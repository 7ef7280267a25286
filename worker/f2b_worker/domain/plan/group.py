"""One family of one blocklist: its IP sets, what they hold, and what waits to be written into or out of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import is_one_customer
from f2b_worker.domain.blocklists import SET_CAPACITY, Foreign
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.admission import Admission
from f2b_worker.domain.plan.crowding import LEAVING_MS
from f2b_worker.domain.plan.division import Claim
from f2b_worker.domain.plan.homes import Homes
from f2b_worker.domain.plan.lifted import Lifted
from f2b_worker.domain.plan.origin import Origin
from f2b_worker.domain.plan.set_state import Drift, SetState
from f2b_worker.domain.plan.suspects import Suspects

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator
    from collections.abc import Set as AbstractSet

_NOBODY = Networks()

SPARED_FOR_S = 60.0
"""How long at most what has to go is spared."""


class Group:
    """The IP sets of one family of one blocklist, kept by differences: no change costs more than O(log n).

    An entry stays in the set where it is. What is in two sets goes out of the emptier one.

    Args:
        blocklist: The blocklist's name.
        family: 4 or 6.
        policy: What becomes of foreign entries.
        allowed: The allowlist: what of ours touches it goes at once.
        apart: Addresses that no collapsed network may hit: one that does, and is no longer wanted, goes at once.
        lifted: Whose ban was lifted: what is left of it goes at once, too.
        unban_lag_s: How long a removal may wait for an update that it can ride along with.
        capacity: Entries in one set.
        claim: Tells of an entry what decides whether it finds room.

    Attributes:
        pending: The entries that fit and are in no set yet, the longest waiting first, and since when they wait.
        spared_s: What is to go since that time or longer stays for now.
        is_paused: Whether nothing is put in, and nothing taken out but what goes at once.
        resumed_s: When its last pause ended.
        is_whole: Whether all its sets were found; until then there is room for all, and nothing is displaced.
        ahead: What goes in before all others: the networks that stand for entries which may leave the sets.
    """

    def __init__(  # noqa: PLR0913
        self,
        blocklist: str,
        family: int,
        *,
        policy: Foreign = Foreign.KEEP,
        allowed: Networks = _NOBODY,
        apart: Networks = _NOBODY,
        lifted: Lifted | None = None,
        unban_lag_s: float = 60.0,
        capacity: int = SET_CAPACITY,
        claim: Callable[[str], Claim] = lambda _: Claim(),
    ) -> None:
        self.blocklist = blocklist
        self.family = family
        self.policy = policy
        self.capacity = capacity
        self.sets: dict[str, SetState] = {}
        self.pending: dict[str, float] = {}
        self.spared_s = float("-inf")
        self.is_paused = False
        self.resumed_s = float("-inf")
        self.is_whole = True
        self.ahead: Container[str] = ()
        self._foreign_changed: set[str] = set()
        self._allowed = allowed
        self._apart = apart
        self._lifted = Lifted() if lifted is None else lifted
        self._unban_lag_s = unban_lag_s
        self._homes = Homes(self.sets)
        self._admission = Admission(claim=claim)
        # The ends of those wanted entries that need no room of ours: refused by WAF, or kept by somebody else.
        self._roomless: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._refused: set[str] = set()
        self._urgent: set[str] = set()
        self._suspects = Suspects()

    @property
    def left_out(self) -> int:
        """How many wanted entries find no room."""
        return len(self._admission.left_out)

    @property
    def out(self) -> Iterator[str]:
        """The wanted entries that no set holds: they wait, find no room, or are refused."""
        # No copy: there may be a hundred thousand, and who asks needs the first few.
        yield from self.pending
        # What is leaving is no ban that is out: the network that stands for it waits, or is held.
        yield from (entry for entry, until_ms in self._admission.left_out.items() if until_ms != LEAVING_MS)
        yield from (entry for entry in self._refused if entry in self._roomless and not self.holds(entry))

    @property
    def room(self) -> int:
        """How many entries of ours fit."""
        return self._admission.room

    @property
    def is_dividing(self) -> bool:
        """Whether it is not decided yet whom there is room for."""
        return self._admission.is_dividing

    def advance(self, now_s: float) -> None:
        """Go on deciding that."""
        self._admission.advance()
        self._settle_all((), now_s)

    @property
    def roomless(self) -> int:
        """How many wanted entries need no room of ours."""
        return len(self._roomless)

    @property
    def wanted(self) -> dict[str, int]:
        """The end of every wanted entry, in epoch milliseconds, gathered anew."""
        return {**self._admission.admitted, **self._admission.left_out, **self._roomless}

    def end_ms(self, entry: str) -> int | None:
        """Tell until when *entry* is wanted; None if it is not."""
        for ends_ms in (self._admission.admitted, self._admission.left_out, self._roomless):
            if entry in ends_ms:
                return ends_ms[entry]
        return None

    @property
    def oldest_s(self) -> float | None:
        """Since when the longest waiting ban waits."""
        return next(iter(self.pending.values()), None)

    def oldest_removal_s(self, kept: SetState) -> float | None:
        """Tell since when, at the earliest, something waits to go out of a set; None where nothing does."""
        return None if kept.due_s is None else kept.due_s - self._unban_lag_s

    def is_spared(self, entry: str, due_s: float) -> bool:
        """Tell whether what is due to go stays for now."""
        spared_s = self.spared_s + self._unban_lag_s
        return spared_s - SPARED_FOR_S <= due_s <= spared_s and not (
            entry in self._urgent or self._is_freed(entry)
        )

    def holds(self, entry: str) -> bool:
        """Tell whether a set holds *entry*, whoever put it there."""
        return entry in self._homes.of

    def keeps(self, entry: str) -> bool:
        """Tell whether a set holds *entry*, and it is ours."""
        return entry in self._homes.of and not self._homes.is_foreign(entry)

    def is_settled(self, entry: str) -> bool:
        """Tell whether nothing more happens for a wanted entry: it is held, finds no room, or is refused."""
        return entry in self._homes.of or entry in self._admission.left_out or entry in self._refused

    @property
    def is_suspect(self) -> bool:
        """Whether all that waits was refused together with a bad entry: it goes in when nothing else waits."""
        return self._suspects.are_all(self.pending)

    def next_in(self) -> Iterable[str]:
        """Find the waiting entries that may be written now, the longest waiting first."""
        waiting = self._suspects.first_of(self.pending)
        return sorted(waiting, key=lambda each: each not in self.ahead) if self.ahead else waiting

    def must_spare(self, network: str) -> bool:
        """Tell whether a network must not be written on behalf of others: it hits somebody, or WAF refuses it."""
        return self._allowed.touches(network) or self._apart.touches(network) or network in self._refused

    def first_of(self, entries: Collection[str]) -> Iterable[str]:
        """Find those of some waiting entries that may be written now, in the same order."""
        return self._suspects.first_of(entries)

    def is_held_elsewhere(self, entry: str, kept: SetState, usable: AbstractSet[str]) -> bool:
        """Tell whether a set of *usable* other than *kept* holds *entry*."""
        return self._homes.is_elsewhere(entry, kept.id, usable)

    def must_be_held(self, entry: str) -> bool:
        """Tell whether *entry* is to be in some set."""
        return entry in self._admission.admitted or (entry in self._roomless and entry not in self._refused)

    def add_set(self, set_id: str, now_s: float) -> None:
        """Take in a set that was never read."""
        self.sets[set_id] = SetState(set_id)
        self._resize()
        self._settle_all((), now_s)

    def expect_more(self) -> None:
        """Take it that there are sets that were not found yet."""
        self.is_whole = False
        self._resize()

    def have_all(self, set_ids: Iterable[str], now_s: float) -> None:
        """Take it that all sets were found; *set_ids* are in the order of their numbers."""
        for set_id in set_ids:
            # The lowest numbers are filled first, whichever were found first.
            self.sets[set_id] = self.sets.pop(set_id)
        self.is_whole = True
        self._resize()
        self._settle_all((), now_s)

    def drop_set(self, set_id: str, now_s: float) -> None:
        """Take it that a set is no longer there: its bans have to go into the others."""
        kept = self.sets.pop(set_id)
        for entry in kept.held:
            self._leave_home(entry, set_id)
        self._foreign_changed.discard(set_id)
        self._resize()
        self._settle_all(kept.held, now_s)

    def start(self, ends_ms: dict[str, int], now_s: float) -> None:
        """Want all of these before any set was read: as `want` of each does, in a tenth of the time."""
        if self._admission.fill(ends_ms):
            self._admission.take_changes()
            self.pending = dict.fromkeys(self._admission.admitted, now_s)
            return
        for entry, until_ms in ends_ms.items():
            self.want(entry, until_ms, now_s)

    def want(self, entry: str, until_ms: int, now_s: float) -> None:
        """Want *entry* in one of the sets until then."""
        # Under `keep`, an entry that somebody else put in stays theirs, banned or not: only they may take it out.
        if self.policy is not Foreign.KEEP and self.end_ms(entry) is None:
            self._take_over(entry)
        self._weigh(entry, until_ms)
        self._adjust(entry, now_s)

    def unwant(self, entry: str, now_s: float) -> None:
        """Want *entry* no longer."""
        self._weigh(entry, None)
        self._adjust(entry, now_s)

    def allow(self, allowed: Networks, now_s: float, *, apart: Networks = _NOBODY) -> None:
        """Use other lists of who is spared: what waits for its removal and touches them goes at once."""
        self._allowed, self._apart = allowed, apart
        self.hurry(now_s)

    def hurry(self, now_s: float) -> None:
        """Find out anew what of that which waits for its removal goes at once."""
        for kept in self.sets.values():
            for entry in list(kept.removals):
                self._place(entry, now_s)

    def suspect(self, entries: Iterable[str]) -> None:
        """Take it that an update was refused because of one of *entries*."""
        self._suspects.refused(entries)

    def take_foreign_changes(self) -> set[str]:
        """Take the ids of the sets whose foreign entries changed since this was last asked."""
        changed, self._foreign_changed = self._foreign_changed, set()
        return changed

    def take_over(self, entry: str, now_s: float) -> None:
        """Make a foreign entry our own that is wanted in another form."""
        self._take_over(entry)
        self._settle(entry, now_s)

    def refuse(self, entry: str, now_s: float) -> None:
        """Keep out an entry that WAF does not take."""
        self._refused.add(entry)
        self._settle(entry, now_s)

    def accept(self, entry: str, now_s: float) -> None:
        """Try an entry again that WAF did not take."""
        if entry in self._refused:
            self._refused.discard(entry)
            self._suspects.try_again(entry)
            self._settle(entry, now_s)

    def read(self, set_id: str, entries: AbstractSet[str], whose: Callable[[str], Origin], now_s: float) -> Drift:
        """Take in what a set holds; *whose* tells of an entry that was not there before who put it there."""
        kept = self.sets[set_id]
        is_first, kept.known = not kept.known, True
        if is_first:
            entries = self._as_wanted(entries)
        appeared, gone = entries - kept.held, kept.held - entries
        # Before anything is taken out: nobody lost what was foreign, or was due to go.
        ours_gone = frozenset(gone - kept.foreign - kept.removals.keys())
        for entry in gone:
            self._take_out(kept, entry)
        strange = {entry: origin for entry in appeared if (origin := whose(entry)) is not Origin.OURS}
        self._put_in(kept, appeared)
        for entry, origin in strange.items():
            self._meet(kept, entry)
            if origin is Origin.DOUBTED and entry in kept.foreign:
                kept.doubted[entry] = now_s
        if strange or gone or is_first:
            self._foreign_changed.add(set_id)
        self._resize()
        self._settle_all(appeared | gone, now_s)
        return Drift(frozenset(strange), ours_gone)

    def _as_wanted(self, entries: AbstractSet[str]) -> AbstractSet[str]:
        """Take the texts of the bans for what was read, where they are equal: each is in memory once."""
        if not self._texts:
            self._texts = {entry: entry for entry in self._admission.admitted}
        shared = {self._texts.get(entry, entry) for entry in entries}
        if self.is_whole and all(kept.known for kept in self.sets.values()):
            self._texts = {}
        return shared

    def decide(self, set_id: str, entry: str, origin: Origin, now_s: float) -> None:
        """Take it that the ledger tells by now whose an entry is that was in doubt."""
        kept = self.sets[set_id]
        kept.doubted.pop(entry, None)
        self._foreign_changed.add(set_id)
        if origin is Origin.OURS:
            kept.foreign.discard(entry)
            self._resize()
            self._settle(entry, now_s)

    def written(self, set_id: str, added: Iterable[str], removed: Iterable[str], now_s: float) -> None:
        """Take it that an update of a set took effect."""
        kept = self.sets[set_id]
        self._suspects.took_all()
        for entry in removed:
            self._take_out(kept, entry)
        self._put_in(kept, added)
        # Only now are the homes of all of them known: what left this set may stand in another.
        for changed in (removed, added):
            for entry in changed:
                self._place(entry, now_s)

    def _meet(self, kept: SetState, entry: str) -> None:
        """Deal with an entry that somebody else put into a set, as the policy says."""
        if self.policy is Foreign.REMOVE:
            self._urgent.add(entry)
        elif self.policy is Foreign.KEEP or self.end_ms(entry) is None:
            kept.foreign.add(entry)

    def _take_over(self, entry: str) -> None:
        """Make a foreign entry that is wanted now our own."""
        for home in self._homes.of.get(entry, ()):
            if entry in self.sets[home].foreign:
                self.sets[home].foreign.discard(entry)
                self.sets[home].doubted.pop(entry, None)
                self._foreign_changed.add(home)
        # Its room is ours now, and counts for our bans.
        self._resize()

    def _put_in(self, kept: SetState, entries: Iterable[str]) -> None:
        kept.put_in(entries)
        for entry in entries:
            self._homes.add(entry, kept)

    def _take_out(self, kept: SetState, entry: str) -> None:
        kept.take_out(entry)
        self._leave_home(entry, kept.id)

    def _leave_home(self, entry: str, set_id: str) -> None:
        if not self._homes.leave(entry, set_id):
            self._urgent.discard(entry)

    def _resize(self) -> None:
        # A set that was never read counts as if it were ours alone: nothing is displaced before more is known.
        room = sum(max(0, self.capacity - len(kept.foreign)) for kept in self.sets.values())
        self._admission.resize(room if self.is_whole else sys.maxsize)

    def _settle(self, entry: str, now_s: float) -> None:
        """Find out anew whether *entry* fits, and what has to be done for it and for those that it displaces."""
        self._weigh(entry, self.end_ms(entry))
        self._adjust(entry, now_s)

    def _adjust(self, entry: str, now_s: float) -> None:
        self._place(entry, now_s)
        if self._admission.has_changes:
            self._settle_all((), now_s)

    def _settle_all(self, entries: Iterable[str], now_s: float) -> None:
        for entry in entries:
            self._weigh(entry, self.end_ms(entry))
        for entry in self._admission.take_changes().union(entries):
            self._place(entry, now_s)

    def _weigh(self, entry: str, until_ms: int | None) -> None:
        if until_ms is not None and entry not in self._refused and not self._homes.is_foreign(entry):
            self._roomless.pop(entry, None)
            self._admission.put(entry, until_ms)
            return
        self._admission.drop(entry)
        if until_ms is None:
            self._roomless.pop(entry, None)
        else:
            self._roomless[entry] = until_ms

    def _place(self, entry: str, now_s: float) -> None:
        """Note what has to be done so that *entry* is in one set if it fits, and in none of ours if not."""
        homes = self._homes.of.get(entry, ())
        admitted = entry in self._admission.admitted
        if admitted and not homes:
            # A ban that changes while it waits keeps its place: the longest waiting goes first.
            self.pending.setdefault(entry, now_s)
            return
        if self.pending.pop(entry, None) is not None and not self.pending:
            self.pending = {}  # an empty one stays as large as it ever was
        if self._suspects.times:
            self._suspects.clear(entry)
        # One copy is enough. It stays in the fuller set, so that the emptier one may become free.
        stays = self._homes.fullest(homes) if admitted else None
        for home in homes:
            kept = self.sets[home]
            if home == stays or entry in kept.foreign:
                kept.keep(entry)
            else:
                is_freed = self._is_freed(entry)
                due_s = now_s if is_freed or entry in self._urgent else now_s + self._unban_lag_s
                kept.remove_at(entry, due_s, is_hurried=is_freed)

    def _is_freed(self, entry: str) -> bool:
        """Tell whether somebody in *entry* is to go free at once."""
        if self._allowed.touches(entry) or self._lifted.touches(entry):
            return True
        # An ended ban of one customer may wait: the jail that banned it does not spare it.
        return not is_one_customer(entry) and self._apart.touches(entry)
