"""The loop: from the ledger's bans to the next update of an IP set."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import structlog

from f2b_worker.aside import in_a_thread
from f2b_worker.domain.acts.control import Control
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.networks import NEVER_BANNED
from f2b_worker.domain.plan.groups import Groups
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.domain.plan.surge import SurgeGuard
from f2b_worker.enforcer.alarms import Alarms, Patience
from f2b_worker.enforcer.doubts import Doubts
from f2b_worker.enforcer.following import FOLLOW_S, Following
from f2b_worker.enforcer.foreign import ForeignEntries
from f2b_worker.enforcer.holding_back import HoldingBack
from f2b_worker.enforcer.measuring import Measuring
from f2b_worker.enforcer.own import OwnEntries
from f2b_worker.enforcer.pace import UpdatePace
from f2b_worker.enforcer.pausing import Pausing
from f2b_worker.enforcer.search import References, Search
from f2b_worker.enforcer.sets import Sets
from f2b_worker.enforcer.showing import Showing
from f2b_worker.enforcer.term import Term
from f2b_worker.enforcer.undated import Undated
from f2b_worker.errors import F2bError
from f2b_worker.observe.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from f2b_worker.aside import Aside
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.networks import Networks
    from f2b_worker.ports import Adopter, BanBook, Clock, IpSetFinder, Lease, Notebook, Notes

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_S = 0.1
"""How often it is looked whether the first answer about the IP sets is there."""

LOOK_FOR_NOTES_S = 60.0
"""How often it is looked whether notes that could not be read can be by now."""

TRUSTED_S = 3.0
"""How old the lease's answer may be when an update leaves; after eight seconds somebody else may hold it."""

EARLY_AFTER_S = 4.0
"""After so long who was banned lately is written, although not every IP set was read: WAF's reads are few.

Most fleets have so few sets that all of them are read by then, and nobody is written into two.
"""

LATELY_MS = 60_000
"""Whose ban began so long ago or less may still attack, and may be in no set: the holder before was silent."""

_NOTHING_ASKED = Control()


class Loading(NamedTuple):
    """What is learned before a term of the lease begins, perhaps before the lease is taken.

    Attributes:
        search: Finds the IP sets.
        following: Learns the bans.
        began_s: When that began.
    """

    search: Search
    following: Following
    began_s: float


