"""The command ``f2b-report``: reports addresses, NDJSON lines from standard input, or what a log tells."""

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from f2b_producer._address import BOM
from f2b_producer._bells import Bell
from f2b_producer._client import FIFO_REFUSED, Producer, is_fifo, is_reporter
from f2b_producer._infraction import Infraction, RefusedError, read
from f2b_producer._options import make_parser
from f2b_producer._pack import encode
from f2b_producer._queue import QueueClient

if TYPE_CHECKING:
    from f2b_producer.logs import LogFilter

EXIT_ALL_SENT = 0
EXIT_SOME_NOT = 1
EXIT_USAGE = 2
_BOM = BOM.encode()
_TERMINAL_ENDS = getattr(signal, "SIGHUP", None)  # not on Windows
_OF_ROTATION = {
    number
    for number in (getattr(signal, name, None) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM"))
    if number
}
"""They ask nothing of who follows a log, and would end it."""

CHUNK = 20_000  # infractions between two waits for the queue, so that long input fits the buffer


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
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.version:
        from importlib.metadata import version  # noqa: PLC0415 - costs more than to report an address

        print(f"{parser.prog}, version {version('f2b-producer')}")  # noqa: T201 - it is asked for
        return EXIT_ALL_SENT
    log_filter = _log_filter(parser, args)
    stdin = sys.stdin.buffer if stdin is None else stdin
    if not args.ip and not log_filter and stdin.isatty():
        parser.error("give an address, or lines on standard input")
    if not args.queue and not args.dry_run:
        parser.error("give --queue URL or set F2B_QUEUE")
    if args.queue and is_fifo(args.queue):
        parser.error(f"--queue names {FIFO_REFUSED}")
    if args.queue and "://" not in args.queue and client is None and not args.dry_run:
        parser.error(f"--queue {args.queue} is no URL: give the queue's URL, not its name")
    if args.reporter and not is_reporter(args.reporter):
        parser.error("--reporter takes 1-64 of A-Z a-z 0-9 . _ -")
    tally = Tally()
    if log_filter:
        _follow(log_filter, args, client, tally)
    else:
        _report(_read_all(args, stdin, tally), args, client, tally)
    return EXIT_SOME_NOT if tally.refused or tally.unsent else EXIT_ALL_SENT


def _log_filter(parser: argparse.ArgumentParser, args: argparse.Namespace) -> "LogFilter | None":
    if args.tail is None:
        if args.failregex or args.ignoreregex or args.from_start or args.state:
            parser.error("--failregex, --ignoreregex, --from-start and --state need --tail FILE")
        return None
    if args.ip:
        parser.error("give addresses or --tail, not both")
    if not args.failregex:
        parser.error("--tail needs a --failregex")
    if args.state and args.dry_run:
        parser.error("--dry-run sends nothing, so it keeps no place: leave --state out")
    log = Path(args.tail)
    if log.exists() and not (log.is_file() and os.access(log, os.R_OK)):
        parser.error(f"{args.tail} is not a file that can be read")
    from f2b_producer import logs  # noqa: PLC0415 - who reports one address needs none of it

    try:
        read("::", args.jail, 0, args.note)  # a wrong jail would be refused at every line
        return logs.LogFilter(
            [line for given in args.failregex for line in logs.regexes(given, "failregex")],
            [line for given in args.ignoreregex for line in logs.regexes(given, "ignoreregex")],
            tell=lambda text: _complain(f"{args.tail}: {text}"),
        )
    except ValueError as error:
        parser.error(str(error))


def _read_all(args: argparse.Namespace, stdin: ByteLines, tally: Tally) -> Iterator[Infraction]:
    for ip in args.ip or ["-"]:
        if ip == "-":
            yield from _read_lines(stdin, args, tally)
            continue
        try:
            yield read(ip, args.jail, None, args.note, args.weight)
        except RefusedError as refused:
            tally.refused += 1
            _complain(f"{ip}: {refused}")


def _read_lines(lines: Iterable[bytes], args: argparse.Namespace, tally: Tally) -> Iterator[Infraction]:
    for number, each in enumerate(lines, start=1):
        line = each.strip().removeprefix(_BOM)
        if not line:
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
    weight = said.get("weight")
    return read(
        said.get("ip"),
        args.jail if jail is None else jail,
        _moment(at) if isinstance(at, str) else at,
        args.note if note is None else note,
        args.weight if weight is None else weight,
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        if text.strip().isdigit():
            raise ValueError("at is a number in quotes: leave the quotes out, and give epoch seconds") from None
        raise ValueError("at is not RFC 3339 such as 2026-11-22T17:45:00Z") from None


def _report(
    infractions: Iterable[Infraction], args: argparse.Namespace, client: QueueClient | None, tally: Tally
) -> None:
    if args.dry_run:
        _show(infractions)
        return
    _send(infractions, args, client, tally)
    if not args.ip or "-" in args.ip:
        _complain(f"sent {tally.sent}")


def _follow(log_filter: "LogFilter", args: argparse.Namespace, client: QueueClient | None, tally: Tally) -> None:
    """Report what is found in the log until a signal ends it."""
    from f2b_producer._following import Follower, Report  # noqa: PLC0415 - who reports one address needs none of it
    from f2b_producer.logs import Bookmark, BookmarkError  # noqa: PLC0415 - as above

    report = Report(args.jail, args.note, args.weight)
    with _rung_by_signals() as end:
        follower = Follower(args.tail, log_filter, report, end=end, complain=_complain)
        bookmark = Bookmark(args.state, args.tail) if args.state else None
        try:
            infractions = follower.infractions(from_start=args.from_start, bookmark=bookmark)
        except BookmarkError as error:
            _complain(str(error))
            raise SystemExit(EXIT_USAGE) from None
        if args.dry_run:
            for infraction in infractions:
                _show([infraction] if infraction else [])
                sys.stdout.flush()
        else:
            # While the queue is away, the log itself is the buffer: it is read on when there is room.
            _send(infractions, args, client, tally, keep_trying=end.silent)
    tally.refused += follower.refused
    told = sorted((what.replace("_", " "), count) for what, count in vars(log_filter.counts).items() if count)
    counts = ", ".join(f"{count} {what}" for what, count in told)
    _complain(f"{args.tail}: {counts or 'no lines'}; sent {tally.sent}")


@contextlib.contextmanager
def _rung_by_signals() -> Iterator[Bell]:
    """Give a bell that SIGTERM and Ctrl-C ring, so that nothing is cut off in the middle.

    The end of the terminal rings it, too. Without one SIGHUP comes of what rotates logs, as SIGUSR1 does: the log
    is followed across rotation anyway.
    """
    end = Bell()
    ends = {signal.SIGTERM, signal.SIGINT}
    if _TERMINAL_ENDS and _has_terminal() and signal.getsignal(_TERMINAL_ENDS) != signal.SIG_IGN:  # nohup
        ends.add(_TERMINAL_ENDS)
    before = {name: signal.signal(name, lambda *_: end.ring()) for name in ends}
    before |= {name: signal.signal(name, lambda *_: None) for name in _OF_ROTATION - ends}
    try:
        yield end
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _has_terminal() -> bool:
    return any(map(os.isatty, (0, 2)))  # standard input and standard error


def _show(infractions: Iterable[Infraction]) -> None:
    for pack in encode(infractions):
        sys.stdout.write(pack.body.replace("\x7f", "\\u007f") + "\n")


def _send(
    infractions: "Iterable[Infraction | None]",
    args: argparse.Namespace,
    client: QueueClient | None,
    tally: Tally,
    *,
    keep_trying: Callable[[], bool] = lambda: False,
) -> None:
    with Producer(
        args.queue, client=client, flush_timeout_s=args.timeout, reporter=args.reporter or None
    ) as producer:
        given_up = False
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C ends the input, what was read is sent
            given_up = not _report_all(producer, infractions, keep_trying)
        if given_up:
            producer.close(timeout_s=0)
    stats = producer.stats()
    tally.sent, tally.unsent = stats.sent, stats.accepted - stats.sent
    if tally.unsent:
        _complain(f"{tally.unsent} not sent{', and the input after them not read' if given_up else ''}")


def _report_all(
    producer: Producer, infractions: "Iterable[Infraction | None]", keep_trying: Callable[[], bool]
) -> bool:
    """Report each as it comes, and wait where None stands; return False if the queue did not keep up."""
    for number, infraction in enumerate(infractions, start=1):
        if infraction:
            ip, jail, at_s, note, weight, _, identity = infraction
            producer.report(ip, jail, at_s, note, weight=weight, identity=identity)
        while (infraction is None or number % CHUNK == 0) and not producer.flush():
            if not keep_trying():
                return False
    return True


def _complain(text: str) -> None:
    # What was read is named in it, and must not steer the terminal.
    shown = text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    sys.stderr.write(f"f2b-report: {shown}\n")


if __name__ == "__main__":
    sys.exit(main())
