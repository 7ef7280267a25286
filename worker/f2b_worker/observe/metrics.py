"""Counters of the worker, for Prometheus; `--metrics-port` serves them, of all its processes together."""

from functools import partial

from prometheus_client import Counter, Gauge

import f2b_worker.observe.build_info  # noqa: F401 - it shows the version by itself
from f2b_worker.observe.shared import count_by_name, show_nothing

count_by_name()

# Of several processes, one enforces in a Region: it has something to show, the others show 0 or nothing. So the
# largest is right; a sum would count twice while the lease changes hands.
_shown_by_one = partial(Gauge, multiprocess_mode="livemax")

messages_settled = Counter("f2b_messages_settled", "Messages judged and deleted")
infractions_judged = Counter("f2b_infractions_judged", "Infractions recorded and judged")
refused = Counter("f2b_refused", "Infractions or messages set aside in the dead-letter queue", ["reason"])
ignored = Counter("f2b_ignored", "Infractions of addresses that are never banned", ["reason"])
cannot_ban = Counter(
    "f2b_cannot_ban",
    "Infractions that can ban nobody: refused as too old or in the future, or their ban would be over",
    ["reason", "jail", "reporter"],
)
unknown_jail = Counter("f2b_unknown_jail", "Infractions of a jail that nobody configured, judged by defaults")
ledger_refused = Counter("f2b_ledger_refused", "Offenders that the ledger refused; their messages come again")
generation = Gauge(
    "f2b_generation",
    "How often all workers had been asked to read their files again when this one last did",
    multiprocess_mode="livemin",
)
offenders_held_up = Gauge(
    "f2b_offenders_held_up",
    "Offenders that cannot be judged now, while others are",
    multiprocess_mode="livesum",
)
offenders_over_budget = Gauge(
    "f2b_offenders_over_budget",
    "Offenders that wait because more came than --offenders-per-s",
    multiprocess_mode="livesum",
)
letters_waiting = Gauge(
    "f2b_dead_letters_waiting", "Letters that wait for the dead-letter queue", multiprocess_mode="livesum"
)
deletions_waiting = Gauge(
    "f2b_deletions_waiting", "Judged messages that wait to be deleted", multiprocess_mode="livesum"
)
postponed = Counter("f2b_postponed", "Messages left in the queue, to come again later", ["reason"])
unreadable = Counter("f2b_unreadable", "Stored items that cannot be read, each counted when first met", ["kind"])
connections_cut = Counter(
    "f2b_metrics_connections_cut",
    "Connections to --metrics-port that were ended: crowded_out by others, too_slow, or head_too_large",
    ["reason"],
)
aws_failures = Counter("f2b_aws_failures", "Failed calls that are tried again", ["kind"])

# What an enforcer reports; one process may run several, one a Region, of which some only stand by.
_REGION = ["region"]
_IP_SET = ["region", "ip_set"]
_BLOCKLIST = ["region", "blocklist"]
ip_set_updates = Counter("f2b_ip_set_updates", "UpdateIPSet calls that succeeded", _IP_SET)
ip_set_drift = Counter("f2b_ip_set_drift", "Entries that somebody else added to or took out of an IP set", _IP_SET)
ip_sets_deleted = Counter("f2b_ip_sets_deleted", "IP sets that somebody deleted while they were kept", _REGION)
ip_set_unreferenced = _shown_by_one("f2b_ip_set_unreferenced", "1 if no rule refers to the IP set", _IP_SET)
foreign_entries = _shown_by_one("f2b_foreign_entries", "Entries of somebody else's that an IP set keeps", _IP_SET)
foreign_allowlisted = _shown_by_one(
    "f2b_foreign_allowlisted", "Entries of somebody else's that touch the allowlist", _IP_SET
)
bans_active = _shown_by_one("f2b_bans_active", "Active bans that the enforcer knows of", _REGION)
bans_allowlisted = _shown_by_one(
    "f2b_bans_allowlisted", "Active bans that are not enforced: they touch the allowlist", _REGION
)
bans_left_out = _shown_by_one("f2b_bans_left_out", "Active bans that found no room in any IP set", _BLOCKLIST)
bans_held_back = _shown_by_one("f2b_bans_held_back", "Active bans that the surge guard keeps out", _REGION)
bans_unreadable = _shown_by_one(
    "f2b_bans_unreadable", "Bans that cannot be read: what IP sets hold of them stays there", _REGION
)
bans_waiting = _shown_by_one("f2b_bans_waiting", "Active bans that wait to be written", _REGION)
oldest_waiting_s = _shown_by_one(
    "f2b_oldest_waiting_seconds", "How long the longest waiting ban has waited", _REGION
)
paused = _shown_by_one("f2b_paused", "1 while a blocklist is paused: its IP sets stay as they are", _BLOCKLIST)
surge = _shown_by_one("f2b_surge", "1 while the surge guard holds bans back", _REGION)
enforcer_ready = Gauge(
    "f2b_enforcer_ready",
    "0 while the enforcer has no access, or the ledger does not answer",
    _REGION,
    multiprocess_mode="livemin",  # one that is not, may have to take over
)
enforcer_configured_otherwise = _shown_by_one(
    "f2b_enforcer_configured_otherwise", "1 while a worker with other blocklists enforces", _REGION
)
entries_quarantined = _shown_by_one("f2b_entries_quarantined", "Bans whose address WAF refuses", _REGION)

