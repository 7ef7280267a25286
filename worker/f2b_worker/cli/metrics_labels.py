"""What the labels of the metrics may say: their values, where these are a closed set, and what each means."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from f2b_worker.adapters import remedies
from f2b_worker.adapters.aws_calls import OUTCOMES, SERVICES
from f2b_worker.cli.source import meaning_of
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.jails import ALLOWLISTED, OWN_RANGE
from f2b_worker.domain.judge.infractions import Reason
from f2b_worker.errors import Permanent, Retryable
from f2b_worker.intake.untimely import BAN_OVER
from f2b_worker.wire.values import WEIGHT_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

Meanings: TypeAlias = dict[str, str]

OPEN: Meanings = {
    "region": "a Region of AWS",
    "ip_set": "the name of an IP set",
    "blocklist": "the name of a blocklist",
    "jail": "the name of a jail of the file; of all others `other`, in `f2b_cannot_ban_total` `(unknown)`",
    "version": "a version of f2b",
    "code": "a status code of HTTP",
    "event": "an event of [the log](log-events.md)",
    "reporter": "who reported it; empty if nobody says, `(others)` after the first 100",
    "operation": "an operation of AWS's API, `UpdateItem` for one",
    "table": "the name of a table",
    "target": "the name of a target in the jails file",
    "exporter": "a version of f2b",
    "fail2ban": "a version of f2b",
}
"""Labels that have as many values as somebody has configured."""

_OF_A_REPORT: Meanings = {
    Reason.NOT_JSON: "it is not JSON",
    Reason.ENVELOPE: "SNS or EventBridge wrapped up what cannot be unwrapped",
    Reason.UNKNOWN_VERSION: "it has a version of the wire format that this one does not know: update f2b",
    Reason.EMPTY: "it has no infraction",
    Reason.BAD_SHAPE: "it is JSON, but neither an infraction nor a list or pack of them",
    Reason.NO_IP: "it has no address",
    Reason.BAD_ADDRESS: "what it has as its address is none",
    Reason.BAD_JAIL: "its jail's name is longer than 64 characters, or has others than `A-Z a-z 0-9 . _ -`",
    Reason.BAD_TIME: "its time cannot be read",
    Reason.BAD_WEIGHT: f"its weight is no whole number from 1 to {WEIGHT_MAX}",
    Reason.TOO_OLD: "it is older than `--max-age`",
    Reason.IN_FUTURE: "it is more than 5 minutes ahead of the clock",
}

_OF_THE_LEDGER: Meanings = {
    Reason.LEDGER_REFUSED: "the ledger refused what was to be stored of its offender",
    Reason.STATE_UNREADABLE: "what is stored of its offender cannot be read",
}

_CUT: Meanings = {
    "crowded_out": "there were too many, and it had waited the longest",
    "too_slow": "it sent, or read, too slowly",
    "head_too_large": "its headers were too large",
}

_NOT_READ: Meanings = {
    "bad_http": "it cannot be read as HTTP/1.1, or may be meant in more than one way: 400",
    "incomplete": "its client ended the connection within a request: 400",
    "proxy_protocol": "a proxy put the PROXY protocol before it, which is never believed: 400",
    "tls": "it is TLS, and this port speaks plain HTTP: 400",
    "http2": "it is HTTP/2 without an offer of HTTP/1.1: 505",
    "http_version": "it is another version of HTTP than 1.1 and 1.0: 505",
    "tunnel": "it is a CONNECT, as to a proxy: 501",
}

_OF_THE_SHIM: Meanings = {
    "queue": "SQS did not take it, or standalone mode could not store it: 503",
    "overloaded": "too many infractions wait for SQS: 503",
    "not_found": "there is no such path: 404",
    "method": "this path does not take this method: 405",
    "body_too_large": "the body is too large: 413",
    "bodies": "all bodies together were too large, and of those that had not come whole it began first: 503",
    "encoding": "the body is packed, and cannot be unpacked: 415, or 400 where it is not what it says",
    "cross_site": "a browser sent it for a page of another site, without a token: 403",
    "rate_limited": "this peer sends too many requests: 429",
    "stopping": "the process ends, and the request had not come to its end: 503",
    "unauthorized": "the bearer token is missing or wrong: 401",
    "connections": "there are too many connections, and none waits for its client: 503",
    "peer_connections": "this peer has too many connections: 503",
}

_OF_THE_DASHBOARD: Meanings = {
    "host": "it asked by a name that is not this machine's, on a port that is for this machine alone: 403",
    "cross_site": "a page of another site sent it, or nobody knows which: 403",
    "read_only": "somebody wanted to act, and there is no token: 403",
    "no_session": "somebody wanted to act, and had not logged in: 403",
    "wrong_token": "the token is not right: 403",
    "too_many_tokens": "this peer showed several wrong tokens, and has to wait: 429",
    "no_form": "what was sent is no form: 415",
    "bad_query": "a value in the query cannot be: 400",
    "busy": "too many pages are asked for at once: 503",
    "streams": "more than 200 pages are open: the one that is open the longest is not kept up to date any more",
    **{
        name: _OF_THE_SHIM[name]
        for name in ("not_found", "method", "body_too_large", "bodies", "connections", "peer_connections")
    },
}

_DASHBOARD_ACTS: Meanings = {
    "ban": "`f2b ban`",
    "unban": "`f2b unban`",
    "allow": "`f2b allow add`",
    "disallow": "`f2b allow remove`",
    "pause": "`f2b pause`",
    "resume": "`f2b resume`",
    "release": "`f2b release`",
    "retry": "`f2b dlq retry`",
    "drop": "`f2b dlq drop`",
}
"""By the forms, the command that does the same."""

_ACTIONS: Meanings = {
    Verb.BAN: "somebody banned by hand",
    Verb.UNBAN: "somebody lifted bans",
    Verb.ALLOW: "somebody put networks on the allowlist",
    Verb.DISALLOW: "somebody took networks off the allowlist",
    Verb.PAUSE: "somebody paused a blocklist",
    Verb.RESUME: "somebody ended a pause",
    Verb.RELOAD: "somebody had all workers read their files again",
    Verb.RELEASE: "somebody released the bans that the surge guard held back",
    Verb.IMPORT: "somebody imported a list",
    Verb.RETRY: "somebody moved dead letters back into the queue",
    Verb.DROP: "somebody deleted dead letters",
}

_ERRORS = Permanent.__module__


def _kinds_of_failures(*kinds: type[Exception]) -> Iterator[tuple[str, str]]:
    for kind in kinds:
        yield kind.__name__, meaning_of(kind)
        # Those of other modules are there only if somebody has imported these, and nobody counts them.
        yield from _kinds_of_failures(*(each for each in kind.__subclasses__() if each.__module__ == _ERRORS))


CLOSED: dict[tuple[str, str], Meanings] = {
    ("f2b_refused", "reason"): _OF_A_REPORT | _OF_THE_LEDGER,
    ("f2b_ignored", "reason"): {
        OWN_RANGE: "a private, loopback or similar address",
        "ignoreip": "an address of `ignoreip` in the jails file",
        ALLOWLISTED: "an address of the allowlist that `f2b allow` keeps",
    },
    ("f2b_cannot_ban", "reason"): {
        Reason.TOO_OLD: "refused: older than `--max-age`",
        Reason.IN_FUTURE: "refused: more than 5 minutes ahead of the clock",
        BAN_OVER: "judged, but a ban would have ended before now",
    },
    ("f2b_postponed", "reason"): {
        "held_up": "one of its offenders cannot be judged now",
        "bulky": "it has more infractions than a turn takes beside others",
        "no_room_to_bury": "too many letters wait for the dead-letter queue",
        "no_room_to_delete": "too many judged messages wait to be deleted",
        "damaged": "its body does not match its MD5",
        "odd_answer": "SQS's answer about it cannot be read",
    },
    ("f2b_unreadable", "kind"): remedies.REMEDIES,
    ("f2b_metrics_connections_cut", "reason"): _CUT,
    ("f2b_aws_failures", "kind"): dict(_kinds_of_failures(Retryable, Permanent)),
    ("f2b_errors", "type"): {
        "retryable": "the same call may succeed later",
        "permanent": "the same call will fail again until somebody changes something",
    },
    ("f2b_aws_request_seconds", "service"): SERVICES,
    ("f2b_aws_request_seconds", "outcome"): OUTCOMES,
    ("f2b_aws_capacity_units", "kind"): {
        "read": "read request units",
        "write": "write request units",
    },
    ("f2b_queue_messages", "state"): {
        "waiting": "to be received",
        "in_flight": "received, and not yet deleted",
        "delayed": "not yet to be received",
        "dead_letters": "in the dead-letter queue",
    },
    ("f2b_operator_actions", "action"): _ACTIONS,
    ("f2b_companion_deaths", "companion"): {
        "dashboard": "it serves the dashboard at `--http-port`",
        "notices": "it sends notices",
    },
    ("f2b_notices", "outcome"): {
        "sent": "the target took it",
        "tried_again": "the target did not take it, and it is sent again",
        "given_up": "the target did not take it for 15 minutes: it is lost; what still holds is told anew",
        "refused": "the target will never take it: it is lost; what still holds is told anew",
        "unusable": "the target's address or secret cannot be used: nothing is sent to it",
    },
    ("f2b_shim_answers", "status"): {
        "200": "all of it is stored",
        "207": "some of it is stored",
        "400": "nothing of it can be read",
        "503": "it cannot be stored now",
    },
    ("f2b_shim_refused", "reason"): _OF_A_REPORT | _OF_THE_SHIM | _NOT_READ | _CUT,
    ("f2b_dashboard_refused", "reason"): _OF_THE_DASHBOARD | _NOT_READ | _CUT,
    ("f2b_dashboard_acts", "action"): _DASHBOARD_ACTS,
}
"""By metric and label, what each value means."""
