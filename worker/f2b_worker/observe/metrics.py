"""Counters of the worker, for Prometheus; `--metrics-port` serves them, of all its processes together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

import f2b_worker.observe.build_info  # noqa: F401 - it shows the version by itself
from f2b_worker.errors import Permanent
from f2b_worker.observe.shared import count_by_name

if TYPE_CHECKING:
    from f2b_worker.errors import F2bError

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
batch_infractions = Histogram(
    "f2b_batch_infractions",
    "How many infractions came in one message; one observation a delivery",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000),
)

# From the infraction to the IP set. The least is what a linger takes, the most is an outage of an hour.
_WAITS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
report_to_verdict_s = Histogram(
    "f2b_report_to_verdict_seconds",
    "From an infraction's own time until its verdict was stored. One observation for all infractions of one"
    " address and jail that were judged together, by the oldest; none for those that fell into a known ban",
    buckets=_WAITS_S,
)
verdict_to_enforced_s = Histogram(
    "f2b_verdict_to_enforced_seconds",
    "From when the enforcer asked for the news that had a ban, 0.25 s after its verdict at most, until an IP set"
    " held it. One observation a ban; none for those that were there when the enforcer took over",
    buckets=_WAITS_S,
)
report_to_enforced_s = Histogram(
    "f2b_report_to_enforced_seconds",
    "From the time of the infraction that was one too many until an IP set held the ban. One observation a ban of"
    " the judge, as above",
    buckets=_WAITS_S,
)

# What AWS is asked for. A long poll takes as long as it waits.
aws_request_s = Histogram(
    "f2b_aws_request_seconds",
    "How long AWS took to answer; one observation for each try of a call. ReceiveMessage waits for messages",
    ["service", "operation", "outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
aws_capacity_units = Counter(
    "f2b_aws_capacity_units",
    "Units of DynamoDB that it told of; it does not tell what refused conditions and failed calls cost",
    ["table", "kind"],
)
cost_dollars_per_hour = Gauge(
    "f2b_estimated_cost_dollars_per_hour",
    "What this worker's calls to SQS and DynamoDB would cost in an hour, as in the last one, at list prices",
    multiprocess_mode="livesum",
)
queue_messages = Gauge(
    "f2b_queue_messages",
    "Messages in the queue and its dead-letter queue, by SQS's own numbers; asked for once a minute",
    ["state"],
    multiprocess_mode="livemax",
)
queue_oldest_age_s = Gauge(
    "f2b_queue_oldest_age_seconds",
    "How old the oldest message was of those that this worker received in the last minute or two",
    multiprocess_mode="livemax",
)

# What people and programs beside the workers do.
operator_actions = Counter(
    "f2b_operator_actions",
    "What operators did, as the audit has it; the one worker counts that holds the lease of the scribe",
    ["action"],
)
companion_deaths = Counter(
    "f2b_companion_deaths",
    "Processes beside a worker that ended or hung, and were started again",
    ["companion"],
)
notices = Counter("f2b_notices", "Notices, by what became of them; each try counts", ["target", "outcome"])

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
ip_set_entries = _shown_by_one("f2b_ip_set_entries", "Entries that an IP set holds, of whomever", _IP_SET)
ip_set_capacity = _shown_by_one("f2b_ip_set_capacity", "How many entries WAF lets an IP set have", _IP_SET)
ip_sets_used = _shown_by_one(
    "f2b_ip_sets_used_ratio",
    "How full all IP sets of a blocklist are together, of IPv4 or of IPv6, whichever is fuller",
    _BLOCKLIST,
)
budget_used = _shown_by_one(
    "f2b_waf_update_budget_used_ratio",
    "UpdateIPSet calls of this worker in the last minute, as a part of the 60 that WAF allows for all callers",
    _REGION,
)
lease_holder = _shown_by_one("f2b_lease_holder", "1 while this worker enforces in the Region", _REGION)

# The names and meanings of https://github.com/hctrdev/fail2ban-prometheus-exporter, so that its dashboard shows a
# fleet unchanged. It shows its counter f2b_errors without "_total", which only a gauge does here.
_JAIL = ["jail"]
up = Gauge("f2b_up", "1 while this worker does its work", multiprocess_mode="livemin")
errors = Gauge("f2b_errors", "Failed calls to AWS since the start", ["type"], multiprocess_mode="sum")
version_info = _shown_by_one(
    "f2b_version", "Always 1; f2b is both the exporter and who bans, in fail2ban's place", ["exporter", "fail2ban"]
)
jail_count = _shown_by_one("f2b_jail_count", "Jails of the jails file, with the default jail")
jail_banned_current = _shown_by_one(
    "f2b_jail_banned_current",
    "Addresses under a running ban of this jail, in the whole fleet; shown by the worker that enforces",
    _JAIL,
)
jail_banned = Counter("f2b_jail_banned", "Bans of this jail that this worker's judge began", _JAIL)
jail_failed_current = Gauge(
    "f2b_jail_failed_current",
    "Addresses with infractions within findtime and no ban, of those that this worker judged; 20,000 at most",
    _JAIL,
    multiprocess_mode="livesum",
)
jail_failed = Counter("f2b_jail_failed", "Infractions of this jail that this worker recorded and judged", _JAIL)
jail_ban_time_s = _shown_by_one(
    "f2b_config_jail_ban_time", "The first ban's length in seconds; -1 for a ban without an end", _JAIL
)
jail_find_time_s = _shown_by_one(
    "f2b_config_jail_find_time", "The jail's findtime in seconds; the first of several", _JAIL
)
jail_max_retries = _shown_by_one("f2b_config_jail_max_retries", "The jail's maxretry; the first of several", _JAIL)


def count_failure(error: F2bError) -> None:
    """Count a failed call that is tried again."""
    aws_failures.labels(type(error).__name__).inc()
    errors.labels("permanent" if isinstance(error, Permanent) else "retryable").inc()
