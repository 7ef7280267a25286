"""What the producer costs the application that it lives in.

    python -m benchmarks.producer [--json] [--runs 5] [--only report]

Every run is a process of its own. The client is a canned one that confirms at once, in memory, so that this
package is measured and not boto3 or a network; "with boto3" means boto3's client, and the canned AWS in another
process. Each figure is the median of the runs, with the least and the most beside it. Calls are timed from
outside, one by one: a figure includes the 50 to 100 ns that reading the clock takes.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import click

from benchmarks.producer.runs import MEASUREMENTS
from benchmarks.report import machine

BOUNDS = {
    "report: median µs": 2.0,
    "report: p99 µs": 20.0,
    "asyncio: lag over idle, p99.9 ms": 3.0,
    "memory: full buffer, MB": 10.0,
    "import: CPU ms": 15.0,
}


def run(measurement: str) -> dict[str, float]:
    """Measure once, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.producer.runs", measurement]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(ended.stdout)
    return {f"{measurement}: {name}": value for name, value in figures.items()}


def summary(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return median, least and most of every figure."""
    values = {name: [one[name] for one in runs] for name in runs[0]}
    return {
        name: {"median": statistics.median(found), "min": min(found), "max": max(found)}
        for name, found in values.items()
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--runs", default=5, show_default=True, help="Runs of each measurement.")
@click.option("--only", type=click.Choice(sorted(MEASUREMENTS)), help="One measurement.")
def main(*, as_json: bool, runs: int, only: str | None) -> None:
    """Measure, and print what came out."""
    figures: dict[str, dict[str, float]] = {}
    for measurement in [only] if only else MEASUREMENTS:
        figures |= summary([run(measurement) for _ in range(runs)])
    if as_json:
        print(json.dumps({**machine(), "runs": runs, "figures": figures, "bounds": BOUNDS}))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"{'':46} {'median':>9} {'least':>9} {'most':>9}   at most")
    for name, found in figures.items():
        line = " ".join(f"{found[which]:9.2f}" for which in ("median", "min", "max"))
        print(f"{name:46} {line}   {BOUNDS.get(name, '')}")
