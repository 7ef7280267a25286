"""What the labels of the metrics may say: their values, where these are a closed set, and what each means."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from f2b_worker.adapters import remedies
from f2b_worker.cli.source import meaning_of
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
    "jail": "the name of a jail, or `(unknown)`",
    "version": "a version of f2b",
    "reporter": "who reported it; empty if nobody says, `(others)` after the first 100",
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

_OF_THE_SHIM: Meanings = {
    "queue": "SQS did not take it, or standalone mode could not store it: 503",
    "overloaded": "too many infractions wait for SQS: 503",
    "not_found": "there is no such path: 404",
    "method": "this path does not take this method: 405",
    "body_too_large": "the body is too large, or all bodies together are: 413",
    "bad_http": "it is not HTTP: 400",
    "cross_site": "a browser sent it for a page of another site: 403",
    "rate_limited": "this peer sends too many requests: 429",
    "unauthorized": "the bearer token is missing or wrong: 401",
    "connections": "there are too many connections, and none waits for its client: 503",
    "peer_connections": "this peer has too many connections: 503",
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
    ("f2b_shim_answers", "status"): {
        "200": "all of it is stored",
        "207": "some of it is stored",
        "400": "nothing of it can be read",
        "503": "it cannot be stored now",
    },
    ("f2b_shim_refused", "reason"): _OF_A_REPORT | _OF_THE_SHIM | _CUT,
}
"""By metric and label, what each value means."""
