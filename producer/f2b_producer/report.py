"""The command ``f2b-report``: reports addresses, or NDJSON lines from standard input."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from f2b_producer._client import Producer
from f2b_producer._infraction import Infraction, RefusedError, read
from f2b_producer._pack import DEFAULT_JAIL, encode
from f2b_producer._sender import QueueClient

EXIT_ALL_SENT = 0
EXIT_SOME_NOT = 1
CHUNK = 20_000  # infractions between two waits for the queue, so that long input fits the buffer

DESCRIPTION = """\
Report infractions to f2b.

Without an IP, or with -, lines are read from standard input, one JSON object each:
  {"ip": "203.0.113.7", "jail": "login", "at": "2026-11-22T17:45:00Z", "note": "bad password"}
Only "ip" is required. "at" ("time" is taken too) is RFC 3339 with a zone or epoch seconds, default now.
Other keys are ignored. A bad line is named on standard error and the rest is sent.
"""
EPILOG = """\
example:
  export F2B_QUEUE=https://sqs.eu-west-1.amazonaws.com/123456789012/f2b
  f2b-report 203.0.113.7 --jail login --note "bad password"
  jq -c '{ip: .client, at: .time}' access.ndjson | f2b-report --jail scan

exit status: 0 all sent; 1 something was refused or not sent; 2 wrong usage
"""


class ByteLines(Protocol):
    """What is read: a binary stream."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield lines."""

    def isatty(self) -> bool:
        """Whether a person types them."""


@dataclass
class Tally:
    """How many were refused, sent and not sent."""

    refused: int = 0
    sent: int = 0
    unsent: int = 0


def main(
    argv: list[str] | None = None, *, client: QueueClient | None = None, stdin: ByteLines | None = None
) -> int:
    """Run the command and return its exit status: 0 all sent, 1 some were not.

    Args:
        argv: Arguments; None takes the process's own.
        client: Sends instead of an SQS client of its own.
        stdin: Read instead of standard input.

    Raises:
        SystemExit: With status 2 on wrong usage, 0 after ``--help``.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    stdin = sys.stdin.buffer if stdin is None else stdin
    if not args.ip and stdin.isatty():
        parser.error("give an address, or lines on standard input")
    if not args.queue and not args.dry_run:
        parser.error("give --queue URL or set F2B_QUEUE")
    tally = Tally()
    infractions = _read_all(args, stdin, tally)
    if args.dry_run:
        _show(infractions)
    else:
        _send(infractions, args, client, tally)
        if not args.ip or "-" in args.ip:
            _complain(f"sent {tally.sent}")
    return EXIT_SOME_NOT if tally.refused or tally.unsent else EXIT_ALL_SENT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="f2b-report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ip", nargs="*", metavar="IP", help="an IPv4 or IPv6 address; - reads standard input")
    parser.add_argument("--jail", default=DEFAULT_JAIL, help="jail of those that name none (default: %(default)s)")
    parser.add_argument("--note", help="note for those that have none, cut to 200 characters")
    parser.add_argument(
        "--queue", metavar="URL", default=os.environ.get("F2B_QUEUE"), help="the SQS queue (env: F2B_QUEUE)"
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
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3_600:
        raise argparse.ArgumentTypeError("not more than 0 and at most 3,600 seconds")
    return seconds


def _read_all(args: argparse.Namespace, stdin: ByteLines, tally: Tally) -> Iterator[Infraction]:
    for ip in args.ip or ["-"]:
        if ip == "-":
            yield from _read_lines(stdin, args, tally)
            continue
        try:
            yield read(ip, args.jail, None, args.note)
        except RefusedError as refused:
            tally.refused += 1
            _complain(f"{ip}: {refused}")


def _read_lines(lines: Iterable[bytes], args: argparse.Namespace, tally: Tally) -> Iterator[Infraction]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _parse(line, args)
        except ValueError as error:
            tally.refused += 1
            _complain(f"line {number}: {error}")


def _parse(line: bytes, args: argparse.Namespace) -> Infraction:
    """Read one line of the simple wire form.

    Raises:
        ValueError: Saying in one line what is wrong with it.
    """
    try:
        said = json.loads(line)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(said, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the line is wrong, not the program
    at, jail, note = said.get("at", said.get("time")), said.get("jail"), said.get("note")
    return read(
        said.get("ip"),
        args.jail if jail is None else jail,
        _moment(at) if isinstance(at, str) else at,
        args.note if note is None else note,
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("at is not RFC 3339 such as 2026-11-22T17:45:00Z") from None


def _show(infractions: Iterable[Infraction]) -> None:
    for pack in encode(infractions):
        sys.stdout.write(pack.body + "\n")


def _send(
    infractions: Iterable[Infraction], args: argparse.Namespace, client: QueueClient | None, tally: Tally
) -> None:
    with Producer(args.queue, client=client, flush_timeout_s=args.timeout) as producer:
        given_up = False
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C ends the input, what was read is sent
            given_up = not _report_all(producer, infractions)
        if given_up:
            producer.close(timeout_s=0)
    stats = producer.stats()
    tally.sent, tally.unsent = stats.sent, stats.accepted - stats.sent
    if tally.unsent:
        _complain(f"{tally.unsent} not sent{', and the input after them not read' if given_up else ''}")


def _report_all(producer: Producer, infractions: Iterable[Infraction]) -> bool:
    """Report each as it comes; return False if the queue did not keep up with the input."""
    for number, infraction in enumerate(infractions, start=1):
        producer.report(*infraction)
        if number % CHUNK == 0 and not producer.flush():
            return False
    return True


def _complain(text: str) -> None:
    sys.stderr.write(f"f2b-report: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
