"""What the metrics tell of a term: how full the sets are, who is banned, and how long a ban took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.noted_sets import UPDATES_PER_MINUTE, Progress
from f2b_worker.observe import metrics
from f2b_worker.observe.batched import observe_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.domain.plan.group import Group
    from f2b_worker.domain.plan.roster import Roster
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.pace import UpdatePace
    from f2b_worker.enforcer.sets import Sets
    from f2b_worker.ports import Clock

EVERY_S = 1.0
"""A loop that is busy turns a hundred times a second; nobody asks for metrics as often."""


class Measuring:
    """Shows how the sets are, and measures each ban once a set holds it.

    Args:
        sets: What is known of them, and what was written.
        roster: Knows the bans.
        pace: Knows how many updates were made.
        alarms: Has the metrics of the Region.
        clock: Paces it, and tells the time of the day.
    """

    def __init__(self, sets: Sets, roster: Roster, pace: UpdatePace, *, alarms: Alarms, clock: Clock) -> None:
        self._sets = sets
        self._roster = roster
        self._pace = pace
        self._alarms = alarms
        self._clock = clock
        self._told_s = float("-inf")
        self._enforced_ms: int | None = None
        self._took_ms: int | None = None

    def progress(self) -> Progress:
        """Tell how fast bans get into the sets."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        oldest_s = self._sets.groups.oldest_s
        waiting_since_ms = None if oldest_s is None else now_ms - round(1000 * (now_s - oldest_s))
        return Progress(self._pace.updates_lately(now_s), waiting_since_ms, self._enforced_ms, self._took_ms)

    def tell(self) -> None:
        """Measure what was written since this was last called, and once a second show how things are."""
        for entries in self._sets.take_written():
            self._measure(entries)
        now_s = self._clock.monotonic_s()
        if now_s - self._told_s >= EVERY_S:
            self._told_s = now_s
            self._show(now_s)

    def _measure(self, entries: frozenset[str]) -> None:
        # Each update is followed by a call of this within the same turn: now is when it succeeded.
        now_ms = self._clock.now_ms()
        bans = self._roster.awaiting.take(entries)
        observe_all(metrics.verdict_to_enforced_s, [(now_ms - ban.heard_ms) / 1000 for ban in bans])
        if bans:
            began_ms = min(ban.heard_ms if ban.reported_ms is None else ban.reported_ms for ban in bans)
            self._enforced_ms, self._took_ms = now_ms, max(0, now_ms - began_ms)
        reported_ms = [ban.reported_ms for ban in bans if ban.reported_ms is not None]
        observe_all(metrics.report_to_enforced_s, [(now_ms - at_ms) / 1000 for at_ms in reported_ms])

    def _show(self, now_s: float) -> None:
        shown = self._alarms.metrics
        shown.budget_used.set(self._pace.updates_lately(now_s) / UPDATES_PER_MINUTE)
        shown.show_banned(self._roster.banned_by_jail())
        of_groups: dict[Group, list[int]] = {}
        for watch in self._sets.watches.values():
            if watch.kept.known:
                entries = len(watch.kept.held)
                shown.show_size(watch.ip_set.name, entries=entries, capacity=watch.group.capacity)
                of_groups.setdefault(watch.group, []).append(entries)
        self._show_room(of_groups)

    def _show_room(self, of_groups: Mapping[Group, Sequence[int]]) -> None:
        """Show how full the sets of a blocklist are together; they are filled one after the other."""
        fullest: dict[str, float] = {}
        for group, entries in of_groups.items():
            used = sum(entries) / (len(entries) * group.capacity)
            fullest[group.blocklist] = max(used, fullest.get(group.blocklist, 0.0))
        for blocklist, used in fullest.items():
            self._alarms.metrics.show_used(blocklist, used)
