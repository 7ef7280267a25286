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
bans_active = Gauge("f2b_bans_active", "Active bans that the enforcer knows of")
bans_left_out = Gauge("f2b_bans_left_out", "Active bans that found no room in any IP set")
entries_quarantined = Gauge("f2b_entries_quarantined", "Bans whose address WAF refuses")
