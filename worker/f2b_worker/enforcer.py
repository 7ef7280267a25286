"""The loop that makes the IP sets equal to the active bans.

Level-triggered: at every tick the plan is made afresh from what the ledger says and what the sets hold, so a lost
update is only late. One process at a time enforces, by lease; WAF's lock token is the real fence.
Stopping removes nothing; starting writes only what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.addresses import canonical
from f2b_worker.domain.plans import SetView, enforceable, most_urgent, plan, running
from f2b_worker.errors import BadEntry, F2bError, LockLost, Throttled
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from f2b_worker.domain.addresses import Networks
    from f2b_worker.domain.plans import Plan
    from f2b_worker.domain.verdicts import OffenderId
    from f2b_worker.ports import BanBook, Clock, IpSet, IpSetContents, Lease

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FOLLOW_S = 1.0
"""How often the ledger is asked for bans that other workers stored."""

RESYNC_S = 300.0
"""How often all bans are read, in case a change was missed."""

AUDIT_S = 60.0
"""How often each set is read, to notice what somebody else changed."""

UPDATE_EVERY_S = 1.05
"""WAF's budget is one UpdateIPSet a second per account and Region; a little more, for the network's jitter."""

BACKOFF_MAX_S = 5.0


@dataclass(slots=True)
class _SetState:
    """What the enforcer knows of one set between ticks."""

    ip_set: IpSet
    contents: IpSetContents | None = None
    read_s: float = 0.0
    removal_waits_since_s: float | None = None


class Enforcer:
    """Keeps the IP sets of one blocklist equal to the active bans.

    Args:
        bans: The ledger's bans.
        ip_sets: At most one set a family.
        lease: The right to write them.
        allowed: Addresses that are never written, whatever the ledger says.
        clock: Ends bans and paces updates.
        unban_lag_s: How long a removal may wait for an update that it can ride along with.
    """

    def __init__(  # noqa: PLR0913
        self,
        bans: BanBook,
        ip_sets: Sequence[IpSet],
        lease: Lease,
        *,
        allowed: Networks,
        clock: Clock,
        unban_lag_s: float = 60.0,
    ) -> None:
        self._bans = bans
        self._states = [_SetState(ip_set) for ip_set in ip_sets]
        self._lease = lease
        self._allowed = allowed
        self._clock = clock
        self._unban_lag_s = unban_lag_s
        self._ends_ms: dict[OffenderId, int] = {}
        self._quarantined: set[str] = set()
        self._cursor = 0
        self._followed_s = self._resynced_s = self._next_update_s = float("-inf")
        self._holding = False
        self._throttled = 0

    def run(self, wake: threading.Event, stop: threading.Event) -> None:
        """Tick until *stop* is set; *wake* (set together with it) asks for a tick at once."""
        failures = 0
        while not stop.is_set():
            woken = wake.is_set()
            wake.clear()
            try:
                pause_s = self.tick(follow=woken)
                failures = 0
            except F2bError as error:
                failures += 1
                self._complain(error, failures)
                pause_s = min(BACKOFF_MAX_S, 0.1 * 2**failures)
            self._clock.wait(wake, pause_s)
        self._give_back()

    def _give_back(self) -> None:
        try:
            self._lease.release()
        except F2bError as error:
            log.warning("lease_not_released", reason=str(error))

    def _complain(self, error: F2bError, failures: int) -> None:
        metrics.aws_failures.labels(type(error).__name__).inc()
        if failures == 1:
            log.warning("enforcer_waits", kind=type(error).__name__, reason=str(error))

    def tick(self, *, follow: bool = False) -> float:
        """Do the next thing that brings the sets closer to the bans; tell in how many seconds to tick again.

        Args:
            follow: Ask the ledger for changes now, even if it was asked within the last second.
        """
        if not self._has_lease():
            return FOLLOW_S
        self._follow(now=follow)
        plans = self._plans()
        waits_s = self._next_update_s - self._clock.monotonic_s()
        chosen = most_urgent(plans.items(), overdue=self._overdue(plans))
        if chosen is None:
            return FOLLOW_S
        if waits_s > 0:
            return min(waits_s, FOLLOW_S)
        self._write(self._states[chosen], plans[chosen])
        return UPDATE_EVERY_S

    def _has_lease(self) -> bool:
        holding = self._lease.hold()
        if holding and not self._holding:
            log.info("enforcing", ip_sets=[state.ip_set.name for state in self._states])
            self._forget()
            # Whoever enforced before may have written within this very second.
            self._next_update_s = self._clock.monotonic_s() + UPDATE_EVERY_S
        self._holding = holding
        return holding

    def _forget(self) -> None:
        self._resynced_s = float("-inf")
        for state in self._states:
            state.contents = None

    def _follow(self, *, now: bool) -> None:
        time_s = self._clock.monotonic_s()
        if time_s - self._resynced_s >= RESYNC_S:
            changes = self._bans.changes(0)
            self._ends_ms = {}
            self._resynced_s = time_s
        elif now or time_s - self._followed_s >= FOLLOW_S:
            changes = self._bans.changes(self._cursor)
        else:
            return
        self._followed_s = time_s
        self._cursor = changes.cursor
        self._ends_ms.update((standing.who, standing.ban.until_ms) for standing in changes.bans)

    def _plans(self) -> dict[int, Plan]:
        active = enforceable(running(self._ends_ms, self._clock.now_ms()), self._allowed)
        metrics.bans_active.set(len(active))
        for key in self._quarantined:
            active.pop(key, None)
        ours = {who.key for who in self._ends_ms}
        plans = {}
        for number, state in enumerate(self._states):
            held = self._contents(state).entries
            plans[number] = plan(SetView(state.ip_set.family, held, ours), active)
        metrics.bans_left_out.set(sum(len(each.left_out) for each in plans.values()))
        return plans

    def _contents(self, state: _SetState) -> IpSetContents:
        now_s = self._clock.monotonic_s()
        if state.contents is None or now_s - state.read_s >= AUDIT_S:
            state.contents = state.ip_set.read()
            state.read_s = now_s
        return state.contents

    def _overdue(self, plans: dict[int, Plan]) -> set[int]:
        """Find the sets whose removals have waited for `unban_lag_s`."""
        now_s = self._clock.monotonic_s()
        overdue = set()
        for number, state in enumerate(self._states):
            if not plans[number].removed:
                state.removal_waits_since_s = None
                continue
            if state.removal_waits_since_s is None:
                state.removal_waits_since_s = now_s
            if now_s - state.removal_waits_since_s >= self._unban_lag_s:
                overdue.add(number)
        return overdue

    def _write(self, state: _SetState, planned: Plan) -> None:
        contents = self._contents(state)
        self._next_update_s = self._clock.monotonic_s() + UPDATE_EVERY_S
        try:
            token = state.ip_set.write(planned.entries, contents.token)
        except BadEntry as error:
            self._quarantine(error)
            return
        except Throttled:
            self._slow_down()
            raise
        except LockLost:
            state.contents = None
            log.info("ip_set_changed_by_somebody", ip_set=state.ip_set.name)
            return
        except F2bError:
            # Whether the update took effect is unknown: its token is spent either way.
            state.contents = None
            raise
        self._throttled = 0
        state.contents = type(contents)(planned.entries, token)
        state.removal_waits_since_s = None
        metrics.ip_set_updates.labels(state.ip_set.name).inc()
        log.info(
            "ip_set_updated",
            ip_set=state.ip_set.name,
            banned=len(planned.added),
            unbanned=len(planned.removed),
            holds=len(planned.entries),
        )

    def _slow_down(self) -> None:
        self._throttled += 1
        pause_s = min(BACKOFF_MAX_S, UPDATE_EVERY_S * 1.5**self._throttled)
        self._next_update_s = self._clock.monotonic_s() + pause_s

    def _quarantine(self, error: BadEntry) -> None:
        """Leave out the one address that WAF refuses; the others go in with the next update."""
        try:
            entry = canonical(error.entry)
        except ValueError:
            raise error from None
        if entry in self._quarantined:
            raise error
        self._quarantined.add(entry)
        metrics.entries_quarantined.set(len(self._quarantined))
        log.error("entry_quarantined", entry=entry, reason=str(error))
