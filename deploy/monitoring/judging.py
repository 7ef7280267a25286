"""Alerts about reports, messages and the workers that judge them."""

from deploy.monitoring.alert import PAGE, TICKET, Alert, grew

OLDEST_S = 300
QUEUE_LONG = 10_000
RESTARTS = 2

_WHO = 'job="f2b",instance="a:9100"'
_OTHER = 'job="f2b",instance="b:9100"'
_SEEN = {"job": "f2b"}
_CANNOT_BAN = 'reason="in_future",jail="login",reporter="web-1"'

JUDGING = [
    Alert(
        "F2bQueueOld",
        f"max by (job) (f2b_queue_oldest_age_seconds) > {OLDEST_S}",
        "Messages wait for more than five minutes",
        "Workers of {{ $labels.job }} receive messages that have waited for {{ $value | humanizeDuration }}:"
        " bans come late.",
        PAGE,
        lasts="5m",
        seen=_SEEN,
        shown="15m 0s",
        fires={f"f2b_queue_oldest_age_seconds{{{_WHO}}}": "900x40"},
        silent={f"f2b_queue_oldest_age_seconds{{{_WHO}}}": "900x30 200x10"},
    ),
    Alert(
        "F2bQueueLong",
        f'max by (job) (f2b_queue_messages{{state="waiting"}}) > {QUEUE_LONG}',
        "More than 10,000 messages wait",
        "{{ $value }} messages wait in the queue of {{ $labels.job }}: more come than the workers judge.",
        TICKET,
        lasts="15m",
        seen=_SEEN,
        shown="25000",
        fires={f'f2b_queue_messages{{{_WHO},state="waiting"}}': "25000x40"},
        silent={
            f'f2b_queue_messages{{{_WHO},state="waiting"}}': "25000x20 9000x20",
            f'f2b_queue_messages{{{_WHO},state="in_flight"}}': "25000x40",
        },
    ),
    Alert(
        "F2bDeadLetters",
        'max by (job) (delta(f2b_queue_messages{state="dead_letters"}[15m])) > 0',
        "There are more dead letters",
        "The dead-letter queue of {{ $labels.job }} grows: some of what is reported cannot be judged.",
        TICKET,
        seen=_SEEN,
        fires={f'f2b_queue_messages{{{_WHO},state="dead_letters"}}': "3x35 4x5"},
        silent={f'f2b_queue_messages{{{_WHO},state="dead_letters"}}': "3x35 0x5"},
    ),
    Alert(
        "F2bNoInfractions",
        # Of who only enforces, and of a shim, the counter stands at 0 for ever: there is nothing to miss.
        "sum by (job) (increase(f2b_infractions_judged_total[1d])) == 0\n"
        "and\n"
        "sum by (job) (increase(f2b_infractions_judged_total[7d])) > 0",
        "Nothing was reported for a day",
        "Workers of {{ $labels.job }} have judged no infraction for a day, though they did so within the last"
        " week. Most often, reporting is broken.",
        TICKET,
        lasts="1h",
        seen=_SEEN,
        ends="28h",
        fires={f"f2b_infractions_judged_total{{{_WHO}}}": "0+10x60 600x1700"},
        silent={
            f"f2b_infractions_judged_total{{{_WHO}}}": "0+10x60 600x1000 601x700",
            'f2b_infractions_judged_total{job="shim",instance="c:8000"}': "0x1700",
        },
    ),
    Alert(
        "F2bReportsCannotBan",
        grew("f2b_cannot_ban_total", "job, reason, jail, reporter", "1h"),
        "Reports come too late or too early to ban anybody",
        "Infractions of the jail {{ $labels.jail }} from {{ $labels.reporter }} ban nobody ({{ $labels.reason }})."
        " Most often a clock or a time zone is wrong.",
        TICKET,
        seen={"job": "f2b", "reason": "in_future", "jail": "login", "reporter": "web-1"},
        ends="2h",
        fires={f"f2b_cannot_ban_total{{{_WHO},{_CANNOT_BAN}}}": "_x110 5x10"},
        silent={f"f2b_cannot_ban_total{{{_WHO},{_CANNOT_BAN}}}": "5x120"},
    ),
    Alert(
        "F2bOffendersOverBudget",
        "sum by (job) (f2b_offenders_over_budget) > 0",
        "More offenders come than workers may judge",
        "{{ $value }} offenders of {{ $labels.job }} wait, since more came than --offenders-per-s, or than"
        " DynamoDB takes.",
        TICKET,
        lasts="15m",
        seen=_SEEN,
        shown="5000",
        fires={
            f"f2b_offenders_over_budget{{{_WHO}}}": "2000x40",
            f"f2b_offenders_over_budget{{{_OTHER}}}": "3000x40",
        },
        silent={f"f2b_offenders_over_budget{{{_WHO}}}": "2000x30 0x10"},
    ),
    Alert(
        "F2bWorkersRestart",
        f"sum by (job) (increase(f2b_process_deaths_total[15m])) > {RESTARTS}\n"
        "or\n"
        "sum by (job) (changes(process_start_time_seconds[15m]) and on (job, instance) f2b_up)"
        f" > {RESTARTS}",
        "Workers die again and again",
        "More than two processes of {{ $labels.job }} died within 15 minutes. Their messages come again.",
        TICKET,
        seen=_SEEN,
        fires={
            f"f2b_up{{{_WHO}}}": "1x40",
            f"process_start_time_seconds{{{_WHO}}}": "1000x29 2000 3000 4000x9",
        },
        silent={
            f"f2b_up{{{_WHO}}}": "1x40",
            f"process_start_time_seconds{{{_WHO}}}": "1000x29 2000x11",
            'process_start_time_seconds{job="node",instance="n:9100"}': "1000+60x40",
            f"f2b_process_deaths_total{{{_OTHER}}}": "0x35 1x5",
        },
    ),
    Alert(
        "F2bReloadRefused",
        "max by (job) (f2b_generation)\n-\nmin by (job) (f2b_generation and on (job, instance) f2b_up == 1) > 0",
        "A worker goes by an old jails file",
        "A worker of {{ $labels.job }} has not followed the last `f2b reload`: it goes by the jails of before.",
        TICKET,
        lasts="15m",
        seen=_SEEN,
        fires={
            **{f"f2b_up{{{who}}}": "1x40" for who in (_WHO, _OTHER)},
            f"f2b_generation{{{_WHO}}}": "4x40",
            f"f2b_generation{{{_OTHER}}}": "3x40",
        },
        silent={
            **{f"f2b_up{{{who}}}": "1x40" for who in (_WHO, _OTHER)},
            f"f2b_generation{{{_WHO}}}": "4x40",
            f"f2b_generation{{{_OTHER}}}": "3x30 4x10",
            'f2b_up{job="f2b",instance="shim:8000"}': "0x40",
            'f2b_generation{job="f2b",instance="shim:8000"}': "0x40",
        },
    ),
    Alert(
        "F2bUnreadable",
        grew("f2b_unreadable_total", "job, kind", "1h"),
        "Something stored cannot be read",
        "Workers of {{ $labels.job }} met stored items of the kind {{ $labels.kind }} that they cannot read. All"
        " else goes on.",
        TICKET,
        seen={"job": "f2b", "kind": "ban"},
        ends="2h",
        fires={f'f2b_unreadable_total{{{_WHO},kind="ban"}}': "1x100 2x20"},
        silent={f'f2b_unreadable_total{{{_WHO},kind="ban"}}': "2x120"},
    ),
]
