"""The loop: from the ledger's bans to the next update of an IP set."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.board import Board
from f2b_worker.domain.roster import Roster
from f2b_worker.enforcer.alarms import Alarms, Patience
from f2b_worker.enforcer.aside import Question, in_a_thread
from f2b_worker.enforcer.following import FOLLOW_S, Following
from f2b_worker.enforcer.foreign import ForeignEntries
from f2b_worker.enforcer.holding_back import HoldingBack
from f2b_worker.enforcer.own import OwnEntries
from f2b_worker.enforcer.pace import UpdatePace
from f2b_worker.enforcer.sets import Sets
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.addresses import Networks
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.ports import Adopter, BanBook, Clock, IpSet, IpSetFinder, Lease, Notebook

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FIND_S = 60.0
"""How often it is asked which IP sets there are: new ones can be added while it runs."""

REFERENCES_S = 600.0
"""How often it is asked whether rules still refer to the IP sets: many calls, and seldom news."""

FIRST_REFERENCES_S = 15.0
"""When it is asked for the first time: the first reading of the sets has the budget to itself."""

LOOK_S = 0.1
"""How often it is looked whether the first answer about the IP sets is there."""

TRUSTED_S = 3.0
"""How old the lease's answer may be when an update leaves; after eight seconds somebody else may hold it."""


