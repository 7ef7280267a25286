"""The dashboard of the fleet."""

from __future__ import annotations

from deploy.monitoring.panel import EACH_WORKER, FLEET_WIDE, ONE_IS_WELL, RATE, Board, Panel, of, per_s, quantile

_SHOWN = 'alertname=~"F2b.+",alertstate="firing"'


def _quantiles(histogram: str) -> dict[str, str]:
    return {f"{round(ratio * 100)} %": quantile(ratio, histogram) for ratio in (0.5, 0.95, 0.99)}


FLEET = Board(
    "f2b-fleet",
    "f2b: the fleet",
    "Is it well, who attacks, and how fast is he blocked?",
    {
        "Is it well?": [
            Panel(
                "Somebody enforces",
                "none",
                "Whether a worker keeps the IP sets, by Region.",
                {"{{region}}": f"max by (region) ({of('f2b_lease_holder')})"},
                kind="stat",
                width=4,
                says=ONE_IS_WELL,
            ),
            Panel(
                "Alerts",
                "none",
                "Alerts of f2b that fire now. docs/runbook.md says what to do about each.",
                {"alerts": f"count(ALERTS{{{_SHOWN}}}) or vector(0)"},
                kind="stat",
                width=4,
                red_from=1,
            ),
            Panel(
                "Workers that work",
                "none",
                "Workers that can do all of their work now.",
                {"workers": f"sum({of('f2b_up')})"},
                kind="stat",
                width=4,
            ),
            Panel(
                "Banned now",
                "short",
                f"Addresses under a running ban. {FLEET_WIDE}",
                {"banned": f"sum(max by (job, jail) ({of('f2b_jail_banned_current')}))"},
                kind="stat",
                width=4,
            ),
            Panel(
                "Longest wait",
                "s",
                "How long the longest waiting ban has waited for its place in an IP set.",
                {"waits": f"max({of('f2b_oldest_waiting_seconds')})"},
                kind="stat",
                width=4,
                red_from=60,
            ),
            Panel(
                "Cost an hour",
                "currencyUSD",
                f"Calls to SQS and DynamoDB at list prices. {EACH_WORKER}",
                {"cost": f"sum({of('f2b_estimated_cost_dollars_per_hour')})"},
                kind="stat",
                width=4,
                red_from=1,
            ),
        ],
        "Attack": [
            Panel(
                "Infractions a second, by jail",
                "cps",
                EACH_WORKER,
                {"{{jail}}": per_s("f2b_jail_failed_total", "jail")},
                stacked=True,
            ),
            Panel(
                "New bans a minute, by jail",
                "cpm",
                EACH_WORKER,
                {"{{jail}}": f"60 * {per_s('f2b_jail_banned_total', 'jail')}"},
                stacked=True,
            ),
            Panel(
                "Banned addresses, by jail",
                "short",
                FLEET_WIDE,
                {"{{jail}}": f"sum by (jail) (max by (job, jail) ({of('f2b_jail_banned_current')}))"},
                stacked=True,
            ),
            Panel(
                "Addresses on their way to a ban, by jail",
                "short",
                f"They have infractions within findtime, and no ban. {EACH_WORKER}",
                {"{{jail}}": f"sum by (jail) ({of('f2b_jail_failed_current')})"},
                stacked=True,
            ),
            Panel(
                "Bans that are not enforced",
                "short",
                "By reason. Held back: the surge guard. Left out: the IP sets are full.",
                {
                    "wait {{region}}": f"max by (region) ({of('f2b_bans_waiting')})",
                    "held back {{region}}": f"max by (region) ({of('f2b_bans_held_back')})",
                    "left out {{region}} {{blocklist}}": f"max by (region, blocklist) ({of('f2b_bans_left_out')})",
                    "allowlisted {{region}}": f"max by (region) ({of('f2b_bans_allowlisted')})",
                    "refused by WAF {{region}}": f"max by (region) ({of('f2b_entries_quarantined')})",
                },
            ),
            Panel(
                "What operators did",
                "cpm",
                "Bans, lifts and other acts by hand.",
                {"{{action}}": f"60 * {per_s('f2b_operator_actions_total', 'action')}"},
                stacked=True,
            ),
        ],
        "From report to block": [
            Panel(
                "Report to IP set",
                "s",
                "From the infraction that was one too many until an IP set has the ban.",
                _quantiles("f2b_report_to_enforced_seconds"),
            ),
            Panel(
                "Report to verdict",
                "s",
                "From an infraction until its verdict is stored: the reporter's linger, the queue, the judge.",
                _quantiles("f2b_report_to_verdict_seconds"),
            ),
            Panel(
                "Verdict to IP set",
                "s",
                "From when the enforcer hears of a ban until an IP set has it.",
                _quantiles("f2b_verdict_to_enforced_seconds"),
            ),
        ],
        "What comes in": [
            Panel(
                "Messages in the queue",
                "short",
                "By SQS's own numbers, asked for once a minute.",
                {"{{state}}": f"max by (state) ({of('f2b_queue_messages')})"},
            ),
            Panel(
                "Age of the oldest message",
                "s",
                "Of those that were received in the last minute or two.",
                {"oldest": f"max({of('f2b_queue_oldest_age_seconds')})"},
            ),
            Panel(
                "Set aside as dead letters",
                "cps",
                "By what is wrong with them; docs/metrics.md has the reasons.",
                {"{{reason}}": per_s("f2b_refused_total", "reason")},
                stacked=True,
            ),
            Panel(
                "Never banned",
                "cps",
                "Infractions of addresses that are never banned.",
                {"{{reason}}": per_s("f2b_ignored_total", "reason")},
                stacked=True,
            ),
            Panel(
                "Too late or too early to ban",
                "cps",
                "Most often a reporter's clock or time zone is wrong.",
                {"{{reporter}} {{jail}} {{reason}}": per_s("f2b_cannot_ban_total", "reporter, jail, reason")},
                stacked=True,
            ),
            Panel(
                "Report to the shim until it is stored",
                "s",
                "How long the first report of a message waits; a message has many reports.",
                _quantiles("f2b_shim_store_seconds"),
            ),
            Panel(
                "Reports that the shim refuses",
                "reqps",
                "By reason; docs/metrics.md says what each means.",
                {"{{reason}}": per_s("f2b_shim_refused_total", "reason")},
                stacked=True,
            ),
            Panel(
                "Answers of the shim",
                "reqps",
                "By status.",
                {"{{status}}": per_s("f2b_shim_answers_total", "status")},
                stacked=True,
            ),
        ],
        "Processes": [
            Panel(
                "Versions",
                "none",
                "Processes of each version of f2b.",
                {"{{version}}": f"count by (version) ({of('f2b_build_info')})"},
                stacked=True,
            ),
            Panel(
                "Notices",
                "cpm",
                "By target and what became of them.",
                {"{{target}} {{outcome}}": f"60 * {per_s('f2b_notices_total', 'target, outcome')}"},
            ),
            Panel(
                "Log lines that nobody sees",
                "cps",
                "Dropped: nobody read them. Left out: their event had been logged often within a minute.",
                {
                    "dropped": f"sum(rate({of('f2b_log_lines_dropped_total')}[{RATE}]))",
                    "left out: {{event}}": per_s("f2b_log_lines_left_out_total", "event"),
                },
            ),
        ],
    },
)
