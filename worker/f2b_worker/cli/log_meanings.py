"""What each event of the log means, and what to do. An event without a meaning fails a test."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """What an event tells, and what somebody does about it."""

    means: str
    do: str = "nothing"


ENDS_BY_ITSELF = "nothing, if it ends by itself; the reason says why it fails"
_ROOM = "make more IP sets: `f2b provision` with a larger `--capacity`; the worker may run"
REPORT_IT = "this is a defect of f2b: tell us, with the traceback"

MEANINGS: dict[str, dict[str, Meaning]] = {
    "Start and stop": {
        "working": Meaning("The worker has opened all that it needs, and works."),
        "listening": Meaning(
            "The shim or standalone mode takes infractions at this address and port, or at this file, with so many"
            " processes. If `handed_over` is true, systemd or another supervisor holds the socket, and `--host`,"
            " `--port` and `--uds` are not used. At a stop it takes connections for `drain_s` more.",
        ),
        "trying_again": Meaning(
            "A call failed, at the start or of a loop: to AWS, or, in standalone mode, to the state file.",
            "nothing, if `works_again` follows; the reason says why it fails",
        ),
        "works_again": Meaning("The call succeeds again, after so many failures."),
        "waiting_for_what_is_new": Meaning(
            "A queue or a table that AWS may have made just now is not there yet. The worker waits for"
            " `within_s`.",
            "nothing; if it then ends, make what is missing with `f2b provision`",
        ),
        "stopped": Meaning("The process ends, with this exit code.", "see [the exit codes](operations.md)"),
        "pool_stopped": Meaning(
            "All processes of a worker have ended. The parent ends with this exit code.",
            "see [the exit codes](operations.md)",
        ),
        "stopped_late": Meaning(
            "A stop took too long, since a call to AWS does not return, or, of a shim with `--workers`, since a"
            " process hangs and had to be killed. It ends all the same. Nothing is lost: what a worker had in hand"
            " comes again, and what a shim answered is stored.",
        ),
        "draining": Meaning(
            "The process is to stop. `/readyz` answers 503, and it takes connections for `drain_s` more.",
        ),
        "signal_unheeded": Meaning(
            "A signal came that asks nothing of this process, such as that of who rotates logs. It goes on.",
            "nothing; f2b writes its log to standard error, and has no file to open again",
        ),
        "priority_unchanged": Meaning(
            "A sandbox forbids this process to stand back where there are too few cores. It works all the same,"
            " and has as large a share of them as the others.",
            "nothing; or let the sandbox allow `setpriority`",
        ),
        "part_died": Meaning(
            "A thread of the worker ended with an error. The process stops with exit code 4.",
            "start it again, if no supervisor does. With a traceback it is a defect of f2b: tell us",
        ),
        "worker_died": Meaning(
            "One of several processes died, of a worker or of a shim, or hung and was killed: then `reason` says"
            " so. It is started again after `restart_in_s`. If that is null, the whole worker ends. Its messages"
            " come again.",
            "look at the exit code: -9 often means too little memory; use fewer `--processes` or `--workers`",
        ),
        "parent_died": Meaning(
            "The parent of this process is gone. The process stops in order.", "start the worker again"
        ),
        "jails_reloaded": Meaning(
            "The jails file was read again, and its jails are in force.",
            "if `blocklists` is there: restart the worker to use the changed blocklists",
        ),
        "jails_kept": Meaning(
            "The jails file has an error. The jails of before stay in force.",
            "mend what the reason names; `f2b check` finds all errors. Then reload again",
        ),
        "blocklist_without_ip_sets": Meaning(
            "A jail names a blocklist that has no IP sets. Its bans are enforced nowhere.",
            "give the blocklist its `ip_set` in the jails file, or correct its name in the jail",
        ),
        "open_to_all": Meaning(
            "No token is set: everybody who reaches this port can have addresses banned.",
            "set `F2B_TOKEN`, or keep the port inside your network",
        ),
        "report_refused": Meaning(
            "Reports were refused for how they came, by `kind`. A proxy that mirrors requests reads no answer: all"
            " that it reports may be lost.",
            "do what `remedy` says; [how-to/proxies.md](how-to/proxies.md) has configurations to copy",
        ),
        "foreign_protocol": Meaning(
            "Somebody speaks another protocol than HTTP/1 to a port of the shim, of standalone mode or of the"
            " dashboard: `kind` says which, `peer` who. It was refused.",
            "do what the reason says, in the client or the proxy; nothing, if it is a stranger who scans ports",
        ),
        "dashboard": Meaning("The worker serves a dashboard there; `acts` tells whether somebody may act in it."),
        "dashboard_open_to_all": Meaning(
            "Others than this machine reach the dashboard: who does sees who is banned and why.",
            "nothing, if that is meant; else leave out `--http-host`",
        ),
        "companion_died": Meaning(
            "A process beside the worker ended, or hung and was ended: the dashboard, for one. It is started again"
            " after `restart_in_s`. Judging and enforcing go on.",
            "nothing, if it does so once; else look at the reason, and at the lines with its name as their `part`",
        ),
        "dashboard_login": Meaning("Somebody logged in to the dashboard with the token of this name."),
        "dashboard_login_refused": Meaning(
            "Somebody showed the dashboard a token that is not right (`wrong_token`), or has to wait after several"
            " such (`too_many_tokens`). `peer` says from where: behind a proxy it is the proxy.",
            "nothing, if somebody mistyped; if they come again and again, let only your network reach the port",
        ),
        "page_failed": Meaning("The dashboard could not make a page, or a document.", REPORT_IT),
        "letters_failed": Meaning("The dashboard could not read the dead letters.", REPORT_IT),
        "act_failed": Meaning("What somebody asked for in the dashboard failed half-way.", REPORT_IT),
        "format_unknown": Meaning(
            "The worker could not read for which version the table is. It works on, and looks again in a minute.",
            ENDS_BY_ITSELF,
        ),
        "clock_is_off": Meaning(
            "This machine's clock differs from AWS's. f2b goes by AWS's.", "let NTP set the machine's clock"
        ),
        "clock_is_right_again": Meaning("This machine's clock agrees with AWS's again."),
        "log_lines_dropped": Meaning(
            "Here so many lines are missing: nobody took them in time, or the disk was full.",
            "see to it that somebody reads standard error",
        ),
        "log_lines_left_out": Meaning(
            "One event came often. After 100 lines within a minute about one thing, or 500 in all, so many more"
            " lines of the event `of` were left out.",
            "act on the lines of that event; `f2b_log_lines_left_out_total` counts those that are left out",
        ),
        "question_failed": Meaning("A probe or `/metrics` was answered with 500.", REPORT_IT),
        "sign_not_given": Meaning(
            "The worker could not write its sign of life. `f2b status` may miss it for a while."
        ),
        "sign_not_taken_back": Meaning(
            "A worker that stops could not take back its sign of life. It goes by itself."
        ),
    },
    "The queue": {
        "refused": Meaning(
            "Some infractions or messages are wrong. They go to the dead-letter queue. `first` says what is"
            " wrong with one of them.",
            "`f2b dlq` shows them; correct whoever sends them",
        ),
        "dead_letter_refused": Meaning(
            "The dead-letter queue does not take a letter. Its message stays in the queue and comes again.",
            "mend what the reason names, most often a permission",
        ),
        "message_left": Meaning(
            "SQS's answer has a message that is damaged or cannot be read. It stays in the queue and comes again.",
            "nothing; if this goes on, something between worker and SQS changes answers",
        ),
        "queue_is_set_badly": Meaning(
            "The queue's settings lose infractions, bury good ones or delay bans.",
            "run the command that the reason has; see [the settings](operations.md#settings-of-the-queue)",
        ),
        "queue_is_set_well_again": Meaning("The queue's settings are mended."),
        "queue_settings_unknown": Meaning(
            "The queue's settings could not be read now. The next look is in ten minutes."
        ),
        "not_settled": Meaning(
            "The worker stops, and could not delete or bury all that is done. It comes again, to no effect."
        ),
        "not_judged": Meaning("The worker stops, and could not judge all that it had. It comes again."),
        "release_failed": Meaning(
            "The worker could not give messages back at once. They come again after the visibility timeout."
        ),
        "credentials_not_renewed": Meaning(
            "Credentials could not be renewed. The old ones serve as long as AWS takes them.", ENDS_BY_ITSELF
        ),
    },
    "Judging": {
        "banned": Meaning("An address is banned: `key` in this jail, for the `count`-th time, for `length_s`."),
        "would_ban": Meaning('The same in a jail with `mode = "observe"`. Nothing is enforced.'),
        "judged": Meaning("Infractions of an address are recorded and judged."),
        "unknown_jail": Meaning(
            "Nobody configured this jail. The defaults judge its infractions.",
            "configure it, or correct its name where it is reported",
        ),
        "never_banned": Meaning(
            "Infractions came of an address that is never banned, as it is private, loopback or similar.",
            "behind a load balancer, set `trusted_hops` in the application",
        ),
        "report_cannot_ban": Meaning(
            "A reporter's infractions are too old, or in the future, so that they ban nobody. Said once of"
            " each source.",
            "do what `remedy` says: most often a clock or a time zone is wrong",
        ),
        "held_up": Meaning(
            "One offender cannot be judged now. Its messages wait, those of others do not. It is tried again.",
            "nothing, if it ends by itself; if DynamoDB throttles, see [capacity.md](capacity.md#where-it-stops)",
        ),
        "offenders_over_budget": Meaning(
            "More offenders came than `--offenders-per-s`, or than DynamoDB takes. The rest waits.",
            "do what `remedy` says: more workers or a higher limit, or see who may send to the queue",
        ),
        "ledger_refused": Meaning(
            "DynamoDB refuses what is to be stored of an offender. Its infractions go to the dead-letter queue.",
            "mend what the reason names, then `f2b dlq retry`",
        ),
        "unreadable": Meaning(
            "A stored item cannot be read. All others can.",
            "do what `remedy` says; see [what cannot be read](blocklists.md#what-cannot-be-read)",
        ),
        "trim_failed": Meaning("Old hits of an offender could not be removed. The next verdict tries again."),
        "colleagues_not_heard": Meaning(
            "The worker could not read what other workers banned. It judges on.", ENDS_BY_ITSELF
        ),
        "orders_not_heard": Meaning(
            "The worker could not read the allowlist and the orders of `f2b`. It goes by what it knows.",
            ENDS_BY_ITSELF,
        ),
        "queue_depth_unknown": Meaning(
            "The worker could not ask how many messages wait: `f2b_queue_messages` shows nothing. It judges on.",
            "nothing, it ends by itself; or allow `sqs:GetQueueAttributes` on the queue and the dead-letter queue",
        ),
        "audit_not_read": Meaning(
            "The worker could not read the audit: `f2b_operator_actions_total` counts later.", ENDS_BY_ITSELF
        ),
        "pardoned": Meaning("A ban was lifted, since its address is on the allowlist now."),
        "not_pardoned": Meaning(
            "A ban of an address on the allowlist could not be lifted. No IP set has it all the same.",
            "with a key: correct the item that the reason names; without: nothing, if it ends by itself",
        ),
    },
    "The ban log": {
        "tally_failed": Meaning(
            "The numbers over time could not be read or stored. Bans are judged and enforced as always. What was"
            " counted is stored as soon as that works.",
            ENDS_BY_ITSELF,
        ),
        "scribe_failed": Meaning(
            "The process that makes snapshots failed. Bans reach the IP sets as always.",
            "nothing for hours; at once if the reason says `run f2b repair` ([Repair](operations.md#repair))",
        ),
        "snapshot_published": Meaning("A snapshot of the bans is complete."),
        "snapshot_took_too_long": Meaning(
            "A part of the snapshot was not ready within `limit_s`. Another one is begun.",
            "look why DynamoDB takes so long: most often the table's write limit",
        ),
        "number_voided": Meaning(
            "A number of the log stayed empty. The ban that it was for gets another one.",
            "nothing; if there are many, look why workers die or DynamoDB is slow",
        ),
    },
    "Enforcing": {
        "enforcing": Meaning("This worker enforces now: it keeps these IP sets."),
        "ip_set_updated": Meaning("An IP set was written: `added` and `removed` entries, `holds` in all."),
        "ip_set_found": Meaning("There is a new IP set, and the worker keeps it."),
        "ip_set_drifted": Meaning(
            "Somebody else changed an IP set. f2b puts back what is `gone`; `foreign` entries are treated as"
            " foreign.",
            "if this goes on, another program keeps the same set: let it ignore changes of the addresses",
        ),
        "ip_set_deleted": Meaning(
            "Somebody deleted an IP set. Its bans move to the others.",
            "run `f2b provision`, with `--rule-group` if you use it; if you have your own rules, refer to the"
            " new set",
        ),
        "ip_set_no_access": Meaning(
            "AWS does not let the worker read or write an IP set. It is tried again.",
            "give the role [its policy](iam/README.md); look for expired credentials",
        ),
        "ip_set_rejects": Meaning(
            "WAF refuses an update. It is tried again.",
            "remove what the reason names; AWS raises a limit of the account on request",
        ),
        "ip_set_is_back": Meaning("An IP set can be written again, after so many failures."),
        "ip_set_unreferenced": Meaning(
            "No rule of a web ACL in use refers to an IP set: its bans have no effect.",
            "put the rule group into the web ACL, or run `f2b provision --rule-group` again after new sets",
        ),
        "ip_set_family_unknown": Meaning(
            "An IP set is for a kind of address that this f2b does not know. It is left alone.", "update f2b"
        ),
        "ip_sets_missing": Meaning(
            "A blocklist has no IP set. Its bans are enforced nowhere.", "make them with `f2b provision`"
        ),
        "bans_left_out": Meaning("The IP sets of a blocklist are full, and so many bans have no room.", _ROOM),
        "networks_collapsed": Meaning(
            "The IP sets of a blocklist are too full for each ban. Crowded networks are blocked as a whole, with"
            " neighbours that are not banned ([who goes in](tournament.md)).",
            _ROOM,
        ),
        "entry_quarantined": Meaning(
            "WAF refuses one address. It is left out and tried again after an hour. The others go in.",
            "tell us which address: f2b writes only what WAF documents",
        ),
        "allowlisted_in_foreign": Meaning(
            "Entries that somebody else put into an IP set block addresses of the allowlist. f2b does not"
            " remove them.",
            'take them out of the set, or set `foreign = "remove"`',
        ),
        "key_unreadable": Meaning(
            "The ledger has bans of what is no address. They are not enforced.",
            "find out who writes into the table; delete these items",
        ),
        "configured_otherwise": Meaning(
            "A worker with other blocklists enforces in this Region.",
            "wait for the deployment to end; if it stays, give all workers one file",
        ),
        "surge": Meaning(
            "More bans were new within a minute than the surge guard allows. They stay out.",
            "look with `f2b list` and `f2b explain`. If wrong addresses are reported, repair that; if the bans are"
            " right, `f2b release`",
        ),
        "paused": Meaning(
            "Somebody paused a blocklist. Its IP sets stay as they are.", "`f2b resume`, when the reason is gone"
        ),
        "resumed": Meaning("A pause has ended. The blocklist is enforced again."),
        "enforcer_waits": Meaning(
            "A call of the enforcer failed and is tried again. `about` says of what, `kind` why.",
            "nothing, if it ends by itself. `Throttled` again and again: others use up WAF's calls",
        ),
        "lease_not_released": Meaning(
            "A worker that stops could not give back its lease. Another one takes over some seconds later."
        ),
    },
    "Notices": {
        "notices_working": Meaning("The process of notices works, for these targets."),
        "notices_reloaded": Meaning("The targets were read again, and are in force."),
        "notices_kept": Meaning(
            "The jails file has an error. The targets of before stay in force.",
            "mend what the reason names; `f2b check` finds all errors. Then reload again",
        ),
        "notices_wait": Meaning(
            "The ledger cannot be read for a target, or for all. What happens meanwhile is told later.",
            ENDS_BY_ITSELF,
        ),
        "notice_sent": Meaning("A target took a notice."),
        "notice_not_taken": Meaning(
            "A target did not take a notice. It is sent again, with longer and longer pauses, for 15 minutes.",
            "nothing, if it ends by itself; `f2b notify test` tries it at once",
        ),
        "notice_given_up": Meaning(
            "A target did not take a notice. It is lost. A surge or the like that still holds is told anew later.",
            "mend what the reason names, then try it with `f2b notify test`",
        ),
        "notice_target_unusable": Meaning(
            "A variable that a target names is not set, or cannot be used. Nothing is sent to it.",
            "give the variable to the worker, and start it again",
        ),
        "notice_target_failed": Meaning(
            "The thread of a target, or the one that looks at the fleet, ended. It is begun again.", REPORT_IT
        ),
        "notice_template_failed": Meaning(
            "A template could not be filled in. The usual words are sent.",
            "correct the template that the line names",
        ),
        "conditions_not_seen": Meaning(
            "The fleet cannot be looked at. Surges, lags and the like are told later.", ENDS_BY_ITSELF
        ),
        "dead_letters_not_seen": Meaning(
            "Dead letters cannot be counted. Everything else is told.",
            "add the [policy for notices](iam/README.md) to the worker's role",
        ),
    },
    "The shim": {
        "queue_fails": Meaning(
            "SQS does not answer, or does not take what the shim sends, or the shim is too busy to send it in"
            " time. Clients get 503 and should try again.",
            f"{ENDS_BY_ITSELF}. Where it says `not sent within`, look at the CPU of the shim first",
        ),
        "queue_is_back": Meaning("SQS takes infractions again."),
        "queue_not_checked": Meaning(
            "The shim may not look at its queue. It works, if it may send.",
            "nothing; or allow `sqs:GetQueueUrl`, so that a wrong queue is found at the start",
        ),
        "request_failed": Meaning("A request was answered with 500.", REPORT_IT),
    },
    "Lambda": {
        "not_judged_in_time": Meaning(
            "The function's time ran out before all was judged. What is left comes again.",
            "give the function more time, or fewer messages at once",
        ),
        "invocation_failed": Meaning(
            "An invocation failed. All its messages come again.",
            "mend what the reason names: a setting, a permission, or a table that is not there",
        ),
        "settings_ignored": Meaning("Some settings are set that a function does not use.", "unset them"),
    },
    "Standalone mode": {
        "dead_letters": Meaning(
            "The state file has infractions that were refused.", "look at them with the command that `look` has"
        ),
        "tidying_failed": Meaning("Old rows of the state file could not be removed. It is tried again."),
        "state_file_unusable": Meaning(
            "The state file cannot be read or written. Infractions are answered with 503.",
            "mend what the reason names: space, or the rights of the file",
        ),
        "state_file_usable_again": Meaning("The state file can be used again."),
        "state_file_lost": Meaning(
            "The open state file is gone, replaced or damaged. The worker takes no more infractions, and ends"
            " after `ends_in_s`.",
            "do what `remedy` says, before it ends",
        ),
        "file_was_open_to_others": Meaning("Others could read the state file. Now only its owner can."),
        "file_is_open_to_others": Meaning(
            "Others can read the state file, and the worker may not change that.",
            "run the command that `remedy` has",
        ),
    },
}
"""By subject and event."""
