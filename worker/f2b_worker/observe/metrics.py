"""Counters of the worker, for Prometheus; `--metrics-port` serves them."""

from prometheus_client import Counter, Gauge

messages_settled = Counter("f2b_messages_settled", "Messages judged and deleted")
infractions_judged = Counter("f2b_infractions_judged", "Infractions recorded and judged")
refused = Counter("f2b_refused", "Infractions or messages set aside in the dead-letter queue", ["reason"])
ignored = Counter("f2b_ignored", "Infractions of addresses that are never banned", ["reason"])
unknown_jail = Counter("f2b_unknown_jail", "Infractions of a jail that nobody configured, judged by defaults")
ledger_refused = Counter("f2b_ledger_refused", "Offenders that the ledger refused; their messages come again")
aws_failures = Counter("f2b_aws_failures", "Failed calls that are tried again", ["kind"])
ip_set_updates = Counter("f2b_ip_set_updates", "UpdateIPSet calls that succeeded", ["ip_set"])
ip_set_drift = Counter(
    "f2b_ip_set_drift", "Entries that somebody else added to or took out of an IP set", ["ip_set"]
)
ip_sets_deleted = Counter("f2b_ip_sets_deleted", "IP sets that somebody deleted while they were kept")
ip_set_unreferenced = Gauge("f2b_ip_set_unreferenced", "1 if no rule refers to the IP set", ["ip_set"])
foreign_entries = Gauge("f2b_foreign_entries", "Entries of somebody else's that an IP set keeps", ["ip_set"])
foreign_allowlisted = Gauge(
    "f2b_foreign_allowlisted", "Entries of somebody else's that touch the allowlist", ["ip_set"]
)
bans_active = Gauge("f2b_bans_active", "Active bans that the enforcer knows of")
bans_allowlisted = Gauge("f2b_bans_allowlisted", "Active bans that are not enforced: they touch the allowlist")
bans_left_out = Gauge("f2b_bans_left_out", "Active bans that found no room in any IP set", ["blocklist"])
bans_held_back = Gauge("f2b_bans_held_back", "Active bans that the surge guard keeps out")
bans_waiting = Gauge("f2b_bans_waiting", "Active bans that wait to be written")
oldest_waiting_s = Gauge("f2b_oldest_waiting_seconds", "How long the longest waiting ban has waited")
surge = Gauge("f2b_surge", "1 while the surge guard holds bans back")
enforcer_ready = Gauge("f2b_enforcer_ready", "0 while the enforcer has no access, or the ledger does not answer")
entries_quarantined = Gauge("f2b_entries_quarantined", "Bans whose address WAF refuses")