class Enforcer:
    """Keeps the IP sets of all blocklists of one Region equal to the active bans.

    Args:
        bans: The ledger's bans.
        finder: Which IP sets there are.
        lease: The right to write them.
        notebook: What a successor must know.
        blocklists: The blocklists of this Region.
        allowed: Addresses that are never written, whatever the ledger says.
        apart: Addresses that no collapsed network may hit, though a ban of some jail may.
        control: What all workers obey.
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
        apart: Networks = NEVER_BANNED,
        control: Control = _NOTHING_ASKED,
        clock: Clock,
        region: str = "",
        unban_lag_s: float = 60.0,
        max_new_bans_per_minute: int = 0,
        adopter: Adopter | None = None,
        capacity: int = SET_CAPACITY,
        chance: Callable[[], float] = random.random,
        aside: Aside = in_a_thread,
    ) -> None:
        self._bans = bans
        self._finder = finder
        self._lease = lease
        self._notebook = notebook
        self._blocklists = tuple(blocklists)
        self._spared = self._next_spared = (allowed, apart)
        self._clock = clock
        self._unban_lag_s = unban_lag_s
        self._adopter = adopter
        self._capacity = capacity
        self._aside = aside
        self.region = region
        self.pulse = Pulse(clock.monotonic_s)
        self._alarms = Alarms(clock, region)
        self._ledger = Patience("ledger", self._alarms, clock)
        # What outlives the lease: an update spends the budget, and a ban is new, only once.
        self._pace = UpdatePace(chance)
        self._pausing = Pausing([each.name for each in self._blocklists], control, clock)
        self._guard = SurgeGuard(max_new_bans_per_minute)
        self._roster = self._new_roster()
        self._is_holding = False
        self._asked_s = float("-inf")
        self._lost: frozenset[str] = frozenset()
        self._looked_s = 0.0
        self._held_since_s = float("-inf")
        self._turn = threading.Lock()
        self._loading: Loading | None = None
        self._term: Term | None = None

    @property
    def ready(self) -> bool:
        """Whether nothing that somebody must see to keeps bans from being enforced."""
        return not self._alarms.problems

    @property
    def problem(self) -> str | None:
        """One line about what keeps bans from being enforced, or None."""
        return next(iter(list(self._alarms.problems.values())), None)

    def allow(self, allowed: Networks, apart: Networks = NEVER_BANNED) -> None:
        """Use other lists of who is spared from the next tick on; may be called from another thread."""
        self._next_spared = (allowed, apart)

    def obey(self, control: Control) -> None:
        """Pause what is to be paused from the next tick on; may be called from another thread."""
        self._pausing.control = control

    @property
    def remark(self) -> str | None:
        """One line about what somebody should look at although bans are enforced, or None."""
        return next(iter(self._alarms.remarks), None)

    def run(self, wake: threading.Event, stop: threading.Event) -> None:
        """Tick until *stop* is set; *wake* (set together with it) asks for a tick at once."""
        while not stop.is_set():
            self.pulse.beat()
            woken = wake.is_set()
            if woken:
                # Not otherwise: it may be set just now, and is to cut the next pause short.
                wake.clear()
            try:
                pause_s = self.tick(follow=woken)
                # Who is woken while the ledger is read has to wait for the end of that.
                cut_short_by = (self._loading and self._loading.following.news) or wake
                if not (self._is_holding and self._loading and self._loading.following.is_failing):
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
        if self._term and follow:  # to begin is to read all bans anyway
            self._term.following.ask()
        if not self._has_lease():
            self._load_ahead()
            return FOLLOW_S
        self._end_if_outdated()
        term = self._term or self._begin()
        if term is None:
            return LOOK_S
        spared = self._next_spared
        if spared is not self._spared:
            self._spared = spared
            term.allow(*spared)
        term.enforce()
        if term is not self._term:  # the lease was lost right before an update
            return FOLLOW_S
        term.tell()
        return term.pause_s()

    def _end_if_outdated(self) -> None:
        """Let a term go that began with notes which could not be read, once they can: somebody mended them."""
        now_s = self._clock.monotonic_s()
        if self._term is None or not self._lost or now_s - self._looked_s < LOOK_FOR_NOTES_S:
            return
        self._looked_s = now_s
        with self._alarms.tolerate("looking for notes"):
            if self._notebook.read().lost != self._lost:
                self._end_term()
                self._loading = None

    def _has_lease(self) -> bool:
        asked_s = self._clock.monotonic_s()
        is_holding = self._lease.hold()
        if is_holding and not self._is_holding:
            # Whoever enforced before may have written within this very second.
            self._pace.wait_out(self._clock.monotonic_s())
            self._held_since_s = asked_s
        if not is_holding:
            self._let_go()
        self._is_holding, self._asked_s = is_holding, asked_s
        self._alarms.metrics.lease_holder.set(is_holding)
        return is_holding

    def _may_write(self) -> bool:
        """Tell whether the lease is still held, although the ledger or a set may have taken long to answer."""
        return self._clock.monotonic_s() - self._asked_s <= TRUSTED_S or self._has_lease()

    def _let_go(self) -> None:
        """Leave the sets to somebody else, who also reports on them."""
        self._end_term()
        if self._is_holding:  # until now: from here on somebody else writes what waits
            self._roster.awaiting.clear()
        if self._loading and not self._lease.is_next:
            self._loading.following.give_up()
            if not self._loading.following.has_begun:
                # The holder lives. All bans are hundreds of megabytes, and are learned anew when it dies.
                self._roster = self._new_roster()
            self._loading = None
        self._alarms.problems.clear()
        self._alarms.remarks = ()
        self._alarms.metrics.clear()

    def _end_term(self) -> None:
        self._term = None
        self._roster.is_heard = False
        self._roster.take_changes()

    def _new_roster(self) -> Roster:
        names = [each.name for each in self._blocklists]
        roster = Roster(names, self._spared[0], self._holds, self._keeps)
        roster.is_counted = bool(self._guard.limit)
        roster.is_heard = False
        return roster

    def _load(self) -> Loading:
        """Begin to learn everything anew, since somebody else may have enforced."""
        if self._loading is None:
            self._roster.look_for_newcomers(self._clock.now_ms() - LATELY_MS)
            clock, aside = self._clock, self._aside
            self._loading = Loading(
                Search(self._finder, alarms=self._alarms, clock=clock, aside=aside),
                Following(self._bans.follow(), self._roster, clock=clock, aside=aside, turn=self._turn),
                began_s=clock.monotonic_s(),
            )
        return self._loading

    def _load_ahead(self) -> None:
        """Make ready to succeed a holder who may be dead; what fails is told of once the lease is held."""
        if self._lease.is_next:
            loading = self._load()
            loading.search.ask()
            with suppress(F2bError):
                loading.following.load(loading.began_s)

    def _begin(self) -> Term | None:
        """Begin a term with what is known by now; None while it is looked for the sets, or the bans are read."""
        search, following, began_s = self._load()
        is_found = search.first() is not None or bool(search.so_far())
        # What the holder before was told of last may be in the sets: it is to be known before they are read.
        is_loaded = following.load(max(began_s, self._held_since_s))
        if not is_found or not is_loaded:
            return None
        following.begin_term()
        alarms, clock, aside = self._alarms, self._clock, self._aside
        notes = self._notebook.read()
        self._lost, self._looked_s = notes.lost, clock.monotonic_s()
        surge = HoldingBack(self._guard, notes, self._roster, notebook=self._notebook, alarms=alarms, clock=clock)
        self._roster.is_heard = True  # the groups start with all that is wanted
        own, sets = self._known_sets(notes)
        measuring = Measuring(sets, self._roster, self._pace, alarms=alarms, clock=clock)
        self._term = Term(
            sets=sets,
            search=search,
            references=References(self._finder, sets, alarms=alarms, clock=clock, aside=aside),
            following=following,
            surge=surge,
            own=own,
            doubts=Doubts(sets, self._roster, self._bans, own, alarms=alarms, clock=clock, aside=aside),
            undated=Undated(self._roster, self._bans, alarms=alarms, clock=clock, aside=aside),
            foreign=ForeignEntries(
                sets,
                allowed=self._spared[0],
                noted=notes.foreign,
                notebook=self._notebook,
                adopter=self._adopter,
                alarms=alarms,
                clock=clock,
            ),
            roster=self._roster,
            pace=self._pace,
            showing=Showing(
                sets,
                self._roster,
                following,
                progress=measuring.progress,
                notebook=self._notebook,
                alarms=alarms,
                clock=clock,
            ),
            measuring=measuring,
            pausing=self._pausing,
            early_from_s=began_s + EARLY_AFTER_S,
            alarms=alarms,
            clock=clock,
        )
        return self._term

    def _known_sets(self, notes: Notes) -> tuple[OwnEntries, Sets]:
        allowed, apart = self._spared
        groups = Groups(
            self._blocklists,
            allowed,
            apart=apart,
            lifted=self._roster.lifted,
            unban_lag_s=self._unban_lag_s,
            capacity=self._capacity,
            attack=self._roster.attack,
        )
        own = OwnEntries(notes, notebook=self._notebook, groups=groups, alarms=self._alarms, clock=self._clock)
        sets = Sets(
            groups,
            notes,
            clock=self._clock,
            pace=self._pace,
            alarms=self._alarms,
            may_write=self._may_write,
            own=own,
            is_explained=lambda name, entry, since_ms: groups.is_explained(name, entry, self._roster, since_ms),
        )
        groups.start(self._roster.wanted, self._roster.parted, self._clock.monotonic_s())
        return own, sets

    def _holds(self, blocklist: str, key: str) -> bool:
        return self._term is not None and self._term.sets.groups.holds(blocklist, key)

    def _keeps(self, blocklist: str, key: str) -> bool:
        return self._term is not None and self._term.sets.groups.keeps(blocklist, key)
