"""What of ours in the IP sets the ledger cannot explain for ever: noted for who enforces next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.plan.group import Group
    from f2b_worker.domain.plan.groups import Groups
    from f2b_worker.domain.plan.set_state import SetState
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.watched import WatchedSet
    from f2b_worker.ports import Clock, Notebook, Notes

SWEEP_S = 300.0
"""How often it is noted that no ended ban is left in a set."""

MARGIN_MS = 300_000
"""How far that note is distrusted: clocks differ, and an update that was under way may still take effect."""

_NOTHING: frozenset[str] = frozenset()


class OwnEntries:
    """Remembers collapsed networks, which another configuration would not know, and when each set was swept.

    Args:
        notes: What an enforcer noted before.
        notebook: Where it is noted.
        groups: What is wanted and held.
        alarms: Where failures go.
        clock: Dates the notes.
    """

    def __init__(self, notes: Notes, *, notebook: Notebook, groups: Groups, alarms: Alarms, clock: Clock) -> None:
        self._networks = dict(notes.networks)
        self._swept_ms = dict(notes.swept_ms)
        self._notebook = notebook
        self._groups = groups
        self._alarms = alarms
        self._clock = clock
        self._noted_s = clock.monotonic_s()

    def networks(self, set_id: str) -> AbstractSet[str]:
        """Find what was noted to be ours in a set although no ban bears its name."""
        return self._networks.get(set_id, _NOTHING)

    def since_ms(self, set_id: str) -> int:
        """Tell from which time on bans may have left an entry in a set after their end."""
        return self._swept_ms.get(set_id, 0) - MARGIN_MS

    def note_networks(self, group: Group, kept: SetState, added: AbstractSet[str]) -> None:
        """Note the networks that a set holds, and is about to hold; call it before that is written."""
        before = self.networks(kept.id)
        new = (entry for entry in added if self._groups.is_network(group.blocklist, entry))
        networks = frozenset(before & (kept.held - kept.foreign)).union(new)
        # A network that is gone may be forgotten with the next one: DynamoDB is not asked for that alone.
        if networks <= before and (networks or not before):
            return
        # Before the update leaves: if this process dies right after it, its successor knows whose they are.
        with self._alarms.tolerate("noting collapsed networks"):
            self._notebook.note_entries("networks", kept.id, networks)
            self._networks[kept.id] = networks

    def sweep(self, watches: Iterable[WatchedSet]) -> None:
        """Note now and then until when all ended bans have left each of these sets."""
        now_s = self._clock.monotonic_s()
        if now_s - self._noted_s < SWEEP_S:
            return
        self._noted_s = now_s
        for watch in watches:
            kept = watch.kept
            # What is in doubt may be left of any ended ban.
            if kept.known and watch.is_certain and not kept.doubted:
                since_s = watch.group.oldest_removal_s(kept)
                waits_s = 0.0 if since_s is None else max(0.0, now_s - since_s)
                swept_ms = self._clock.now_ms() - round(1000 * waits_s)
                self._swept_ms[kept.id] = max(swept_ms, self._swept_ms.get(kept.id, 0))
        with self._alarms.tolerate("noting ended bans"):
            self._notebook.note_swept(self._swept_ms)