_OF_AN_IP_SET = (ip_set_unreferenced, foreign_entries, foreign_allowlisted)
_OF_A_BLOCKLIST = (bans_left_out, paused)


class RegionMetrics:
    """What one enforcer reports.

    Args:
        region: The Region whose IP sets it keeps.
    """

    def __init__(self, region: str) -> None:
        self.bans_active = bans_active.labels(region)
        self.bans_allowlisted = bans_allowlisted.labels(region)
        self.bans_held_back = bans_held_back.labels(region)
        self.bans_unreadable = bans_unreadable.labels(region)
        self.bans_waiting = bans_waiting.labels(region)
        self.oldest_waiting_s = oldest_waiting_s.labels(region)
        self.surge = surge.labels(region)
        self.enforcer_ready = enforcer_ready.labels(region)
        self.entries_quarantined = entries_quarantined.labels(region)
        self.ip_sets_deleted = ip_sets_deleted.labels(region)
        self._while_enforcing = (
            self.bans_active,
            self.bans_allowlisted,
            self.bans_held_back,
            self.bans_unreadable,
            self.bans_waiting,
            self.oldest_waiting_s,
            self.surge,
            self.entries_quarantined,
        )
        self._region = region
        # Under which names each gauge shows something, as clear() is called at each tick of who only stands by.
        self._shown: dict[Gauge, set[str]] = {each: set() for each in (*_OF_AN_IP_SET, *_OF_A_BLOCKLIST)}

    def updated(self, ip_set: str) -> None:
        """Count an update of an IP set."""
        ip_set_updates.labels(self._region, ip_set).inc()

    def drifted(self, ip_set: str, entries: int) -> None:
        """Count entries that somebody else added or took out."""
        ip_set_drift.labels(self._region, ip_set).inc(entries)

    def show_reference(self, ip_set: str, *, is_missing: bool) -> None:
        """Show whether no rule refers to an IP set."""
        self._show(ip_set_unreferenced, ip_set, is_missing)

    def show_foreign(self, ip_set: str, *, entries: int, allowlisted: int) -> None:
        """Show what an IP set holds of somebody else's."""
        self._show(foreign_entries, ip_set, entries)
        self._show(foreign_allowlisted, ip_set, allowlisted)

    def show_left_out(self, blocklist: str, bans: int) -> None:
        """Show how many bans of a blocklist found no room."""
        self._show(bans_left_out, blocklist, bans)

    def show_paused(self, blocklist: str, *, is_paused: bool) -> None:
        """Show whether the IP sets of a blocklist stay as they are."""
        self._show(paused, blocklist, is_paused)

    def forget_ip_set(self, ip_set: str) -> None:
        """Show nothing more of an IP set that is gone."""
        for gauge in _OF_AN_IP_SET:
            if ip_set in self._shown[gauge]:
                self._hide(gauge, ip_set)

    def clear(self) -> None:
        """Leave it to somebody else to report: an alarm about these must end here."""
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
