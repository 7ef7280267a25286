"""The surge guard at work: bans are held back until somebody has looked and released them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.plan.surge import BACKLOG_MS, held_back_from

if TYPE_CHECKING:
    from f2b_worker.domain.noted_sets import NotedSets
    from f2b_worker.domain.plan.roster import Roster
    from f2b_worker.domain.plan.surge import SurgeGuard
    from f2b_worker.domain.plan.wants import Fresh
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.sets import Sets
    from f2b_worker.ports import Clock, Notebook, Notes

LOOK_FOR_RELEASE_S = 5.0
"""How often the notebook is read while bans are held back."""


class HoldingBack:
    """Trips, stays tripped across restarts and takeovers, and lets go when somebody releases it.

    Args:
        guard: Counts new bans, whoever enforces.
        notes: Where an enforcer before left off.
        roster: Where bans are held back.
        notebook: Where the surge, and its release, are noted.
        alarms: Where it is reported.
        clock: Tells when to look for a release.
    """

    def __init__(  # noqa: PLR0913
        self, guard: SurgeGuard, notes: Notes, roster: Roster, *, notebook: Notebook, alarms: Alarms, clock: Clock
    ) -> None:
        self._guard = guard
        self._roster = roster
        self._notebook = notebook
        self._alarms = alarms
        self._clock = clock
        self._from_ms = notes.held_back_from_ms if guard.limit else None
        # Without a limit an old note is of no use, and would hold bans back once there is one again.
        self._is_noted = self._from_ms == notes.held_back_from_ms
        # Whom to hold back is known only when the sets were read: who is in one already stays in it.
        self._is_applied = self._from_ms is None
        # Bans that count as new, but may be in a set that nobody could read yet.
        self._doubted: list[Fresh] = []
        self._doubted_from_ms: int | None = None
        self._counted_before = _counted_before(notes.sets)
        self._looked_s = clock.monotonic_s()
        guard.release(notes.released_ms)
        roster.hold_back(None)

    @property
    def is_holding(self) -> bool:
        """Whether bans are held back."""
        return self._from_ms is not None

    def lets_in(self, newcomers: int) -> bool:
        """Tell whether so many bans can be no surge, before the sets tell which of them are new."""
        return not self._guard.limit or (self._from_ms is None and newcomers <= self._guard.limit)

    def watch(self, sets: Sets) -> None:
        """Count the bans that are new, and hold back those of a surge; call it before anything is written."""
        if not sets.all_tried:
            return
        has_read = sets.take_has_read()
        if not self._is_applied:
            self._is_applied = True
            self._roster.hold_back(self._from_ms)
        if has_read:
            self._roster.reconsider()
        if has_read and self._doubted:
            self._count_again()
        if sets.all_known:
            self._doubted.clear()
        counted = self._take_fresh()
        from_ms = self._guard.count([each.start_ms for each in counted], self._clock.now_ms())
        if from_ms is not None and (self._from_ms is None or from_ms < self._from_ms):
            self._from_ms, self._is_noted = from_ms, False
            self._doubted_from_ms = None if sets.all_known else from_ms
            self._looked_s = self._clock.monotonic_s()
            self._roster.hold_back(from_ms)
        if not sets.all_known:
            self._doubted += counted
        if not self._is_noted:
            self._note()
        if self._from_ms is not None:
            self._report()
            self._look_for_release()
        self._alarms.metrics.surge.set(self._from_ms is not None)
        self._alarms.metrics.bans_held_back.set(len(self._roster.held_back))

    def _take_fresh(self) -> list[Fresh]:
        fresh = self._roster.take_fresh()
        if not self._guard.limit:
            return []
        (keys, before_ms), self._counted_before = self._counted_before, _counted_before(None)
        before_ms = min(before_ms, self._clock.now_ms() - BACKLOG_MS)
        # What a set holds was let in before: after a restart all bans are fresh, and few are new.
        return [
            each
            for each in fresh
            if each.start_ms >= before_ms and each.key not in keys and self._roster.is_new(each)
        ]

    def _count_again(self) -> None:
        """Take back what was counted before a set that holds it could be read, and a surge that this was."""
        held = [each for each in self._doubted if not self._roster.is_new(each)]
        if not held:
            return
        self._guard.uncount(each.start_ms for each in held)
        self._doubted = [each for each in self._doubted if self._roster.is_new(each)]
        # Only what was held back in doubt is let in by itself; a sure surge waits for somebody to look.
        if self._from_ms is not None and self._from_ms == self._doubted_from_ms and self._guard.first() is None:
            self._from_ms, self._is_noted = None, False
            self._roster.hold_back(None)

    def _report(self) -> None:
        self._alarms.ring(
            "surge",
            held_back=len(self._roster.held_back),
            limit=self._guard.limit,
            remedy="more bans are new within a minute than max_new_bans_per_minute; look at them, then let them"
            " in with `f2b release`, with --table or --state as this worker has it",
        )

    def _note(self) -> None:
        with self._alarms.tolerate("noting the surge"):
            self._notebook.note_surge(self._from_ms)
            self._is_noted = True

    def _look_for_release(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s < LOOK_FOR_RELEASE_S:
            return
        self._looked_s = now_s
        with self._alarms.tolerate("looking for a release"):
            self._take_release(self._notebook.read().released_ms)

    def _take_release(self, released_ms: int | None) -> None:
        self._guard.release(released_ms)
        if self._from_ms is not None and held_back_from(self._from_ms, released_ms) is None:
            self._from_ms = None
            self._roster.hold_back(None)


def _counted_before(noted: NotedSets | None) -> tuple[frozenset[str], int]:
    """Tell which bans that no set holds were counted by the enforcer before: their keys, and all before when.

    Where there was not room for all, no set tells that they were known. Who takes over would count all that began
    over an hour ago as of one moment: that is a surge at each takeover.
    """
    groups = noted.groups if noted else ()
    keys = frozenset(key for group in groups for key in group.out or ())
    are_too_many = any(group.out is None for group in groups)
    return keys, noted.known_ms if noted and are_too_many else -FOREVER_MS
