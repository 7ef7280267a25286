"""`f2b replay`: what would these jails have banned?"""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from f2b_producer.logs import FilterError, LogFilter, read_lines
from f2b_worker.cli.output import TABLE, Listing, listing_options, remark, say_lines, show
from f2b_worker.cli.reading import DURATION
from f2b_worker.cli.show import ban_table
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.addresses import display
from f2b_worker.domain.jails import FOREVER_MS, Jail, Policy, Window
from f2b_worker.errors import StartError
from f2b_worker.offline.gzipped import Gzipped
from f2b_worker.offline.replay import compare, judge_rows, read_rows
from f2b_worker.query.objects import BAN_KEYS, ban_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from f2b_worker.offline.replay import BadLine, Replay, ReplayedBan, Row

BAD_LINES_SHOWN = 10
SAMPLE_LINES = 1000
"""So many lines of a log say where it has its dates."""

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog="Example: f2b replay attack.ndjson.gz --maxretry 3 --findtime 10m --bantime 1h -o ndjson")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="FILE…")
@click.option(
    "--from-log", "log", type=EXISTING, help="Read a log with --failregex, instead of files of infractions."
)
@click.option(
    "--failregex", multiple=True, help="With --from-log: a fail2ban failregex with <HOST>; may be repeated."
)
@click.option(
    "--ignoreregex", multiple=True, help="With --from-log: lines that are no infractions; may be repeated."
)
@click.option(
    "--jail",
    "log_jail",
    default="default",
    show_default=True,
    help="With --from-log: the jail of the infractions.",
)
@click.option("--config", type=EXISTING, help="Judge by these jails.")
@click.option("--maxretry", type=click.IntRange(1, 1000), default=5, show_default=True, help="Without --config.")
@click.option("--findtime", type=DURATION, default="10m", show_default=True, help="Without --config.")
@click.option("--bantime", type=DURATION, default="10m", show_default=True, help="Without --config; -1 for ever.")
@click.option(
    "--increment", is_flag=True, help="Without --config: each ban lasts twice as long as the one before."
)
@click.option("--maxtime", type=DURATION, help="Without --config: no ban lasts longer.")
@click.option(
    "--dbpurgeage",
    type=DURATION,
    default="-1",
    help="Without --config: how long a ban counts; for ever by default.",
)
@click.option("--compare", "other", type=EXISTING,
              help="Also say what this other configuration would ban, more and less.")  # fmt: skip
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the result into this file, .svg or .png."
)
@listing_options
def replay(
    files: Sequence[str], config: Path | None, other: Path | None, plot: Path | None, *, form: str, **rest: Any
) -> None:
    """Say what jails would have banned.

    It judges files of infractions by their own times, without AWS.
    FILE is NDJSON of {"ip", "jail", "time"}, plain or .gz; - is standard input. The command sends nothing.
    A .gz that unpacks to more than 1 GiB, or to more than 200 times its size, is refused.
    """
    of_log = {name: rest.pop(name) for name in ("log", "failregex", "ignoreregex", "log_jail")}
    policy = read_jails(config).policy if config else Policy(_jail(**rest))
    bad: list[BadLine] = []
    if bool(files) == bool(of_log["log"]):
        raise click.UsageError("Give files of infractions, or a log with --from-log.")
    rows = _read_log(**of_log) if of_log["log"] else list(_read(files, bad))
    result = judge_rows(rows, policy, bad)
    _show(result, form)
    if other:
        _show_difference(result, judge_rows(rows, read_jails(other).policy, []), other, beside=form != TABLE)
    if plot:
        _draw(rows, result.verdicts, plot)
    _summarise(result)


def _show(result: Replay, form: str) -> None:
    rows = [] if form == TABLE else [ban_object(*verdict) for verdict in result.verdicts]
    counted = {
        "infractions": result.infractions,
        "ignored": sum(result.ignored.values()),
        "left_out": len(result.bad_lines),
    }
    show(Listing("bans", rows, ban_table(result.verdicts), plain="ip", keys=BAN_KEYS, more=counted), form)


