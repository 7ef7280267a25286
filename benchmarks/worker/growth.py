"""How the worker's figures grow with the attackers' addresses, with processes, and with the size of a pack.

    python -m benchmarks.worker.growth [--runs 3] [--seconds 5] [--axis pack] [--to docs/benchmarks-growth.json]

Runs `f2b-worker` on the canned AWS as `benchmarks.worker` does, along one axis at a time; all points take turns.
The figures go to a JSON file, from which `benchmarks.worker.plots` draws, and writes the tables of the docs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.processes import ROOT, BenchError, Canned
from benchmarks.report import machine
from benchmarks.worker.bench import METHOD, Bench, real
from benchmarks.worker.report import figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.worker.report import Run

FILE = ROOT / "docs" / "benchmarks-growth.json"
AXES = ("addresses", "pack", "processes")
ADDRESSES = (1_000, 10_000, 100_000, 1_000_000)
PACKS = (1, 10, 100, 1_000)
PROCESSES = (1, 2, 4)
PACK = 100
ATTACKS = ("zipf", "botnet")
WARM_UP_INFRACTIONS = 100_000


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that is measured: its attack, the infractions in a message, the worker's processes."""

    attack: str
    pack: int = PACK
    processes: int = 1

    @property
    def name(self) -> str:
        """Name it in the JSON file."""
        return f"{self.attack}/{self.pack}/{self.processes}"


AXIS_POINTS: dict[str, tuple[Point, ...]] = {
    "addresses": tuple(Point(f"even-{number}") for number in ADDRESSES),
    "pack": tuple(Point(attack, pack=pack) for attack in ATTACKS for pack in PACKS),
    "processes": tuple(Point(attack, processes=number) for attack in ATTACKS for number in PROCESSES),
}


def points(axes: Sequence[str]) -> list[Point]:
    """List what is measured for some axes, each once: the axes cross at the base."""
    return list(dict.fromkeys(point for axis in axes for point in AXIS_POINTS[axis]))


def measure(wanted: Sequence[Point], *, runs: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Measure all points by turns; answer after each turn the figures so far, by name."""
    done: dict[Point, list[Run]] = {point: [] for point in wanted}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(runs):
            for point in wanted:
                # The canned AWS keeps each attack that it prepared, so a new one for each: memory stays small.
                with Canned(folder) as canned:
                    warm_up = max(1, WARM_UP_INFRACTIONS // point.pack)
                    bench = Bench(canned, folder, warm_up=warm_up, seconds=seconds)
                    run = bench.run(real(bench.config, point.pack, point.processes, ()), point.attack)
                done[point].append(run)
                click.echo(f"{turn + 1}/{runs} {point.name:20} {run.per_cpu_s:,.0f}/CPU s", err=True)
            yield {point.name: _figures(point, of_point) for point, of_point in done.items()}


def _figures(point: Point, runs: Sequence[Run]) -> dict[str, Any]:
    contender = real(Path("f2b.toml"), point.pack, point.processes, ())
    return {"attack": point.attack} | figures(contender, runs)


@click.command()
@click.option("--runs", default=3, show_default=True)
@click.option("--seconds", default=5.0, show_default=True, help="How long each run is measured.")
@click.option("--axis", "axes", multiple=True, type=click.Choice(AXES), default=AXES)
@click.option("--to", default=FILE, type=click.Path(path_type=Path), help="The file to write; - for the output.")
def main(*, runs: int, seconds: float, axes: Sequence[str], to: Path) -> None:
    """Measure, and write the figures down."""
    where = machine()
    del where["machine"]  # the name of a host says nothing to others
    text = ""
    for turn, found in enumerate(measure(points(axes), runs=runs, seconds=seconds), start=1):
        report = {**where, "method": METHOD, "runs": turn, "seconds": seconds, "points": found}
        text = json.dumps(report, indent=1) + "\n"
        if str(to) != "-":
            to.write_text(text)  # after each turn: who stops it keeps the turns that are done
    if str(to) == "-":
        click.echo(text, nl=False)


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"benchmark: {error}")
