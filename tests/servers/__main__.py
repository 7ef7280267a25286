"""Plays the events of the matrix and prints what became of the reports.

python -m tests.servers --server "gunicorn gthread" --event stop     # both may be given more than once
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.servers.events import EVENTS, Outcome, Play, events_of
from tests.servers.rows import SERVERS


def main() -> int:
    """Play what the command line names, and return whether all was as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers")
    parser.add_argument(
        "--server", action="append", default=[], help="part of a server's name; all servers if none"
    )
    parser.add_argument("--event", action="append", choices=EVENTS, help="all events if none")
    parser.add_argument("--logs", type=Path, help="keep what the servers write in this folder")
    wanted = parser.parse_args()
    servers = [each for each in SERVERS if not wanted.server or any(part in each.name for part in wanted.server)]
    plays = [(each, event) for each in servers for event in events_of(each) if event in (wanted.event or EVENTS)]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        logs = wanted.logs or Path(folder)
        logs.mkdir(exist_ok=True)
        print(HEAD)
        for one, event in plays:
            log = logs / f"{one.name} {event}.log".replace("/", " ")
            try:
                outcome = Play(one, event, log).run()
            except AssertionError as error:
                print(f"{one.name:58} {event:24} {str(error)[-2000:]}", flush=True)
                failed += 1
                continue
            print(line(outcome), flush=True)
            failed += bool(outcome.wrong)
    print(f"{len(plays) - failed} as promised, {failed} not")
    return 1 if failed else 0


HEAD = f"{'server':58} {'event':24} reported  arrived     lost     told  stop_s"


def line(outcome: Outcome) -> str:
    """Write one row of the table."""
    name = f"{outcome.server} {outcome.version}"
    counts = (len(each) for each in (outcome.reported, outcome.arrived, outcome.lost))
    figures = " ".join(f"{count:8}" for count in (*counts, sum(outcome.told.values())))
    took = "" if outcome.took_s is None else f"{outcome.took_s:.1f}"
    return f"{name:58} {outcome.event:24} {figures} {took:>7}  {'; '.join(outcome.wrong)}"


if __name__ == "__main__":
    sys.exit(main())
