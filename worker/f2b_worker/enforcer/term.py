"""One term of the lease: what is known and done from when it is taken until it is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from f2b_worker.enforcer.following import FOLLOW_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.domain.networks import Networks
    from f2b_worker.domain.plan.roster import Roster
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.doubts import Doubts
    from f2b_worker.enforcer.following import Following
    from f2b_worker.enforcer.foreign import ForeignEntries
    from f2b_worker.enforcer.holding_back import HoldingBack
    from f2b_worker.enforcer.measuring import Measuring
    from f2b_worker.enforcer.own import OwnEntries
    from f2b_worker.enforcer.pace import UpdatePace
    from f2b_worker.enforcer.pausing import Pausing
    from f2b_worker.enforcer.search import References, Search
    from f2b_worker.enforcer.sets import Sets
    from f2b_worker.enforcer.showing import Showing
    from f2b_worker.enforcer.undated import Undated
    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

AT_ONCE_S = 0.001


@dataclass(frozen=True, slots=True)
class Term:
    """Brings the sets closer to the bans while the lease is held.

    Attributes:
        sets: What is known of the IP sets.
        search: Finds new ones.
        references: Reports those that no rule refers to.
        following: Keeps the roster as the ledger is.
        surge: Holds bans back that are too many.
        own: What of ours in the sets is noted.
        doubts: What there may be either's.
        undated: The bans that could not be read.
        foreign: What there is somebody else's.
        roster: The bans, which outlive the term, so that none counts as new twice.
        pace: The budget of updates, which outlives it, too.
        showing: Tells commands how the sets are.
        measuring: Tells the metrics.
        pausing: Which blocklists are paused, whoever enforces.
        early_from_s: From when on who was banned lately is written, although not all sets were read.
        alarms: What people must hear of.
        clock: Paces everything.
    """

    sets: Sets
    search: Search
    references: References
    following: Following
    surge: HoldingBack
    own: OwnEntries
    doubts: Doubts
    undated: Undated
    foreign: ForeignEntries
    roster: Roster
    pace: UpdatePace
    showing: Showing
    measuring: Measuring
    pausing: Pausing
    early_from_s: float
    alarms: Alarms
    clock: Clock

    def allow(self, allowed: Networks, apart: Networks) -> None:
        """Use another allowlist, and other addresses that no collapsed network may hit."""
        self.roster.allow(allowed)
        self.sets.groups.allow(allowed, self.clock.monotonic_s(), apart=apart)
        self.foreign.allow(allowed)

    def enforce(self) -> None:
        """Take in what is new, and write what has to be written next.

        Raises:
            F2bError: If the ledger fails: without it nothing is added and nothing removed.
        """
        self.pausing.apply(self.sets.groups)
        self._look_for_sets()
        self.references.report()
        self.following.follow(self.pace.next_s, is_waiting=self._is_waiting)
        self.undated.settle()
        self.sets.read_due()
        self.sets.retry_quarantined()
        # Between the reading of the sets and the first update: what a set holds already is no new ban.
        self.surge.watch(self.sets)
        self._pass_on()
        self.doubts.settle()
        # After the roster was passed on, so that an adopted entry which is wanted by now counts as ours.
        if self.foreign.settle():
            self.following.ask()
        self.sets.groups.spare(self.following.lifting.spared_s)
        if self.clock.monotonic_s() >= self.pace.next_s:
            self._write()

    def _write(self) -> None:
        # Not before every set was looked into: a ban may be in one of them, and needs no update.
        if self.sets.all_tried:
            self.roster.forget_newcomers()
            self.sets.write_next()
        # WAF answers few reads a second. Who attacks now must not go on until a hundred sets are read.
        elif self.clock.monotonic_s() >= self.early_from_s and self.surge.lets_in(len(self.roster.newcomers)):
            self.sets.write_newcomers(self.roster.newcomers)

    def _look_for_sets(self) -> None:
        if not self.sets.are_all_found:
            self._look_for_first_sets()
            return
        # A search makes the sets that it knows be read anew; those before are to be read at no cost first.
        found = self.search.news() if self.sets.all_tried else None
        # New sets first: a ban that finds no room elsewhere may go into them in this very turn.
        if found is not None and self.sets.use(found):
            self.references.ask_soon()

    def _look_for_first_sets(self) -> None:
        found = self.search.first()
        # In the order in which they were found: the first ones have room, where any has.
        if self.sets.use(self.search.so_far()):
            self.references.ask_soon()
        if found is not None:
            self.sets.use(found)
            self.sets.have_all(found)
            log.info("enforcing", ip_sets=[each.name for ip_sets in found.values() for each in ip_sets])

    @property
    def _is_waiting(self) -> bool:
        return self.sets.groups.pending > 0

    def _pass_on(self) -> None:
        """Tell the groups what changed in the roster."""
        now_s = self.clock.monotonic_s()
        changes = self.roster.take_changes()
        if changes:
            self.sets.groups.take_in(changes, now_s)
        elif self.sets.groups.is_dividing:
            self.sets.groups.settle(now_s)
        if self.roster.lifted.take_news():
            self.sets.groups.hurry(now_s)

    def pause_s(self) -> float:
        """Tell in how many seconds there may be something to do again."""
        if self.sets.is_reading:
            return AT_ONCE_S
        now_s = self.clock.monotonic_s()
        follow_s = self.following.next_s(self.pace.next_s, is_waiting=self._is_waiting)
        times_s = [now_s + FOLLOW_S, self.sets.next_s(), follow_s]
        return min(time_s - now_s for time_s in times_s if time_s is not None and time_s > now_s)

    def tell(self) -> None:
        """Tell whoever enforces next, and people, how things stand."""
        # A set of which nobody knows what is ours may hold any ended ban.
        self.own.sweep(each for each in self.sets.watches.values() if not self.sets.is_foreign_lost(each))
        self.measuring.tell()
        self.showing.note()
        shown, groups = self.alarms.metrics, self.sets.groups
        shown.bans_active.set(self.roster.active)
        shown.bans_allowlisted.set(len(self.roster.allowlisted))
        shown.bans_unreadable.set(len(self.roster.undated))
        shown.bans_waiting.set(groups.pending)
        # Zero where nothing waits: an alert on this gauge must fall silent by itself.
        oldest_s = groups.oldest_s
        shown.oldest_waiting_s.set(0 if oldest_s is None else self.clock.monotonic_s() - oldest_s)
        shown.entries_quarantined.set(len(self.sets.quarantined))
        self.pausing.show(shown)
        self._tell_left_out()
        self._tell_unenforceable()
        self.alarms.remarks = tuple(self._remarks())

    def _remarks(self) -> Iterator[str]:
        yield from self.pausing.remarks(self.sets.groups)
        if self.surge.is_holding:
            yield f"the surge guard holds back {len(self.roster.held_back)} bans: look at them, then release them"
        left_out = sum(group.left_out for group in self.sets.groups.by_place.values())
        if left_out:
            yield f"{left_out} bans are left out: their IP sets are full"
        crowded = sum(map(self.sets.groups.networks, self.roster.wanted))
        if crowded:
            yield f"crowded networks that are blocked as a whole: {crowded}; their IP sets are full"
        if self.roster.undated or self.roster.unreadable:
            number = len(self.roster.undated) + len(self.roster.unreadable)
            yield f"{number} stored bans cannot be read: the log names them"
        for watch in self.sets.watches.values():
            if self.sets.is_foreign_lost(watch):
                yield f"nobody knows which entries of {watch.ip_set.name} are ours: its note cannot be read"

    def _tell_left_out(self) -> None:
        left_out = dict.fromkeys(self.roster.wanted, 0)
        for group in self.sets.groups.by_place.values():
            left_out[group.blocklist] += group.left_out
        for blocklist, number in left_out.items():
            self.alarms.metrics.show_left_out(blocklist, number)
            if number:
                remedy = "its IP sets have no room; make more with `f2b provision --capacity`"
                self.alarms.ring("bans_left_out", blocklist, bans=number, remedy=remedy)
            crowded = self.sets.groups.networks(blocklist)
            if crowded:
                remedy = "its IP sets have no room for each ban in them; make more with `f2b provision --capacity`"
                self.alarms.ring("networks_collapsed", blocklist, networks=crowded, remedy=remedy)

    def _tell_unenforceable(self) -> None:
        """Report bans that cannot be enforced since there is no set for them, or no address."""
        kept = {watch.group.blocklist for watch in self.sets.watches.values()}
        for blocklist in self.roster.wanted if self.sets.are_all_found else ():
            about = f"blocklist {blocklist}"
            if blocklist in kept:
                self.alarms.problems.pop(about, None)
            else:
                self.alarms.problems[about] = f"no IP set of blocklist {blocklist} is there"
                self.alarms.ring("ip_sets_missing", blocklist, remedy="make them with `f2b provision`")
        if self.roster.unreadable:
            keys = sorted(self.roster.unreadable)
            remedy = "these bans are not enforced; somebody wrote keys into the ledger that are no addresses"
            self.alarms.ring("key_unreadable", number=len(keys), keys=keys[:5], remedy=remedy)
