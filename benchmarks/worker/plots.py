"""Writes the generated parts of the docs about speed: tables, a picture, and what a large attack would need.

python -m benchmarks.worker.plots [--show]     # from docs/benchmarks-growth.json, which `make bench-growth` wrote
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from benchmarks.processes import ROOT
from benchmarks.worker import capacity
from benchmarks.worker.growth import ADDRESSES, ATTACKS, FILE, PACKS, PROCESSES, Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

PICTURE = ROOT / "docs" / "pictures" / "growth.svg"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
CAPACITY = ROOT / "docs" / "capacity.md"
BEGIN, END = "<!-- made by `make bench-plots`: begin -->", "<!-- made by `make bench-plots`: end -->"


def growth_table(report: Mapping[str, Any]) -> Iterator[str]:
    """Write all points as Markdown, one axis after the other."""
    yield f"{measured(report)}\n"
    yield "| | attack | per CPU s | spread | per s | requests/1000 | $/million with sends | AWS cores | idle |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for label, point in _labelled():
        each = report["points"][point.name]
        cpu = each["infractions_per_cpu_s"]
        cells = (
            label, point.attack, f"{cpu['median']:,.0f}", f"{cpu['min']:,.0f} to {cpu['max']:,.0f}",
            f"{each['infractions_per_wall_s']['median']:,.0f}", f"{each['requests_per_1000']['median']:.2f}",
            f"{each['dollars_per_million_with_sends']:.4f}", f"{each['canned_cores']}", f"{each['idle_cores']}",
        )  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def _labelled() -> Iterator[tuple[str, Point]]:
    for number in ADDRESSES:
        yield f"{number:,} addresses", Point(f"even-{number}")
    for attack in ATTACKS:
        for pack in PACKS:
            yield f"{pack:,} a pack", Point(attack, pack=pack)
    for attack in ATTACKS:
        for number in PROCESSES:
            yield f"{number} processes" if number > 1 else "1 process", Point(attack, processes=number)


def measured(report: Mapping[str, Any]) -> str:
    """Say in one sentence where and how this was measured."""
    return (
        f"{report['processor']}, {report['cores']} cores, load {report['load']} before, "
        f"Python {report['python']}; medians of {report['runs']} runs of {report['seconds']:g} s."
    )


def replaced(text: str, lines: Iterable[str], markers: tuple[str, str] = (BEGIN, END)) -> str:
    """Put *lines* between the markers of a page.

    Raises:
        ValueError: If it has not exactly one pair of them.
    """
    before, begin, rest = text.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not begin or not end or begin in after:
        raise ValueError("a page needs the two markers once")
    return f"{before}{begin}\n\n" + "\n".join(lines) + f"\n\n{end}{after}"


def pages(report: Mapping[str, Any]) -> dict[Path, str]:
    """Write the pages anew."""
    return {
        BENCHMARKS: replaced(BENCHMARKS.read_text(), growth_table(report)),
        CAPACITY: replaced(CAPACITY.read_text(), [measured(report), "", *capacity.page(report)]),
    }


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Draw one picture with a panel for each axis."""
    # Here, because they take a second to import, which whoever only reads the tables need not wait for.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "f2b"  # so that the same figures are the same file
    figure = Figure(figsize=(12, 4), layout="constrained")
    addresses, pack, processes = figure.subplots(1, 3)
    rate = "infractions_per_cpu_s"
    _line(addresses, "evenly drawn", ADDRESSES, [_of(report, Point(f"even-{n}"), rate) for n in ADDRESSES])
    for attack in ATTACKS:
        _line(pack, attack, PACKS, [_of(report, Point(attack, pack=n), rate) for n in PACKS])
        wall = [_of(report, Point(attack, processes=n), "infractions_per_wall_s") for n in PROCESSES]
        _line(processes, attack, PROCESSES, wall)
    for axes, label, unit in (
        (addresses, "addresses", "CPU s"), (pack, "infractions a message", "CPU s"), (processes, "processes", "s"),
    ):  # fmt: skip
        axes.set_xlabel(label)
        axes.set_ylabel(f"infractions/{unit}")
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="upper left")  # to look for the best place may take long, and warns then
    addresses.set_xscale("log")
    pack.set_xscale("log")
    processes.set_xticks(PROCESSES)
    figure.savefig(path, metadata={"Date": None})


def _of(report: Mapping[str, Any], point: Point, figure: str) -> dict[str, float]:
    found: dict[str, float] = report["points"][point.name][figure]
    return found


def _line(axes: Axes, label: str, at: Sequence[int], spreads: Sequence[dict[str, float]]) -> None:
    medians = [each["median"] for each in spreads]
    below = [each["median"] - each["min"] for each in spreads]
    above = [each["max"] - each["median"] for each in spreads]
    axes.errorbar(at, medians, yerr=[below, above], marker="o", capsize=3, label=label)


@click.command()
@click.option("--show", is_flag=True, help="Print the tables, too.")
def main(*, show: bool) -> None:
    """Write pages and picture."""
    report = json.loads(FILE.read_text())
    for path, text in pages(report).items():
        path.write_text(text)
    draw(report, PICTURE)
    if show:
        click.echo("\n".join([*growth_table(report), "", *capacity.page(report)]))


if __name__ == "__main__":
    main()
