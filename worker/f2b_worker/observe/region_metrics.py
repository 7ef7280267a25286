"""What one enforcer reports of its Region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.observe import metrics
from f2b_worker.observe.jail_metrics import jails
from f2b_worker.observe.shared import show_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import Gauge

_OF_AN_IP_SET = (
    metrics.ip_set_unreferenced,
    metrics.foreign_entries,
    metrics.foreign_allowlisted,
    metrics.ip_set_entries,
    metrics.ip_set_capacity,
)
_OF_A_BLOCKLIST = (metrics.bans_left_out, metrics.paused, metrics.ip_sets_used)


class RegionMetrics:
    """What one enforcer reports.

    Args:
        region: The Region whose IP sets it keeps.
    """

    def __init__(self, region: str) -> None:
        self.bans_active = metrics.bans_active.labels(region)
        self.bans_allowlisted = metrics.bans_allowlisted.labels(region)
        self.bans_held_back = metrics.bans_held_back.labels(region)
        self.bans_unreadable = metrics.bans_unreadable.labels(region)
        self.bans_waiting = metrics.bans_waiting.labels(region)
        self.oldest_waiting_s = metrics.oldest_waiting_s.labels(region)
        self.surge = metrics.surge.labels(region)
        self.enforcer_ready = metrics.enforcer_ready.labels(region)
        self.entries_quarantined = metrics.entries_quarantined.labels(region)
        self.budget_used = metrics.budget_used.labels(region)
        self.lease_holder = metrics.lease_holder.labels(region)
        self.ip_sets_deleted = metrics.ip_sets_deleted.labels(region)
        self._while_enforcing = (
            self.bans_active,
            self.bans_allowlisted,
            self.bans_held_back,
            self.bans_unreadable,
            self.bans_waiting,
            self.oldest_waiting_s,
            self.surge,
            self.entries_quarantined,
            self.budget_used,
            self.lease_holder,
        )
        self._region = region
        # Under which names each gauge shows something, as clear() is called at each tick of who only stands by.
        self._shown: dict[Gauge, set[str]] = {each: set() for each in (*_OF_AN_IP_SET, *_OF_A_BLOCKLIST)}

    def updated(self, ip_set: str) -> None:
        """Count an update of an IP set."""
        metrics.ip_set_updates.labels(self._region, ip_set).inc()

    def drifted(self, ip_set: str, entries: int) -> None:
        """Count entries that somebody else added or took out."""
        metrics.ip_set_drift.labels(self._region, ip_set).inc(entries)

    def show_reference(self, ip_set: str, *, is_missing: bool) -> None:
        """Show whether no rule refers to an IP set."""
        self._show(metrics.ip_set_unreferenced, ip_set, is_missing)

    def show_foreign(self, ip_set: str, *, entries: int, allowlisted: int) -> None:
        """Show what an IP set holds of somebody else's."""
        self._show(metrics.foreign_entries, ip_set, entries)
        self._show(metrics.foreign_allowlisted, ip_set, allowlisted)

    def show_size(self, ip_set: str, *, entries: int, capacity: int) -> None:
        """Show how full an IP set is."""
        self._show(metrics.ip_set_entries, ip_set, entries)
        self._show(metrics.ip_set_capacity, ip_set, capacity)

    def show_used(self, blocklist: str, ratio: float) -> None:
        """Show how full the IP sets of a blocklist are together."""
        self._show(metrics.ip_sets_used, blocklist, ratio)

    def show_banned(self, by_jail: Mapping[str, int]) -> None:
        """Show how many addresses are banned in each jail."""
        jails.show_banned(self._region, by_jail)

    def show_left_out(self, blocklist: str, bans: int) -> None:
        """Show how many bans of a blocklist found no room."""
        self._show(metrics.bans_left_out, blocklist, bans)

    def show_paused(self, blocklist: str, *, is_paused: bool) -> None:
        """Show whether the IP sets of a blocklist stay as they are."""
        self._show(metrics.paused, blocklist, is_paused)

    def forget_ip_set(self, ip_set: str) -> None:
        """Show nothing more of an IP set that is gone."""
        for gauge in _OF_AN_IP_SET:
            if ip_set in self._shown[gauge]:
                self._hide(gauge, ip_set)

    def clear(self) -> None:
        """Leave it to somebody else to report: an alarm about these must end here."""
        jails.hide_banned(self._region)
        for gauge in self._while_enforcing:
            gauge.set(0)
        for gauge in _OF_A_BLOCKLIST:
            for blocklist in self._shown[gauge]:
                gauge.labels(self._region, blocklist).set(0)
        for gauge in _OF_AN_IP_SET:
            for ip_set in tuple(self._shown[gauge]):
                self._hide(gauge, ip_set)

    def _show(self, gauge: Gauge, of: str, value: float) -> None:
        gauge.labels(self._region, of).set(value)
        self._shown[gauge].add(of)

    def _hide(self, gauge: Gauge, ip_set: str) -> None:
        show_nothing(gauge, self._region, ip_set)
        self._shown[gauge].remove(ip_set)
