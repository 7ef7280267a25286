"""What an enforcer knows of the IP sets while it holds the lease, and how it reads and writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.addresses import canonical
from f2b_worker.domain.backoff import BACKOFF_MAX_S, backoff_s
from f2b_worker.domain.blocklists import Foreign
from f2b_worker.domain.plan.origin import Traces, whose
from f2b_worker.domain.plan.updates import Why, early_update, next_update
from f2b_worker.enforcer.pace import ReadPace
from f2b_worker.enforcer.watched import WatchedSet
from f2b_worker.errors import AccessDenied, BadEntry, F2bError, LockLost, Missing, Permanent, Retryable, Throttled
from f2b_worker.observe import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.domain.plan.groups import Groups
    from f2b_worker.domain.plan.updates import Update
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.own import OwnEntries
    from f2b_worker.enforcer.pace import UpdatePace
    from f2b_worker.ports import Clock, IpSet, IpSetContents, Notes

log: structlog.stdlib.BoundLogger = structlog.get_logger()

AUDIT_S = 60.0
"""How long a set is not read while nothing happens to it; then somebody else may have changed it."""

QUARANTINE_S = 3600.0
"""How long an entry that WAF refused stays out before it is tried again."""

SETTLING_S = 30.0
"""How long after a takeover an update that was under way before may still take effect."""

READ_FOR_S = 0.25
"""How long sets are taken in that were read when they were found, until it is looked what else is due."""

PAUSE_MAX_S = 2.0
"""How long a set that WAF fails to serve is left alone: so soon after an outage its bans begin to go in."""

_NOTHING: frozenset[str] = frozenset()


class Sets:
    """Reads and writes the IP sets of a Region, within WAF's budgets; one that fails costs the others nothing.

    Args:
        groups: What is wanted and held.
        notes: What an enforcer noted before.
        clock: Paces everything.
        pace: The budget of updates, which outlives the lease.
        alarms: Where failures go.
        own: What was noted to be ours.
        is_explained: Tells for a blocklist whether a ban that lasted until some time explains an entry.
        may_write: Tells right before an update whether the lease is still held.
    """

    def __init__(  # noqa: PLR0913
        self,
        groups: Groups,
        notes: Notes,
        *,
        clock: Clock,
        pace: UpdatePace,
        alarms: Alarms,
        own: OwnEntries,
        is_explained: Callable[[str, str, int], bool],
        may_write: Callable[[], bool],
    ) -> None:
        self.groups = groups
        self.watches: dict[str, WatchedSet] = {}
        self.quarantined: dict[str, float] = {}
        self._has_read = self._are_all_found = False
        self._notes = notes
        self._clock = clock
        self._pace = pace
        self._reads = ReadPace()
        self._alarms = alarms
        self._own = own
        self._is_explained = is_explained
        self._may_write = may_write
        self._settled_s = clock.monotonic_s() + SETTLING_S
        self._after_removals = False
        self._written_entries: list[frozenset[str]] = []

        groups.expect_more()

    @property
    def are_all_found(self) -> bool:
        """Whether `have_all` was told of all sets."""
        return self._are_all_found

    @property
    def all_tried(self) -> bool:
        """Whether every set was read or could not be; before that, bans may be where nobody looked."""
        return self._are_all_found and all(watch.was_tried for watch in self.watches.values())

    @property
    def is_reading(self) -> bool:
        """Whether a set is at hand, and was not taken in yet."""
        return any(watch.ip_set.is_at_hand and not watch.was_tried for watch in self.watches.values())

    def take_has_read(self) -> bool:
        """Tell whether a set was read since this was last asked."""
        has_read, self._has_read = self._has_read, False
        return has_read

    def take_written(self) -> list[frozenset[str]]:
        """Take what updates have put in since this was last called."""
        written, self._written_entries = self._written_entries, []
        return written

    @property
    def all_known(self) -> bool:
        """Whether every set was read at least once."""
        return all(watch.kept.known for watch in self.watches.values())

    def use(self, found: Mapping[str, Sequence[IpSet]]) -> bool:
        """Watch the sets that there are, and tell whether some are new; those that are gone are looked at soon."""
        ids = set()
        before = len(self.watches)
        for blocklist, ip_sets in found.items():
            for ip_set in ip_sets:
                ids.add(ip_set.id)
                group = self.groups.by_place.get((blocklist, ip_set.family))
                if group and ip_set.id not in self.watches:
                    self.watches[ip_set.id] = WatchedSet(ip_set, group)
                    group.add_set(ip_set.id, self._clock.monotonic_s())
                    log.info("ip_set_found", ip_set=ip_set.name, blocklist=blocklist)
        for set_id, watch in self.watches.items():
            watch.doubt(self._clock.monotonic_s(), AUDIT_S)
            # The list may lag behind: only a reading of the set itself tells that it is gone.
            if set_id not in ids:
                watch.is_certain = False
        return len(self.watches) > before

    def have_all(self, found: Mapping[str, Sequence[IpSet]]) -> None:
        """Take it that these are all sets, each of which is watched by now."""
        ids = {blocklist: [each.id for each in ip_sets] for blocklist, ip_sets in found.items()}
        self.groups.have_all(ids, self._clock.monotonic_s())
        self._are_all_found = True

    def read_due(self) -> None:
        """Read the sets whose contents are not certain, and those that nobody looked into for a minute."""
        now_s = self._clock.monotonic_s()
        due = [watch for watch in self.watches.values() if self._is_due(watch, now_s)]
        # First what no update can be made of; WAF answers few reads a second.
        for watch in sorted(due, key=lambda each: (each.is_certain, each.seen_s)):
            if not watch.ip_set.is_at_hand and not self._reads.begin(now_s):
                continue
            self._read(watch)
            if not self.all_tried and self._clock.monotonic_s() - now_s > READ_FOR_S:
                return

    def _is_due(self, watch: WatchedSet, now_s: float) -> bool:
        if now_s < watch.paused_until_s:
            return False
        if watch.is_certain:
            return watch.is_doubted or now_s - watch.seen_s >= AUDIT_S
        # Right before the update: a token that is read early goes stale again under a busy writer.
        return not watch.is_lost or now_s >= self._pace.next_s

    def _read(self, watch: WatchedSet) -> None:
        watch.was_tried, watch.is_doubted = True, False
        try:
            contents = watch.ip_set.read()
        except Missing as error:
            self._is_deleted(watch, error)
        except F2bError as error:
            if watch.is_certain and isinstance(error, Retryable):
                # An audit can wait: an update needs the token, not the reading.
                watch.seen_s = self._clock.monotonic_s() - AUDIT_S + BACKOFF_MAX_S
                self._alarms.complain(watch.ip_set.name, error)
            else:
                self._fail(watch, error)
        else:
            self._take_in(watch, contents)

    def _take_in(self, watch: WatchedSet, contents: IpSetContents) -> None:
        now_s = self._clock.monotonic_s()
        set_id, group = watch.ip_set.id, watch.group
        is_first = not watch.kept.known
        traces = self._traces(watch, is_first=is_first)
        drift = group.read(set_id, contents.entries, lambda each: whose(each, traces), now_s)
        if not is_first and (drift.foreign or drift.gone):
            self._alarms.metrics.drifted(watch.ip_set.name, len(drift.foreign) + len(drift.gone))
            log.info("ip_set_drifted", ip_set=watch.ip_set.name, foreign=len(drift.foreign), gone=len(drift.gone))
        self.groups.settle(now_s)
        self._has_read = True
        watch.take_token(contents.token)
        watch.is_certain = True
        watch.seen_s = watch.known_s = now_s
        watch.is_lost = False
        # A set that can be read but not written is not back while something waits for it.
        if not group.pending and not watch.kept.removals:
            self._recover(watch)

    def _traces(self, watch: WatchedSet, *, is_first: bool) -> Traces:
        set_id, blocklist = watch.ip_set.id, watch.group.blocklist
        since_ms = self._own.since_ms(set_id)
        return Traces(
            tried=watch.tried,
            # What was under way when the lease changed hands may have come after the first reading.
            is_known=not is_first and watch.seen_s >= self._settled_s,
            foreign=self._notes.foreign.get(set_id, _NOTHING),
            is_lost=self.is_foreign_lost(watch),
            networks=self._own.networks(set_id),
            is_explained=lambda entry: self._is_explained(blocklist, entry, since_ms),
        )

    def is_foreign_lost(self, watch: WatchedSet) -> bool:
        """Tell whether nobody knows what of a set that keeps the entries of others is theirs."""
        return watch.group.policy is Foreign.KEEP and self._notes.is_lost("foreign", watch.ip_set.id)

    def write_next(self) -> None:
        """Write what has to be written first, if anything."""
        now_s, groups = self._clock.monotonic_s(), self.groups.by_place.values()
        self._write_if_any(next_update(groups, now_s, self._usable(), after_removals=self._after_removals))

    def write_newcomers(self, newcomers: Mapping[str, int]) -> None:
        """Write whose ban began lately, if anybody waits, although some sets were not looked into yet."""
        self._write_if_any(early_update(self.groups.by_place.values(), newcomers, self._usable()))

    def _usable(self) -> set[str]:
        now_s = self._clock.monotonic_s()
        return {
            set_id for set_id, watch in self.watches.items() if watch.is_certain and now_s >= watch.paused_until_s
        }

    def _write_if_any(self, update: Update | None) -> None:
        if update:
            self._write(self.watches[update.set_id], update)

    def _write(self, watch: WatchedSet, update: Update) -> None:
        self._own.note_networks(update.group, update.group.sets[update.set_id], update.added)
        if not self._may_write():
            return
        # Before the call: whatever becomes of it, WAF may count it.
        self._pace.begin(self._clock.monotonic_s())
        try:
            with traces.spanned("enforce", ip_set=watch.ip_set.name, entries=len(update.entries)):
                token = watch.ip_set.write(update.entries, watch.token)
        except BadEntry as error:
            self._quarantine(watch, update, error)
        except LockLost as error:
            watch.is_certain, watch.is_lost = False, True
            self._pace.lose()
            self._alarms.complain(watch.ip_set.name, error)
        except Throttled as error:
            # Whoever spent the budget may have written this very set; a stale token would cost the next slot too.
            watch.is_certain, watch.is_lost = False, True
            self._pace.slow_down()
            self._alarms.complain(watch.ip_set.name, error)
        except Missing as error:
            self._is_deleted(watch, error)
        except F2bError as error:
            # Whether the update took effect is unknown: the set is read again before the next one.
            watch.tried |= update.added
            self._fail(watch, error)
            self._pace.wait_out(self._clock.monotonic_s())
        else:
            self._written(watch, update, token)

    def _written(self, watch: WatchedSet, update: Update, token: str) -> None:
        now_s = self._clock.monotonic_s()
        self._pace.succeed()
        self._after_removals = update.why is Why.REMOVALS
        # Nothing that was tried with an older token can take effect any more.
        watch.take_token(token)
        watch.tried = _NOTHING
        watch.seen_s = watch.known_s = now_s
        update.group.written(update.set_id, update.added, update.removed, now_s)
        self.groups.settle(now_s)
        self._recover(watch)
        self._written_entries.append(update.added)
        self._alarms.metrics.updated(watch.ip_set.name)
        log.info(
            "ip_set_updated",
            ip_set=watch.ip_set.name,
            why=update.why.value,
            added=len(update.added),
            removed=len(update.removed),
            holds=len(update.entries),
        )

    def _recover(self, watch: WatchedSet) -> None:
        if watch.failures:
            log.info("ip_set_is_back", ip_set=watch.ip_set.name, failures=watch.failures)
        watch.failures = 0
        self._alarms.problems.pop(watch.ip_set.id, None)

    def _fail(self, watch: WatchedSet, error: F2bError) -> None:
        """Leave a set alone for a while; what it holds is read again then."""
        watch.failures += 1
        watch.is_certain = False
        pause_s = min(PAUSE_MAX_S, backoff_s(watch.failures))
        if isinstance(error, Permanent):
            # Somebody has to act first, and the budget is everybody's.
            pause_s = BACKOFF_MAX_S
            self._alarms.problems[watch.ip_set.id] = str(error)
            event = "ip_set_no_access" if isinstance(error, AccessDenied) else "ip_set_rejects"
            self._alarms.ring(event, watch.ip_set.name, reason=str(error))
        watch.paused_until_s = self._clock.monotonic_s() + pause_s
        self._alarms.complain(watch.ip_set.name, error)

    def _is_deleted(self, watch: WatchedSet, error: Missing) -> None:
        """Let a set go that somebody deleted; its bans go into the others of its group."""
        now_s = self._clock.monotonic_s()
        del self.watches[watch.ip_set.id]
        watch.group.drop_set(watch.ip_set.id, now_s)
        self.groups.settle(now_s)
        self._alarms.problems.pop(watch.ip_set.id, None)
        self._alarms.metrics.ip_sets_deleted.inc()
        self._alarms.metrics.forget_ip_set(watch.ip_set.name)
        remedy = "make it again with `f2b provision`, and refer to it in the rule"
        self._alarms.ring("ip_set_deleted", watch.ip_set.name, reason=str(error), remedy=remedy)

    def _quarantine(self, watch: WatchedSet, update: Update, error: BadEntry) -> None:
        """Leave out the one entry that WAF refuses; the others go in with the next update."""
        now_s = self._clock.monotonic_s()
        try:
            entry = canonical(error.entry)
        except ValueError:
            entry = ""
        if entry not in update.entries or not self.groups.refuse(entry, now_s):
            self._fail(watch, error)
            return
        # WAF names one bad entry at a time: there may be more among those that were added with it.
        if entry in update.added:
            update.group.suspect(update.added - {entry})
        self.quarantined[entry] = now_s + QUARANTINE_S
        self._alarms.ring("entry_quarantined", entry, reason=str(error))

    def retry_quarantined(self) -> None:
        """Try the entries again that WAF refused long ago: one at a time, and when nothing else waits."""
        now_s = self._clock.monotonic_s()
        due = next((entry for entry, until_s in self.quarantined.items() if until_s <= now_s), None)
        if due and not self.groups.is_suspect and now_s >= self._pace.next_s:
            del self.quarantined[due]
            self.groups.accept(due, now_s)

    def next_s(self) -> float | None:
        """Tell when something may be done that may not be done now."""
        now_s = self._clock.monotonic_s()
        times_s = [self._pace.next_s, *(watch.paused_until_s for watch in self.watches.values())]
        if not self.all_tried:
            times_s.append(self._reads.next_s())
        return min((time_s for time_s in times_s if time_s > now_s), default=None)
