"""The dashboard of the enforcer, and of AWS as it answers."""

from __future__ import annotations

from deploy.monitoring.panel import ONE_IS_BAD, RATE, Board, Panel, of, per_s, quantile

ENFORCER = Board(
    "f2b-enforcer",
    "f2b: enforcer and AWS",
    "What stands in the IP sets, who writes them, and how AWS answers.",
    {
        "Who enforces": [
            Panel(
                "Holder of the lease",
                "none",
                "1 for the worker that enforces in the Region.",
                {"{{region}} {{instance}}": f"max by (region, instance) ({of('f2b_lease_holder')})"},
                most=1,
            ),
            Panel(
                "Workers that cannot enforce",
                "none",
                "No access, or the table does not answer. Their /readyz says why.",
                {"{{region}} {{instance}}": f"1 - min by (region, instance) ({of('f2b_enforcer_ready')})"},
                most=1,
            ),
            Panel(
                "Surge guard, pauses, other blocklists",
                "none",
                "1 while it is so.",
                {
                    "surge {{region}}": f"max by (region) ({of('f2b_surge')})",
                    "paused {{region}} {{blocklist}}": f"max by (region, blocklist) ({of('f2b_paused')})",
                    "other blocklists {{region}}": (
                        f"max by (region) ({of('f2b_enforcer_configured_otherwise')})"
                    ),
                },
                most=1,
            ),
        ],
        "IP sets": [
            Panel(
                "Room that is taken",
                "percentunit",
                "IP sets are filled one after the other: so some may be full while their blocklist has room.",
                {
                    "{{blocklist}} {{region}}": f"max by (region, blocklist) ({of('f2b_ip_sets_used_ratio')})",
                    "{{ip_set}} {{region}}": (
                        f"max by (region, ip_set) ({of('f2b_ip_set_entries')})"
                        f" / max by (region, ip_set) ({of('f2b_ip_set_capacity')})"
                    ),
                },
                kind="bargauge",
                most=1,
                red_from=0.9,
            ),
            Panel(
                "Entries",
                "short",
                "Whoever put them there.",
                {"{{ip_set}} {{region}}": f"max by (region, ip_set) ({of('f2b_ip_set_entries')})"},
            ),
            Panel(
                "IP sets that no rule uses",
                "none",
                "Their bans have no effect.",
                {"{{ip_set}} {{region}}": f"max by (region, ip_set) ({of('f2b_ip_set_unreferenced')})"},
                kind="stat",
                says=ONE_IS_BAD,
            ),
            Panel(
                "Updates a minute",
                "cpm",
                "UpdateIPSet calls that succeeded.",
                {"{{ip_set}} {{region}}": f"60 * {per_s('f2b_ip_set_updates_total', 'region, ip_set')}"},
                stacked=True,
            ),
            Panel(
                "WAF's budget of updates",
                "percentunit",
                "Of the UpdateIPSet calls that WAF allows in a Region, for all who write IP sets.",
                {"{{region}}": f"max by (region) ({of('f2b_waf_update_budget_used_ratio')})"},
                red_from=0.9,
            ),
            Panel(
                "Changes and entries of somebody else's",
                "short",
                "Changes: within the shown step.",
                {
                    "changes {{ip_set}}": f"sum by (ip_set) (increase({of('f2b_ip_set_drift_total')}[{RATE}]))",
                    "foreign {{ip_set}}": f"max by (ip_set) ({of('f2b_foreign_entries')})",
                    "block the allowlist {{ip_set}}": f"max by (ip_set) ({of('f2b_foreign_allowlisted')})",
                },
            ),
        ],
        "AWS": [
            Panel(
                "Calls a second, by service",
                "reqps",
                "Each try counts.",
                {"{{service}}": per_s("f2b_aws_request_seconds_count", "service")},
                stacked=True,
            ),
            Panel(
                "Calls that fail, by service",
                "percentunit",
                "A condition that does not hold is no failure: somebody else was faster.",
                {
                    "{{service}}": (
                        per_s("f2b_aws_request_seconds_count", "service", 'outcome!~"ok|condition"')
                        + f" / {per_s('f2b_aws_request_seconds_count', 'service')}"
                    )
                },
                red_from=0.1,
            ),
            Panel(
                "How calls end",
                "reqps",
                "All but those that AWS did.",
                {
                    "{{service}} {{outcome}}": per_s(
                        "f2b_aws_request_seconds_count", "service, outcome", 'outcome!="ok"'
                    )
                },
                stacked=True,
            ),
            Panel(
                "Time of an answer, 95 %",
                "s",
                "ReceiveMessage waits for messages, so it is left out.",
                {
                    "{{service}} {{operation}}": quantile(
                        0.95, "f2b_aws_request_seconds", "service, operation", 'operation!="ReceiveMessage"'
                    )
                },
                width=12,
            ),
            Panel(
                "Failures that are tried again",
                "cps",
                "By kind; docs/metrics.md says what each means.",
                {"{{kind}}": per_s("f2b_aws_failures_total", "kind")},
                width=12,
                stacked=True,
            ),
        ],
        "Stored items": [
            Panel(
                "Bans that cannot be read",
                "short",
                "What IP sets hold of them stays there.",
                {"{{region}}": f"max by (region) ({of('f2b_bans_unreadable')})"},
                width=12,
            ),
            Panel(
                "Items that cannot be read",
                "short",
                "Counted when they are first met; the log names each.",
                {"{{kind}}": f"sum by (kind) ({of('f2b_unreadable_total')})"},
                width=12,
            ),
        ],
    },
)
