"""What the command ``f2b-report`` takes."""

import argparse
import contextlib
import os

from f2b_producer._infraction import WEIGHT_MAX
from f2b_producer._pack import DEFAULT_JAIL

DESCRIPTION = """\
Report infractions to f2b.

Without an IP, or with -, it reads lines from standard input, one JSON object each:
  {"ip": "203.0.113.7", "jail": "login", "at": "2026-11-22T17:45:00Z", "note": "bad password"}
Only "ip" is required. "at" (or "time") is RFC 3339 with a zone, or epoch seconds; default: now.
"weight" says for how many infractions a line counts: 1 to 1000, default 1. Other keys are ignored.
A bad line is named on standard error. The rest is sent.

With --tail, it follows a log until SIGTERM or Ctrl-C, and reports the lines that match a fail2ban failregex.
"""
EPILOG = """\
example:
  export F2B_QUEUE=https://sqs.eu-west-1.amazonaws.com/123456789012/f2b
  f2b-report 203.0.113.7 --jail login --note "bad password"
  jq -c '{ip: .client, at: .time}' access.ndjson | f2b-report --jail scan
  f2b-report --tail /var/log/nginx/access.log --failregex '^<HOST> .* "POST /login[^"]*" 401 ' --jail login

exit status: 0 all sent; 1 something was refused or not sent; 2 wrong usage
"""


def make_parser() -> argparse.ArgumentParser:
    """Say what the command takes."""
    parser = argparse.ArgumentParser(
        prog="f2b-report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ip", nargs="*", metavar="IP", help="an IPv4 or IPv6 address; - reads standard input")
    parser.add_argument("--version", action="store_true", help="say which version this is")
    parser.add_argument(
        "--jail", default=DEFAULT_JAIL, help="the jail for lines without one (default: %(default)s)"
    )
    parser.add_argument("--note", help="the note for lines without one, cut to 200 characters")
    parser.add_argument(
        "--weight",
        metavar="N",
        type=_weight,
        default=1,
        help=f"the weight for lines without one, 1 to {WEIGHT_MAX:,} (default: 1)",
    )
    parser.add_argument(
        "--queue", metavar="URL", default=os.environ.get("F2B_QUEUE"), help="the SQS queue's URL (env: F2B_QUEUE)"
    )
    parser.add_argument(
        "--reporter",
        metavar="NAME",
        default=os.environ.get("F2B_REPORTER"),
        help="who reports, for people: 1-64 of A-Z a-z 0-9 . _ - (default: this machine; env: F2B_REPORTER)",
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=_seconds,
        default=10.0,
        help="seconds to wait for the queue (default: 10)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="write the messages to standard output, send nothing"
    )
    _add_log_options(parser.add_argument_group("following a log"))
    return parser


def _add_log_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--tail", metavar="FILE", help="follow this log, across rotation and truncation")
    group.add_argument(
        "--failregex",
        metavar="REGEX",
        action="append",
        default=[],
        help="report the address that <HOST> or <ADDR> matches; @FILE reads one regex a line, or a fail2ban"
        " filter; may be repeated",
    )
    group.add_argument(
        "--ignoreregex",
        metavar="REGEX",
        action="append",
        default=[],
        help="report nothing for lines that match this; @FILE as above; may be repeated",
    )
    group.add_argument("--from-start", action="store_true", help="also report what is already in the log")
    group.add_argument(
        "--state",
        metavar="FILE",
        help="remember here how far the log was read: a restart goes on from there, and neither repeats nor skips",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3_600:
        raise argparse.ArgumentTypeError("must be more than 0 and at most 3,600 seconds")
    return seconds


def _weight(text: str) -> int:
    with contextlib.suppress(ValueError):
        if 1 <= (weight := int(text)) <= WEIGHT_MAX:
            return weight
    raise argparse.ArgumentTypeError(f"not a whole number from 1 to {WEIGHT_MAX:,}")
