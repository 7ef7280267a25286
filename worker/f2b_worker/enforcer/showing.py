"""How the IP sets are, noted for commands: WAF would tell them no faster than five sets a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import family_of
from f2b_worker.domain.judge.enforcement import JUDGED_WITHIN_MS
from f2b_worker.domain.noted_sets import NAMED_MAX, NotedGroup, NotedSet, NotedSets, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from f2b_worker.domain.noted_sets import Named, Progress
    from f2b_worker.domain.plan.group import Group
    from f2b_worker.domain.plan.roster import Roster
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.following import Following
    from f2b_worker.enforcer.sets import Sets
    from f2b_worker.ports import Clock, Notebook

AT_MOST_EVERY_S = 5.0
"""In an attack something changes all the time: a note of 100 IP sets is three to five write units."""

ANEW_S = 30.0
"""So often it is noted that nothing changed; `NOTED_WITHIN_MS` is three of them."""

SETTLED_S = JUDGED_WITHIN_MS / 1000 + 1
"""So long after a change it is noted once more: only then a note tells that the bans of that change are in. Until
then who reads notes alone, the dashboard for one, cannot tell whether a new ban is enforced."""

_SCANNED_MAX = 10 * NAMED_MAX


class Showing:
    """Notes what the sets hold and lack, when that changed and now and then.

    Args:
        sets: What is known of them.
        roster: Knows whom the surge guard holds back.
        following: Knows up to when all bans are known.
        progress: Tells how fast bans get into the sets.
        notebook: Where it is noted.
        alarms: Where failures go.
        clock: Dates and paces it.
    """

    def __init__(  # noqa: PLR0913
        self,
        sets: Sets,
        roster: Roster,
        following: Following,
        *,
        progress: Callable[[], Progress],
        notebook: Notebook,
        alarms: Alarms,
        clock: Clock,
    ) -> None:
        self._sets = sets
        self._roster = roster
        self._following = following
        self._progress = progress
        self._notebook = notebook
        self._alarms = alarms
        self._clock = clock
        self._tried_s = float("-inf")
        self._told: object = None
        self._is_settled = False

    def note(self) -> None:
        """Note how the sets are, unless that was done just now, or a set was never read."""
        waited_s = self._clock.monotonic_s() - self._tried_s
        if waited_s < AT_MOST_EVERY_S or not self._sets.all_known:
            return
        groups = tuple(self._groups())
        shape = [each._replace(sets=tuple(one._replace(seen_ms=0) for one in each.sets)) for each in groups]
        is_same = shape == self._told
        if is_same and waited_s < (ANEW_S if self._is_settled else SETTLED_S):
            return
        self._tried_s = self._clock.monotonic_s()
        with self._alarms.tolerate("noting how the IP sets are"):
            noted = NotedSets(self._clock.now_ms(), self._following.known_ms, groups, self._progress())
            self._notebook.note_sets(noted)
            self._told, self._is_settled = shape, is_same

    def _groups(self) -> Iterator[NotedGroup]:
        sets: dict[int, list[NotedSet]] = {}
        for watch in self._sets.watches.values():
            ago_ms = round(1000 * (self._clock.monotonic_s() - watch.known_s))
            noted = NotedSet(watch.ip_set.name, len(watch.kept.held), self._clock.now_ms() - ago_ms)
            sets.setdefault(id(watch.group), []).append(noted)
        for group in self._sets.groups.by_place.values():
            if mine := sets.get(id(group)):
                out, held_back = named(group.out), self._held_back(group)
                yield NotedGroup(group.blocklist, group.family, tuple(mine), out, held_back)

    def _held_back(self, group: Group) -> Named:
        # Of a large surge most are in no set: that there are too many to be named shows early.
        if len(self._roster.held_back) > _SCANNED_MAX:
            return None
        holds = self._sets.groups.holds
        return named(
            key
            for key in self._roster.held_back
            if family_of(key) == group.family and not holds(group.blocklist, key)
        )
