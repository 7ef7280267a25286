"""Entries of somebody else's in our IP sets: noted, adopted, and reported where they hit the allowlist."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from f2b_worker.domain.blocklists import Foreign

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.networks import Networks
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.sets import Sets
    from f2b_worker.enforcer.watched import WatchedSet
    from f2b_worker.ports import Adopter, Clock, Notebook

ADOPT_EVERY_S = 1.0
ADOPTED_AT_ONCE = 200
"""How many entries are adopted in one go: each is a write, and no ban must wait for thousands."""

NOTE_IN_DOUBT_S = 10.0
"""How often the entries of a set are noted while others of it are in doubt: thousands make a large note."""


class ForeignEntries:
    """Keeps the notebook, the adopter and the alarms up to date about what is not ours.

    Args:
        sets: The sets as they are known.
        allowed: The allowlist.
        noted: What the notebook says of each set.
        notebook: Where it is noted what is foreign, for who enforces next.
        adopter: Takes charge of entries where a blocklist adopts them; None if nobody does.
        alarms: Where it is reported that an allowlisted address is in a foreign entry.
        clock: Paces the adopter.
    """

    def __init__(  # noqa: PLR0913
        self,
        sets: Sets,
        *,
        allowed: Networks,
        noted: Mapping[str, frozenset[str]],
        notebook: Notebook,
        adopter: Adopter | None,
        alarms: Alarms,
        clock: Clock,
    ) -> None:
        self._sets = sets
        self._allowed = allowed
        self._noted = dict(noted)
        self._notebook = notebook
        self._adopter = adopter
        self._alarms = alarms
        self._clock = clock
        self._allowlisted: dict[str, AbstractSet[str]] = {}
        self._changed: set[str] = set()  # the ids of the sets whose foreign entries are to be looked at
        self._adopted_s = float("-inf")
        self._noted_s: dict[str, float] = {}

    def allow(self, allowed: Networks) -> None:
        """Use another allowlist: every entry is looked at again."""
        self._allowed = allowed
        self._changed.update(self._sets.watches)

    def settle(self) -> bool:
        """Note, report and adopt what has to be; tell whether the ledger has new bans."""
        for group in self._sets.groups.by_place.values():
            self._changed |= group.take_foreign_changes()
        # A set that is gone has nothing to be looked at.
        self._changed &= self._sets.watches.keys()
        for watch in self._sets.watches.values():
            if watch.ip_set.id in self._changed:
                self._look_at(watch)
            touching = self._allowlisted.get(watch.ip_set.id)
            if touching:
                entries = sorted(touching)[:5]
                self._alarms.ring(
                    "allowlisted_in_foreign", watch.ip_set.name, number=len(touching), entries=entries
                )
        return self._adopt()

    def _look_at(self, watch: WatchedSet) -> None:
        kept = watch.kept
        if not kept.known:
            return
        theirs = kept.theirs
        self._allowlisted[kept.id] = {entry for entry in theirs if self._allowed.touches(entry)}
        self._alarms.metrics.show_foreign(
            watch.ip_set.name, entries=len(theirs), allowlisted=len(self._allowlisted[kept.id])
        )
        now_s = self._clock.monotonic_s()
        if kept.doubted and now_s - self._noted_s.get(kept.id, float("-inf")) < NOTE_IN_DOUBT_S:
            return
        with self._alarms.tolerate("noting foreign entries"):
            # Looked at again at the next tick if the notebook fails: a successor must know them.
            self._note(watch, theirs)
            self._noted_s[kept.id] = now_s
            self._changed.discard(kept.id)

    def _note(self, watch: WatchedSet, entries: frozenset[str]) -> None:
        # What counts as foreign since the note is lost must not be written over it, or it would do so for ever.
        if self._sets.is_foreign_lost(watch):
            return
        set_id = watch.ip_set.id
        if entries != self._noted.get(set_id, frozenset()):
            self._notebook.note_entries("foreign", set_id, entries)
            self._noted[set_id] = entries

    def _adopt(self) -> bool:
        now_s = self._clock.monotonic_s()
        if self._adopter is None or now_s - self._adopted_s < ADOPT_EVERY_S:
            return False
        has_adopted = False
        for watch in self._sets.watches.values():
            entries = list(islice(self._adoptable(watch), ADOPTED_AT_ONCE))
            if entries:
                self._adopted_s = now_s
                with self._alarms.tolerate("adopting entries"):
                    self._adopter.adopt(entries, watch.group.blocklist)
                    has_adopted = True
        return has_adopted

    def _adoptable(self, watch: WatchedSet) -> Iterator[str]:
        if watch.group.policy is not Foreign.ADOPT:
            return iter(())
        kept = watch.kept
        # Who was adopted may be wanted in the shape of a network only.
        self._sets.groups.take_over(watch.group, kept.foreign, self._clock.monotonic_s())
        touching = self._allowlisted.get(kept.id, frozenset())
        return (entry for entry in kept.foreign if entry not in touching and entry not in kept.doubted)