def _jail(  # noqa: PLR0913 - one for each option
    *, maxretry: int, findtime: int, bantime: int, increment: bool, maxtime: int | None, dbpurgeage: int
) -> Jail:
    return Jail(
        windows=(Window(maxretry, findtime),),
        bantime_ms=bantime,
        increment=increment,
        maxtime_ms=maxtime,
        forget_ms=None if dbpurgeage >= FOREVER_MS else dbpurgeage,
    )


def _read_log(log: Path, failregex: Sequence[str], ignoreregex: Sequence[str], log_jail: str) -> list[Row]:
    if not failregex:
        raise click.UsageError("--from-log needs at least one --failregex.")
    try:
        log_filter = LogFilter(failregex, ignoreregex, tell=lambda text: remark(f"{log}: {text}"))
    except FilterError as error:
        raise StartError(str(error)) from error
    written_ms = int(log.stat().st_mtime * 1000)  # a stamp without a year is of the file's own time
    with log.open("rb") as file:
        log_filter.learn(_text(line) for line in islice(read_lines(file), SAMPLE_LINES))
        file.seek(0)
        found = (log_filter.find(_text(line), now_ms=written_ms) for line in read_lines(file))
        rows = [(log_jail, each.ip, each.at_ms, 1) for each in found if each]
    counts = log_filter.counts
    remark(
        f"{counts.lines} lines: {counts.matched} matched, {counts.ignored} ignored, "
        f"{counts.no_match} without a match, {counts.no_address} without an address, "
        f"{counts.too_slow} too slow, {counts.too_long} too long, {counts.no_date} without a date"
    )
    return rows


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def _read(files: Sequence[str], bad: list[BadLine]) -> Iterator[Row]:
    for name in files:
        try:
            with _opened(name) as file, _progress(name) as told:
                yield from read_rows(read_lines(file), bad, told)
        except OSError as error:
            raise StartError(f"{name}: cannot be read: {error.strerror or error}") from error


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
    elif name.endswith(".gz"):
        with Path(name).open("rb") as packed:
            yield io.BufferedReader(Gzipped(packed, name))
    else:
        with Path(name).open("rb") as file:
            yield file


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how much of a plain file was read."""
    if not sys.stderr.isatty() or name == "-" or name.endswith(".gz"):
        yield lambda _: None
        return
    with click.progressbar(length=Path(name).stat().st_size, label=name, file=sys.stderr) as bar:
        yield bar.update


def _show_difference(result: Replay, other: Replay, path: Path, *, beside: bool) -> None:
    found = compare(result.verdicts, other.verdicts)
    lines = [
        "",
        f"{path} bans {len(found.more)} offenders more, {len(found.less)} less, {len(found.both)} as well:",
    ]
    for sign, offenders in (("+", found.more), ("-", found.less)):
        lines += [f"{sign} {who.jail:12} {display(who.key)}" for who in offenders]
    say_lines(lines, beside=beside)


def _draw(rows: Sequence[Row], verdicts: Sequence[ReplayedBan], path: Path) -> None:
    try:
        from f2b_worker.cli.plot import draw  # noqa: PLC0415 - the extra may be missing
    except ImportError as error:
        raise StartError("a plot needs more packages: pip install matplotlib") from error
    draw(rows, verdicts, path)


def _summarise(result: Replay) -> None:
    offenders = len({verdict.who for verdict in result.verdicts})
    ignored = sum(result.ignored.values())
    remark(
        f"{result.infractions} infractions, {len(result.verdicts)} bans of {offenders} offenders"
        + (f", {ignored} infractions of addresses that are never banned" if ignored else "")
    )
    for bad in result.bad_lines[:BAD_LINES_SHOWN]:
        remark(f"left out: {bad}")
    if len(result.bad_lines) > BAD_LINES_SHOWN:
        remark(f"left out: {len(result.bad_lines) - BAD_LINES_SHOWN} more")
