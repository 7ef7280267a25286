"""Alerts about bans that do not reach the IP sets, or have no effect there."""

from deploy.monitoring.alert import PAGE, TICKET, Alert

FULL_RATIO = 0.9
WAITS_S = 60
SPENT_RATIO = 0.9

_WHO = 'job="f2b",instance="a:9100"'
_OTHER = 'job="f2b",instance="b:9100"'
_HERE = 'region="eu-west-1"'
_SET = f'{_HERE},ip_set="f2b-ipv4"'
_SEEN = {"job": "f2b", "region": "eu-west-1"}
_SEEN_SET = {**_SEEN, "ip_set": "f2b-ipv4"}
_SEEN_LIST = {**_SEEN, "blocklist": "block"}

ENFORCING = [
    Alert(
        "F2bNoWorker",
        "absent(f2b_up == 1)",
        "No worker of f2b works",
        "Prometheus sees no worker of f2b that works: none runs, none can work, or none is scraped. While none"
        " runs, nobody is banned and nobody is let go.",
        PAGE,
        lasts="5m",
        fires={f"f2b_up{{{_WHO}}}": "1x10 0x30"},
        silent={f"f2b_up{{{_WHO}}}": "0x40", f"f2b_up{{{_OTHER}}}": "1x40"},
    ),
    Alert(
        "F2bNothingEnforces",
        # All that was there within a day, since the series of processes that are gone are gone, too.
        "max by (job, region) (max_over_time(f2b_lease_holder[1d]))\n"
        "unless\n"
        "max by (job, region) (f2b_lease_holder) == 1",
        "Nobody enforces bans",
        "No worker of {{ $labels.job }} keeps the IP sets in {{ $labels.region }}: no new ban is enforced there,"
        " and no ban ends.",
        PAGE,
        lasts="1m",
        seen=_SEEN,
        fires={
            f"f2b_lease_holder{{{_WHO},{_HERE}}}": "1x10 stale",
            f"f2b_lease_holder{{{_OTHER},{_HERE}}}": "0x40",
        },
        silent={
            f"f2b_lease_holder{{{_WHO},{_HERE}}}": "1x10 stale",
            f"f2b_lease_holder{{{_OTHER},{_HERE}}}": "0x10 1x30",
        },
    ),
    Alert(
        "F2bEnforcerNotReady",
        "min by (job, region) (f2b_enforcer_ready) == 0",
        "A worker cannot enforce",
        "A worker of {{ $labels.job }} cannot read or write the IP sets in {{ $labels.region }}, or the table does"
        " not answer it. Its /readyz says why.",
        PAGE,
        lasts="5m",
        seen=_SEEN,
        fires={f"f2b_enforcer_ready{{{_WHO},{_HERE}}}": "1x30 0x10"},
        silent={f"f2b_enforcer_ready{{{_WHO},{_HERE}}}": "1x36 0x4"},
    ),
    Alert(
        "F2bIpSetUnreferenced",
        "max by (job, region, ip_set) (f2b_ip_set_unreferenced) == 1",
        "An IP set blocks nobody",
        "No rule of a web ACL in use refers to {{ $labels.ip_set }} in {{ $labels.region }}: its bans have no"
        " effect.",
        PAGE,
        lasts="10m",
        seen=_SEEN_SET,
        fires={f"f2b_ip_set_unreferenced{{{_WHO},{_SET}}}": "1x40"},
        silent={f"f2b_ip_set_unreferenced{{{_WHO},{_SET}}}": "0x31 1x9"},
    ),
    Alert(
        "F2bBansWait",
        f"max by (job, region) (f2b_oldest_waiting_seconds) > {WAITS_S}",
        "Bans wait for more than a minute",
        "A ban of {{ $labels.job }} has waited for {{ $value | humanizeDuration }} for its place in an IP set in"
        " {{ $labels.region }}.",
        PAGE,
        lasts="1m",
        seen=_SEEN,
        shown="1m 30s",
        fires={f"f2b_oldest_waiting_seconds{{{_WHO},{_HERE}}}": "0x30 90x10"},
        silent={f"f2b_oldest_waiting_seconds{{{_WHO},{_HERE}}}": "0x30 59x10"},
    ),
    Alert(
        "F2bBansLeftOut",
        "max by (job, region, blocklist) (f2b_bans_left_out) > 0",
        "Bans find no room in the IP sets",
        "{{ $value }} bans of the blocklist {{ $labels.blocklist }} find no room in any IP set in"
        " {{ $labels.region }}.",
        PAGE,
        lasts="5m",
        seen=_SEEN_LIST,
        shown="12",
        fires={f'f2b_bans_left_out{{{_WHO},{_HERE},blocklist="block"}}': "0x30 12x10"},
        silent={f'f2b_bans_left_out{{{_WHO},{_HERE},blocklist="block"}}': "0x36 12x4"},
    ),
    Alert(
        "F2bSurge",
        "max by (job, region) (f2b_surge) == 1",
        "The surge guard holds bans back",
        "More bans were new within a minute than the surge guard allows. They are not enforced in"
        " {{ $labels.region }} until somebody releases them.",
        PAGE,
        lasts="1m",
        seen=_SEEN,
        fires={f"f2b_surge{{{_WHO},{_HERE}}}": "0x30 1x10"},
        silent={f"f2b_surge{{{_WHO},{_HERE}}}": "1x10 0x30"},
    ),
    Alert(
        "F2bIpSetsAlmostFull",
        # IP sets are filled one after the other: a full one says nothing, all of one kind together do.
        f"max by (job, region, blocklist) (f2b_ip_sets_used_ratio) > {FULL_RATIO}",
        "IP sets are almost full",
        "The IP sets of the blocklist {{ $labels.blocklist }} in {{ $labels.region }} are"
        " {{ $value | humanizePercentage }} full, those of IPv4 or those of IPv6.",
        TICKET,
        lasts="15m",
        seen=_SEEN_LIST,
        shown="95%",
        fires={f'f2b_ip_sets_used_ratio{{{_WHO},{_HERE},blocklist="block"}}': "0.95x40"},
        silent={f'f2b_ip_sets_used_ratio{{{_WHO},{_HERE},blocklist="block"}}': "0.95x30 0.89x10"},
    ),
    Alert(
        "F2bEntryQuarantined",
        "max by (job, region) (f2b_entries_quarantined) > 0",
        "WAF refuses an address",
        "WAF refuses {{ $value }} addresses in {{ $labels.region }}. f2b leaves them out and tries them again"
        " after an hour. All others go in.",
        TICKET,
        lasts="10m",
        seen=_SEEN,
        shown="1",
        fires={f"f2b_entries_quarantined{{{_WHO},{_HERE}}}": "1x40"},
        silent={f"f2b_entries_quarantined{{{_WHO},{_HERE}}}": "1x20 0x20"},
    ),
    Alert(
        "F2bPausedForLong",
        "max by (job, region, blocklist) (f2b_paused) == 1",
        "A blocklist has been paused for eight hours",
        "Somebody paused the blocklist {{ $labels.blocklist }} in {{ $labels.region }} more than eight hours"
        " ago. Its IP sets stay as they are.",
        TICKET,
        lasts="8h",
        seen=_SEEN_LIST,
        ends="9h",
        fires={f'f2b_paused{{{_WHO},{_HERE},blocklist="block"}}': "1x540"},
        silent={f'f2b_paused{{{_WHO},{_HERE},blocklist="block"}}': "1x400 0x20 1x118"},
    ),
    Alert(
        "F2bWafBudgetSpent",
        f"max by (job, region) (f2b_waf_update_budget_used_ratio) > {SPENT_RATIO}",
        "IP sets are written as often as WAF allows",
        "For half an hour, f2b has used {{ $value | humanizePercentage }} of the UpdateIPSet calls that WAF"
        " allows in {{ $labels.region }}. Others who write IP sets are throttled.",
        TICKET,
        lasts="30m",
        seen=_SEEN,
        shown="100%",
        fires={f"f2b_waf_update_budget_used_ratio{{{_WHO},{_HERE}}}": "1x40"},
        silent={f"f2b_waf_update_budget_used_ratio{{{_WHO},{_HERE}}}": "1x20 0.5 1x19"},
    ),
]
