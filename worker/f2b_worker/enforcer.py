"""The loop that makes the IP sets equal to the active bans.

Level-triggered: at every tick the plan is made afresh from what the ledger says and what the sets hold, so a lost
update is only late. One process at a time enforces, by lease; WAF's lock token is the real fence.
Stopping removes nothing; starting writes only what differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.addresses import canonical
from f2b_worker.domain.plans import SetView, Waiting, enforceable, next_set, plan, running
from f2b_worker.errors import BadEntry, F2bError, LockLost, Throttled
from f2b_worker.observe import metrics
from f2b_worker.ports import IpSetContents

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Sequence

    from f2b_worker.domain.addresses import Networks
    from f2b_worker.domain.plans import Plan
    from f2b_worker.domain.verdicts import OffenderId
    from f2b_worker.ports import BanBook, Clock, IpSet, Lease, StandingBan

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
    waiting: Waiting = field(default_factory=Waiting)
    failures: int = 0
    paused_until_s: float = float("-inf")


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
        self._ours: set[str] = set()
        self._quarantined: set[str] = set()
        self._cursor = 0
        self._followed_s = self._resynced_s = self._next_update_s = float("-inf")
        self._holding = False
        self._throttled = 0

    def allow(self, allowed: Networks) -> None:
        """Use another allowlist from the next tick on; may be called from another thread."""
        self._allowed = allowed

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
                pause_s = _backoff_s(failures)
                _complain("ledger", error, failures)
            self._clock.wait(wake, pause_s)
        self._give_back()

    def _give_back(self) -> None:
        try:
            self._lease.release()
        except F2bError as error:
            log.warning("lease_not_released", reason=str(error))

    def tick(self, *, follow: bool = False) -> float:
        """Do the next thing that brings the sets closer to the bans; tell in how many seconds to tick again.

        A set that fails is tried again later and costs the others nothing.

        Args:
            follow: Ask the ledger for changes now, even if it was asked within the last second.

        Raises:
            F2bError: If the ledger fails.
        """
        if not self._has_lease():
            return FOLLOW_S
        self._follow(now=follow)
        plans = self._plans()
        now_s = self._clock.monotonic_s()
        dues_s = {number: self._states[number].waiting.due_s(self._unban_lag_s) for number in plans}
        chosen = next_set(dues_s, now_s)
        if chosen is None:
            return self._until_next_try()
        if now_s < self._next_update_s:
            return min(self._next_update_s - now_s, FOLLOW_S)
        self._write(self._states[chosen], plans[chosen])
        return self._until_next_try()

    def _until_next_try(self) -> float:
        now_s = self._clock.monotonic_s()
        waits_s = (state.paused_until_s - now_s for state in self._states)
        return min([FOLLOW_S, *(wait_s for wait_s in waits_s if wait_s > 0)])

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
            self._ours &= self._held()
            self._resynced_s = time_s
        elif now or time_s - self._followed_s >= FOLLOW_S:
            changes = self._bans.changes(self._cursor)
        else:
            return
        self._followed_s = time_s
        self._cursor = changes.cursor
        self._take_in(changes.bans)

    def _take_in(self, bans: Iterable[StandingBan]) -> None:
        for each in bans:
            if each.ban.observed:
                self._ends_ms.pop(each.who, None)
            else:
                self._ends_ms[each.who] = each.ban.until_ms
                self._ours.add(each.who.key)

    def _plans(self) -> dict[int, Plan]:
        """Plan each set that can be read."""
        active = enforceable(running(self._ends_ms, self._clock.now_ms()), self._allowed)
        metrics.bans_active.set(len(active))
        for key in self._quarantined:
            active.pop(key, None)
        plans = {}
        for number, state in enumerate(self._states):
            contents = self._contents(state)
            if contents:
                plans[number] = plan(SetView(state.ip_set.family, contents.entries, self._ours), active)
                state.waiting.note(plans[number], self._clock.monotonic_s())
                if not plans[number].changes:
                    self._recover(state)
        metrics.bans_left_out.set(sum(len(each.left_out) for each in plans.values()))
        return plans

    def _held(self) -> set[str]:
        return {entry for state in self._states if state.contents for entry in state.contents.entries}

    def _contents(self, state: _SetState) -> IpSetContents | None:
        now_s = self._clock.monotonic_s()
        if now_s < state.paused_until_s:
            return None
        if state.contents is None or now_s - state.read_s >= AUDIT_S:
            try:
                state.contents = state.ip_set.read()
            except F2bError as error:
                self._pause(state, error)
                return None
            state.read_s = now_s
        return state.contents

    def _pause(self, state: _SetState, error: F2bError) -> None:
        """Leave a set alone for a while; what it holds is read again then."""
        state.failures += 1
        state.contents = None
        state.paused_until_s = self._clock.monotonic_s() + _backoff_s(state.failures)
        _complain(state.ip_set.name, error, state.failures)

    def _write(self, state: _SetState, planned: Plan) -> None:
        # What it was planned from, with its token: a set read anew here would lend its token to an old plan.
        contents = state.contents
        assert contents is not None
        self._next_update_s = self._clock.monotonic_s() + UPDATE_EVERY_S
        try:
            token = state.ip_set.write(planned.entries, contents.token)
        except BadEntry as error:
            self._quarantine(state, error)
        except LockLost:
            state.contents = None
            log.info("ip_set_changed_by_somebody", ip_set=state.ip_set.name)
        except Throttled as error:
            self._slow_down(state, error)
        except F2bError as error:
            # Whether the update took effect is unknown: the set is read again before the next one.
            self._pause(state, error)
        else:
            self._written(state, planned, token)

    def _written(self, state: _SetState, planned: Plan, token: str) -> None:
        state.contents = IpSetContents(planned.entries, token)
        state.waiting = Waiting()
        self._throttled = 0
        self._recover(state)
        metrics.ip_set_updates.labels(state.ip_set.name).inc()
        log.info(
            "ip_set_updated",
            ip_set=state.ip_set.name,
            banned=len(planned.added),
            unbanned=len(planned.removed),
            holds=len(planned.entries),
        )

    def _recover(self, state: _SetState) -> None:
        if state.failures:
            log.info("ip_set_is_back", ip_set=state.ip_set.name, failures=state.failures)
        state.failures = 0

    def _slow_down(self, state: _SetState, error: Throttled) -> None:
        """Ask less often; the set itself is as it was."""
        self._throttled += 1
        pause_s = min(BACKOFF_MAX_S, UPDATE_EVERY_S * 1.5**self._throttled)
        self._next_update_s = self._clock.monotonic_s() + pause_s
        _complain(state.ip_set.name, error, self._throttled)

    def _quarantine(self, state: _SetState, error: BadEntry) -> None:
        """Leave out the one address that WAF refuses; the others go in with the next update."""
        try:
            entry = canonical(error.entry)
        except ValueError:
            entry = ""
        if not entry or entry in self._quarantined:
            self._pause(state, error)
            return
        self._quarantined.add(entry)
        metrics.entries_quarantined.set(len(self._quarantined))
        log.error("entry_quarantined", entry=entry, reason=str(error))


def _backoff_s(failures: int) -> float:
    return min(BACKOFF_MAX_S, 0.1 * float(2 ** min(failures, 10)))


def _complain(about: str, error: F2bError, failures: int) -> None:
    metrics.aws_failures.labels(type(error).__name__).inc()
    if failures == 1:
        log.warning("enforcer_waits", about=about, kind=type(error).__name__, reason=str(error))
