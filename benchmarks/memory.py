"""What a worker's memory comes to under attack by many addresses: its caches are bounded, so it must become flat.

    python -m benchmarks.memory [--json] [--seconds 420] [--maxretry 2]

One real worker, without an enforcer, judges 1,000,000 addresses on the canned AWS as fast as it can. Two
infractions ban an address, for long; with `--maxretry 1` one does, and there are 200,000 bans four times as soon.
Every ten seconds one line says how much was judged, and how much of the worker is resident.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.attacks import JAIL
from benchmarks.processes import BenchError, Canned, Process, aws_environment
from benchmarks.report import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTACK, PACK, NAME = "even-1000000", 100, "f2b"
CONFIG = f'[defaults]\nmaxretry = {{maxretry}}\nfindtime = "2h"\nbantime = "1d"\n\n[jails.{JAIL}]\n'
EVERY_S = 10.0
MUST_MB = 150.0
MIB = 1024 * 1024


def resident_mib(pid: int) -> float:
    """Tell how much memory a process takes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def points(folder: Path, seconds: float, maxretry: int) -> Iterator[dict[str, float]]:
    """Let the worker judge for so long; tell every ten seconds how it does."""
    config = folder / "f2b.toml"
    config.write_text(CONFIG.format(maxretry=maxretry))
    arguments = ["f2b_worker", "--queue", NAME, "--table", NAME, "--config", str(config), "--processes", "1"]
    with Canned(folder) as canned:
        canned.feed(ATTACK, PACK, messages=0)
        with Process(arguments, aws_environment(canned.url), folder / "worker.log") as worker:
            canned.wait_until_received(worker, 1)
            canned.feed(ATTACK, PACK)
            began_s = time.monotonic()
            while (passed_s := time.monotonic() - began_s) < seconds:
                time.sleep(EVERY_S)
                worker.must_live()
                judged = canned.counters()["deleted"] * PACK
                yield {
                    "seconds": round(passed_s + EVERY_S),
                    "infractions": judged,
                    "mib": round(resident_mib(worker.popen.pid), 1),
                }
            canned.feed(None)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--seconds", default=420.0, show_default=True, help="How long the attack goes on.")
@click.option("--maxretry", default=2, show_default=True, help="So many infractions ban an address.")
def main(*, as_json: bool, seconds: float, maxretry: int) -> None:
    """Measure, and print what came out."""
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        for point in points(Path(name), seconds, maxretry):
            found.append(point)
            print(point, file=sys.stderr, flush=True)
    if as_json:
        click.echo(json.dumps({**machine(), "points": found}))
        return
    most = max(point["mib"] for point in found)
    kept = "yes" if most <= MUST_MB else "NO"
    click.echo(f"{found[-1]['infractions']:,.0f} infractions, {most} MiB at most; ≤ {MUST_MB:g} MiB: {kept}")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"benchmarks.memory: {error}")
