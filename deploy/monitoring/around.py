"""Alerts about AWS, about others who work on the same things, about cost, and about f2b's own mouth."""

from deploy.monitoring.alert import TICKET, Alert, grew

FAILING_RATIO = 0.1
DOLLARS_PER_HOUR = 1
RESTARTS = 2

_WHO = 'job="f2b",instance="a:9100"'
_OTHER = 'job="f2b",instance="b:9100"'
_SET = 'region="eu-west-1",ip_set="f2b-ipv4"'
_SEEN = {"job": "f2b"}
_SEEN_SET = {"job": "f2b", "region": "eu-west-1", "ip_set": "f2b-ipv4"}
_CALL = f'{_WHO},service="sqs",operation="ReceiveMessage"'

AROUND = [
    Alert(
        "F2bAwsFails",
        # A condition that does not hold says that somebody else was faster: that is daily bread.
        'sum by (job, service) (rate(f2b_aws_request_seconds_count{outcome!~"ok|condition"}[10m]))\n'
        "/\n"
        "sum by (job, service) (rate(f2b_aws_request_seconds_count[10m]))"
        f" > {FAILING_RATIO}",
        "More than a tenth of the calls to AWS fail",
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.job }} to {{ $labels.service }} fail.",
        TICKET,
        lasts="10m",
        seen={"job": "f2b", "service": "sqs"},
        shown="25%",
        fires={
            f'f2b_aws_request_seconds_count{{{_CALL},outcome="ok"}}': "0+300x40",
            f'f2b_aws_request_seconds_count{{{_CALL},outcome="throttled"}}': "0+100x40",
        },
        silent={
            f'f2b_aws_request_seconds_count{{{_CALL},outcome="ok"}}': "0+300x40",
            f'f2b_aws_request_seconds_count{{{_CALL},outcome="condition"}}': "0+100x40",
            f'f2b_aws_request_seconds_count{{{_CALL},outcome="error"}}': "0+10x40",
        },
    ),
    Alert(
        "F2bIpSetDrift",
        grew("f2b_ip_set_drift_total", "job, region, ip_set", "30m"),
        "Somebody else changes an IP set",
        "Somebody else added entries to {{ $labels.ip_set }} in {{ $labels.region }}, or took some out. f2b puts"
        " back what is missing.",
        TICKET,
        seen=_SEEN_SET,
        fires={f"f2b_ip_set_drift_total{{{_WHO},{_SET}}}": "_x35 2x5"},
        silent={f"f2b_ip_set_drift_total{{{_WHO},{_SET}}}": "2x40"},
    ),
    Alert(
        "F2bForeignBlocksAllowlist",
        "max by (job, region, ip_set) (f2b_foreign_allowlisted) > 0",
        "An entry of somebody else's blocks the allowlist",
        "{{ $labels.ip_set }} in {{ $labels.region }} has entries of somebody else's that block addresses of the"
        " allowlist. f2b does not remove them.",
        TICKET,
        lasts="15m",
        seen=_SEEN_SET,
        fires={f"f2b_foreign_allowlisted{{{_WHO},{_SET}}}": "1x40"},
        silent={f"f2b_foreign_allowlisted{{{_WHO},{_SET}}}": "1x30 0x10"},
    ),
    Alert(
        "F2bConfiguredOtherwise",
        "max by (job, region) (f2b_enforcer_configured_otherwise) == 1",
        "Workers have different blocklists",
        "A worker with other blocklists enforces in {{ $labels.region }}, not those of the jails file that some"
        " workers of {{ $labels.job }} have.",
        TICKET,
        lasts="30m",
        seen={"job": "f2b", "region": "eu-west-1"},
        fires={f'f2b_enforcer_configured_otherwise{{{_WHO},region="eu-west-1"}}': "1x40"},
        silent={f'f2b_enforcer_configured_otherwise{{{_WHO},region="eu-west-1"}}': "0x20 1x20"},
    ),
    Alert(
        "F2bCostly",
        f"sum by (job) (f2b_estimated_cost_dollars_per_hour) > {DOLLARS_PER_HOUR}",
        "f2b costs more than a dollar an hour",
        "The calls of {{ $labels.job }} to SQS and DynamoDB cost ${{ $value }} an hour, at list prices.",
        TICKET,
        lasts="30m",
        seen=_SEEN,
        shown="1.5",
        fires={
            f"f2b_estimated_cost_dollars_per_hour{{{_WHO}}}": "0.75x40",
            f"f2b_estimated_cost_dollars_per_hour{{{_OTHER}}}": "0.75x40",
        },
        silent={f"f2b_estimated_cost_dollars_per_hour{{{_WHO}}}": "0.75x40"},
    ),
    Alert(
        "F2bNoticesFail",
        # What is tried again may still arrive.
        grew('f2b_notices_total{outcome!~"sent|tried_again"}', "job, target, outcome", "30m"),
        "Notices are lost",
        "Notices of {{ $labels.job }} to {{ $labels.target }} are lost: {{ $labels.outcome }}. Bans are enforced"
        " all the same.",
        TICKET,
        seen={"job": "f2b", "target": "ops", "outcome": "given_up"},
        fires={f'f2b_notices_total{{{_WHO},target="ops",outcome="given_up"}}': "_x35 1x5"},
        silent={
            f'f2b_notices_total{{{_WHO},target="ops",outcome="given_up"}}': "1x40",
            f'f2b_notices_total{{{_WHO},target="ops",outcome="tried_again"}}': "0+1x40",
            f'f2b_notices_total{{{_WHO},target="ops",outcome="sent"}}': "0+1x40",
        },
    ),
    Alert(
        "F2bCompanionDies",
        f"sum by (job, companion) (increase(f2b_companion_deaths_total[15m])) > {RESTARTS}",
        "The dashboard, or what sends notices, dies again and again",
        "The process {{ $labels.companion }} beside workers of {{ $labels.job }} died more than twice within 15"
        " minutes. Judging and enforcing go on.",
        TICKET,
        seen={"job": "f2b", "companion": "dashboard"},
        fires={f'f2b_companion_deaths_total{{{_WHO},companion="dashboard"}}': "0x30 1x2 2x2 3x2 4x10"},
        silent={f'f2b_companion_deaths_total{{{_WHO},companion="dashboard"}}': "0x30 1x10"},
    ),
    Alert(
        "F2bLogLinesDropped",
        "sum by (job) (increase(f2b_log_lines_dropped_total[15m])) > 0",
        "Log lines are lost",
        "Processes of {{ $labels.job }} dropped log lines: nobody reads their standard error, or its disk is"
        " full.",
        TICKET,
        seen=_SEEN,
        fires={f"f2b_log_lines_dropped_total{{{_WHO}}}": "0x30 40x10"},
        silent={f"f2b_log_lines_dropped_total{{{_WHO}}}": "40x40"},
    ),
]
