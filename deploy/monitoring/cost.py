"""The dashboard of cost and capacity."""

from __future__ import annotations

from deploy.monitoring.panel import EACH_WORKER, RATE, Board, Panel, of, per_s

COST = Board(
    "f2b-cost",
    "f2b: cost and capacity",
    "What the fleet's calls cost, how much it judges, and where it is near its limits.",
    {
        "Cost": [
            Panel(
                "Dollars an hour",
                "currencyUSD",
                f"Calls to SQS and DynamoDB at list prices, as in the last hour. {EACH_WORKER}",
                {"{{job}}": f"sum by (job) ({of('f2b_estimated_cost_dollars_per_hour')})"},
            ),
            Panel(
                "Dollars a month, if it goes on",
                "currencyUSD",
                "730 hours like the last one, of all chosen fleets.",
                {"a month": f"730 * sum({of('f2b_estimated_cost_dollars_per_hour')})"},
                kind="stat",
            ),
            Panel(
                "DynamoDB units a second",
                "cps",
                "Request units, by table and kind.",
                {"{{table}} {{kind}}": per_s("f2b_aws_capacity_units_total", "table, kind")},
                stacked=True,
            ),
            Panel(
                "Calls a second, by operation",
                "reqps",
                "Each try of SQS, DynamoDB and WAF counts.",
                {"{{service}} {{operation}}": per_s("f2b_aws_request_seconds_count", "service, operation")},
                width=24,
                stacked=True,
            ),
        ],
        "Judging": [
            Panel(
                "Infractions judged a second, by worker",
                "cps",
                "Without those that fell into a known ban.",
                {"{{instance}}": per_s("f2b_infractions_judged_total", "instance")},
                stacked=True,
            ),
            Panel(
                "Messages judged a second, by worker",
                "cps",
                "Judged and deleted.",
                {"{{instance}}": per_s("f2b_messages_settled_total", "instance")},
                stacked=True,
            ),
            Panel(
                "Infractions in a message",
                "short",
                "On average. SQS bills messages: many in one are cheap.",
                {
                    "infractions": (
                        f"sum(rate({of('f2b_batch_infractions_sum')}[{RATE}]))"
                        f" / sum(rate({of('f2b_batch_infractions_count')}[{RATE}]))"
                    )
                },
            ),
        ],
        "Where it is near its limits": [
            Panel(
                "Offenders that wait",
                "short",
                "Over budget: more came than --offenders-per-s. Held up: the table fails them.",
                {
                    "over budget": f"sum({of('f2b_offenders_over_budget')})",
                    "held up": f"sum({of('f2b_offenders_held_up')})",
                },
            ),
            Panel(
                "Messages left in the queue",
                "cps",
                "By reason. They come again.",
                {"{{reason}}": per_s("f2b_postponed_total", "reason")},
                stacked=True,
            ),
            Panel(
                "Letters and deletions that wait",
                "short",
                "For the dead-letter queue, and for the queue.",
                {
                    "letters": f"sum({of('f2b_dead_letters_waiting')})",
                    "deletions": f"sum({of('f2b_deletions_waiting')})",
                },
            ),
            Panel(
                "CPU of a worker",
                "percentunit",
                "Of one core. Only workers with one process show it.",
                {"{{instance}}": f"rate({of('process_cpu_seconds_total')}[{RATE}])"},
            ),
            Panel(
                "Memory of a worker",
                "bytes",
                "Only workers with one process show it.",
                {"{{instance}}": of("process_resident_memory_bytes")},
            ),
            Panel(
                "Processes that died",
                "short",
                "Within the shown step; only of workers with several processes. They are started again.",
                {"{{instance}}": f"sum by (instance) (increase({of('f2b_process_deaths_total')}[{RATE}]))"},
            ),
        ],
    },
)