class Enforcer:
    """Keeps the IP sets of all blocklists of one Region equal to the active bans.

    Args:
        bans: The ledger's bans.
        finder: Which IP sets there are.
        lease: The right to write them.
        notebook: What a successor must know.
        blocklists: The blocklists of this Region.
        allowed: Addresses that are never written, whatever the ledger says.
        clock: Ends bans and paces every call.
        region: That Region's name, for the metrics.
        unban_lag_s: How long a removal may wait for an update that it can ride along with.
        max_new_bans_per_minute: More of them are held back until somebody releases them; 0 for no limit.
        adopter: Takes charge of foreign entries where a blocklist adopts them.
        capacity: How many entries WAF lets one IP set have.
        chance: Answers a number from 0 to 1, so that two writers that disturb each other fall out of step.
        aside: Does slow work, by default in a thread.
    """

    def __init__(  # noqa: PLR0913
        self,
        bans: BanBook,
        finder: IpSetFinder,
        lease: Lease,
        notebook: Notebook,
        *,
        blocklists: Iterable[Blocklist],
        allowed: Networks,
        clock: Clock,
        region: str = "",
        unban_lag_s: float = 60.0,
        max_new_bans_per_minute: int = 0,
        adopter: Adopter | None = None,
        capacity: int = SET_CAPACITY,
        chance: Callable[[], float] = random.random,
        aside: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._finder = finder
        self._lease = lease
        self._notebook = notebook
        self._blocklists = tuple(blocklists)
        self._allowed = self._next_allowed = allowed
        self._clock = clock
        self._unban_lag_s = unban_lag_s
        self._adopter = adopter
        self._capacity = capacity
        self._aside = aside
        self._alarms = Alarms(clock, region)
        self._ledger = Patience("ledger", self._alarms, clock)
        self._waf = Patience("looking for IP sets", self._alarms, clock)
        self._pace = UpdatePace(chance)
        self._roster = Roster([each.name for each in self._blocklists], allowed, self._holds)
        self._surge = HoldingBack(max_new_bans_per_minute, self._roster, notebook, self._alarms, clock)
        self._following = Following(bans, self._roster, alarms=self._alarms, clock=clock, aside=aside)
        self._is_holding = False
        self._asked_s = float("-inf")
        self._found = self._question_of_sets()
        self._first: Mapping[str, Sequence[IpSet]] | None = None
        # What is known and done while the lease is held.
        self._sets: Sets | None = None

    @property
    def ready(self) -> bool:
        """Whether nothing that somebody must see to keeps bans from being enforced."""
        return not self._alarms.troubles

    @property
    def trouble(self) -> str:
        """One line about what keeps bans from being enforced; empty if nothing does."""
        return next(iter(list(self._alarms.troubles.values())), "")

    def allow(self, allowed: Networks) -> None:
        """Use another allowlist from the next tick on; may be called from another thread."""
        self._next_allowed = allowed

    def run(self, wake: threading.Event, stop: threading.Event) -> None:
        """Tick until *stop* is set; *wake* (set together with it) asks for a tick at once."""
        while not stop.is_set():
            woken = wake.is_set()
            if woken:
                # Not otherwise: it may be set just now, and is to cut the next pause short.
                wake.clear()
            try:
                pause_s = self.tick(follow=woken)
                # Who is woken while the ledger is read has to wait for the end of that.
                cut_short_by = self._following.news or wake
                if not self._following.is_failing:
                    self._ledger.succeed()
            except F2bError as error:
                # New bans come many times a second; they must not keep a failing ledger busy.
                pause_s, cut_short_by = self._ledger.fail(error), stop
            self._alarms.metrics.enforcer_ready.set(self.ready)
            self._clock.wait(cut_short_by, pause_s)
        self._give_back()

    def _give_back(self) -> None:
        try:
            self._lease.release()
        except F2bError as error:
            log.warning("lease_not_released", reason=str(error))

    def tick(self, *, follow: bool = False) -> float:
        """Do the next thing that brings the sets closer to the bans; tell in how many seconds to tick again.

        Args:
            follow: Ask the ledger for changes before the next update, even if it was asked within the last second.

        Raises:
            F2bError: If the ledger fails: without it nothing is added and nothing removed.
        """
        self._following.is_asked |= follow
        if not self._has_lease():
            return FOLLOW_S
        sets = self._sets or self._begin()
        if sets is None:
            return LOOK_S
        self._use_allowed(sets)
        self._ask_aside(sets)
        self._following.follow(self._pace.next_s, is_waiting=sets.board.pending > 0)
        sets.read_due()
        sets.retry_quarantined()
        self._surge.watch(sets)
        self._pass_on(sets)
        if self._foreign.settle(self._allowed):
            self._following.is_asked = True
        if sets.all_tried and self._clock.monotonic_s() >= self._pace.next_s:
            sets.write_next()
        if not self._is_holding:
            return FOLLOW_S
        self._own.sweep(sets.watches.values())
        self._show(sets)
        return self._pause_s(sets)

    def _pause_s(self, sets: Sets) -> float:
        now_s = self._clock.monotonic_s()
        follow_s = self._following.next_s(self._pace.next_s, is_waiting=sets.board.pending > 0)
        times_s = [now_s + FOLLOW_S, sets.next_s(), follow_s]
        return min(time_s - now_s for time_s in times_s if time_s is not None and time_s > now_s)

    def _has_lease(self) -> bool:
        asked_s = self._clock.monotonic_s()
        is_holding = self._lease.hold()
        if is_holding and not self._is_holding:
            # Whoever enforced before may have written within this very second.
            self._pace.wait_out(self._clock.monotonic_s())
            # What was found before is old.
            self._found, self._first = self._question_of_sets(), None
        if not is_holding:
            self._let_go()
        self._is_holding, self._asked_s = is_holding, asked_s
        return is_holding

    def _may_write(self) -> bool:
        """Tell whether the lease is still held, although the ledger or a set may have taken long to answer."""
        return self._clock.monotonic_s() - self._asked_s <= TRUSTED_S or self._has_lease()

    def _let_go(self) -> None:
        """Leave the sets to somebody else, who also reports on them."""
        self._sets = None
        self._following.let_go()
        self._alarms.troubles.clear()
        self._alarms.metrics.clear()

    def _question_of_sets(self) -> Question[Mapping[str, Sequence[IpSet]]]:
        return Question(self._finder.find, every_s=FIND_S, clock=self._clock, aside=self._aside, first_after_s=0.0)

    def _first_found(self) -> Mapping[str, Sequence[IpSet]] | None:
        found = self._first or self._found.answer()
        if isinstance(found, F2bError):
            self._found.ask_in(self._waf.fail(found))
            return None
        if found is not None:
            self._waf.succeed()
        self._first = found
        return found

    def _begin(self) -> Sets | None:
        """Learn everything anew, since somebody else may have enforced; None while it is looked for the sets."""
        found = self._first_found()
        if found is None:
            return None
        notes = self._notebook.read()
        self._following.begin()
        board = Board(self._blocklists, self._allowed, unban_lag_s=self._unban_lag_s, capacity=self._capacity)
        self._surge.begin(notes)
        self._roster.changes.clear()
        own = OwnEntries(notes, notebook=self._notebook, board=board, alarms=self._alarms, clock=self._clock)
        sets = Sets(
            board,
            notes.foreign,
            clock=self._clock,
            pace=self._pace,
            alarms=self._alarms,
            may_write=self._may_write,
            own=own,
            is_explained=lambda name, entry, since_ms: board.is_explained(
                name, entry, self._roster.ours, since_ms
            ),
        )
        sets.use(found)
        board.start(self._roster.wanted, self._clock.monotonic_s())
        self._foreign = ForeignEntries(
            sets,
            noted=notes.foreign,
            notebook=self._notebook,
            adopter=self._adopter,
            alarms=self._alarms,
            clock=self._clock,
        )
        self._unreferenced = Question(
            lambda: self._look_for_references(sets),
            every_s=REFERENCES_S,
            clock=self._clock,
            aside=self._aside,
            first_after_s=FIRST_REFERENCES_S,
        )
        self._sets, self._own = sets, own
        log.info("enforcing", ip_sets=[watch.ip_set.name for watch in sets.watches.values()])
        return sets

    def _look_for_references(self, sets: Sets) -> tuple[Sequence[IpSet], AbstractSet[str]]:
        ip_sets = [watch.ip_set for watch in list(sets.watches.values())]
        return ip_sets, self._finder.unreferenced(ip_sets)

    def _use_allowed(self, sets: Sets) -> None:
        allowed = self._next_allowed
        if allowed is not self._allowed:
            self._allowed = allowed
            self._roster.allow(allowed)
            sets.board.allow(allowed, self._clock.monotonic_s())
            self._foreign.look_again()

    def _ask_aside(self, sets: Sets) -> None:
        """Take answers about new sets and about rules; a failure costs no more than that answer."""
        found = self._found.answer()
        if isinstance(found, F2bError):
            self._alarms.complain("looking for IP sets", found)
        elif found is not None:
            sets.use(found)
        references = self._unreferenced.answer()
        if isinstance(references, F2bError):
            self._alarms.complain("looking for rules", references)
        elif references is not None:
            self._report_references(sets, *references)

    def _report_references(self, sets: Sets, ip_sets: Sequence[IpSet], unreferenced: AbstractSet[str]) -> None:
        for each in ip_sets:
            if each.id not in sets.watches:  # deleted since it was asked
                continue
            self._alarms.metrics.show_reference(each.name, is_missing=each.id in unreferenced)
            if each.id in unreferenced:
                remedy = "its bans have no effect; refer to it in a rule of a web ACL in use"
                self._alarms.ring("ip_set_unreferenced", each.name, remedy=remedy)

    def _pass_on(self, sets: Sets) -> None:
        """Tell the board what changed in the roster."""
        now_s = self._clock.monotonic_s()
        changes, self._roster.changes = self._roster.changes, []
        if changes:
            sets.board.take_in(changes, now_s)

    def _holds(self, blocklist: str, key: str) -> bool:
        return self._sets is not None and self._sets.board.holds(blocklist, key)

    def _show(self, sets: Sets) -> None:
        shown = self._alarms.metrics
        shown.bans_active.set(self._roster.active)
        shown.bans_allowlisted.set(len(self._roster.allowlisted))
        shown.bans_waiting.set(sets.board.pending)
        oldest_s = sets.board.oldest_s
        shown.oldest_waiting_s.set(0 if oldest_s is None else self._clock.monotonic_s() - oldest_s)
        shown.entries_quarantined.set(len(sets.quarantined))
        self._show_left_out(sets)
        self._report(sets)

    def _report(self, sets: Sets) -> None:
        """Report bans that cannot be enforced since there is no set for them, or no address."""
        kept = {watch.group.blocklist for watch in sets.watches.values()}
        for each in self._blocklists:
            about = f"blocklist {each.name}"
            if each.name in kept:
                self._alarms.troubles.pop(about, None)
            else:
                self._alarms.troubles[about] = f"no IP set of blocklist {each.name} is there"
                self._alarms.ring("ip_sets_missing", each.name, remedy="make them with `f2b-worker provision`")
        if self._roster.unreadable:
            keys = sorted(self._roster.unreadable)
            remedy = "these bans are not enforced; somebody wrote into the ledger what is no address"
            self._alarms.ring("key_unreadable", number=len(keys), keys=keys[:5], remedy=remedy)

    def _show_left_out(self, sets: Sets) -> None:
        left_out = {each.name: 0 for each in self._blocklists}
        for group in sets.board.groups.values():
            left_out[group.blocklist] += group.left_out
        for blocklist, number in left_out.items():
            self._alarms.metrics.show_left_out(blocklist, number)
            if number:
                remedy = "its IP sets have no room; make more with `f2b-worker provision --capacity`"
                self._alarms.ring("bans_left_out", blocklist, bans=number, remedy=remedy)
