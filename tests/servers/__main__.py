"""Plays the events of the matrix and prints what became of the reports; then how fast the applications answer.

python -m tests.servers --server "gunicorn gthread" --event stop     # both may be given more than once
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.servers.events import EVENTS, Outcome, Play, events_of
from tests.servers.pace import Pace, measure
from tests.servers.rows import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.servers.served import Server

AT_ONCE = 3  # the servers wait most of the time


def main() -> int:
    """Play what the command line names; return 0 if all was as promised."""
    wanted = _arguments()
    servers = [each for each in SERVERS if not wanted.server or any(part in each.name for part in wanted.server)]
    plays = [(each, event) for each in servers for event in events_of(each) if event in (wanted.event or EVENTS)]
    with tempfile.TemporaryDirectory() as folder:
        logs = wanted.logs or Path(folder)
        logs.mkdir(exist_ok=True)
        print(f"{'server':62} {'event':24} reported  arrived     lost     told  stop_s")
        failed = _printed(_all(plays, logs, wanted.at_once))
        if not wanted.event:
            print(f"\n{'server':62} p99 with a producer and without, ms; the slowest of the first second with one")
            # A variant answers as its server does.
            failed += _printed(_paced(logs, each) for each in servers if not each.events)
    print(f"{failed} not as promised")
    return 1 if failed else 0


def _printed(rows: Iterable[tuple[str, bool]]) -> int:
    """Print rows as they come, and return how many were not as promised."""
    failed = 0
    for text, good in rows:
        print(text, flush=True)
        failed += not good
    return failed


def _all(plays: list[tuple[Server, str]], logs: Path, at_once: int) -> Iterator[tuple[str, bool]]:
    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(partial(_played, logs), plays)
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C no other server is started


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.servers")
    parser.add_argument("--server", action="append", default=[], help="part of a server's name; all if none")
    parser.add_argument("--event", action="append", choices=EVENTS, help="all events, and the pace, if none")
    parser.add_argument("--logs", type=Path, help="keep what the servers write in this folder")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="so many servers run at once")
    return parser.parse_args()


def _played(logs: Path, play: tuple[Server, str]) -> tuple[str, bool]:
    server, event = play
    try:
        outcome = Play(server, event, logs / f"{server.name} {event}.log").run()
    except AssertionError as error:
        return f"{_name(server)} {event:24} {error}", False
    return _line(server, outcome), not outcome.wrong


def _line(server: Server, outcome: Outcome) -> str:
    counts = (len(each) for each in (outcome.reported, outcome.arrived, outcome.lost))
    figures = " ".join(f"{count:8}" for count in (*counts, sum(outcome.told.values())))
    took = "" if outcome.took_s is None else f"{outcome.took_s:.1f}"
    return f"{_name(server)} {outcome.event:24} {figures} {took:>7}  {'; '.join(outcome.wrong)}"


def _paced(logs: Path, server: Server) -> tuple[str, bool]:
    try:
        pace: Pace = measure(server, logs / f"{server.name} pace.log")
    except AssertionError as error:
        return f"{_name(server)} {error}", False
    figures = f"{median(pace.with_ms):8.1f} {median(pace.without_ms):8.1f} {pace.first_ms:8.0f}"
    return f"{_name(server)} {figures}  {pace.wrong}", not pace.wrong


def _name(server: Server) -> str:
    return f"{f'{server.name} {server.version}':62}"


if __name__ == "__main__":
    sys.exit(main())
