"""What clients notice of a rolling restart, behind each proxy.

    make bench-rolling        # ARGS="--rounds 3 --pause-s 1 --drain-s 2 --json"

Two real shims before a canned queue are stopped by SIGTERM and started again, one after another, while clients
report through a real proxy, each time another address. Counted is what was not answered 200, and what was answered
200 and is not stored. The same with one standalone worker and with one shim, for which nobody stands in: as they
are, and with a listening socket that is handed to them and stays open meanwhile, as systemd does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.processes import ROOT, BenchError
from benchmarks.report import machine
from benchmarks.rolling.fronts import FRONTS, FRONTS_OF_ONE, HELD, STANDALONE, standing
from benchmarks.rolling.load import GOOD
from benchmarks.rolling.servers import one_standalone, shims
from demo.fleet import BIN, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from benchmarks.rolling.servers import Servers

RATE_PER_S = 400.0
ROUNDS = 3
PAUSE_S = 1.0
BEFORE_AND_AFTER_S = 1.0
LOAD_ENDS_WITHIN_S = 60.0


@dataclass
class Load:
    """What the clients did.

    Attributes:
        outcomes: How often what came of a report.
        slowest_s: The longest that one of them waited for an answer.
        answered: The addresses whose report was answered 200.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    answered: list[str] = field(default_factory=list)


@contextmanager
def reporting(ports: Sequence[int], rate_per_s: float) -> Iterator[Load]:
    """Let clients report meanwhile; what they did stands in the answer afterwards."""
    command = [sys.executable, "-m", "benchmarks.rolling.load", str(rate_per_s), *map(str, ports)]
    clients = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    load = Load()
    try:
        assert clients.stdout
        if clients.stdout.readline() != b"reporting\n":
            raise BenchError("the clients do not report")
        yield load
        said, _ = clients.communicate(timeout=LOAD_ENDS_WITHIN_S)
        vars(load).update(json.loads(said))
    finally:
        clients.kill()
        clients.communicate()


def measure(
    name: str, options: Sequence[str] = (), *, rate_per_s: float, rounds: int, pause_s: float
) -> dict[str, Any]:
    """Measure one proxy on one setting, with servers that have *options*."""
    front, running = (FRONTS | FRONTS_OF_ONE)[name], running_of(name)
    with tempfile.TemporaryDirectory(prefix="f2b-bench-") as path, running(Path(path), *options) as servers:
        to = [each.port for each in servers.servers]
        with standing(front, Path(path), free_port(), to) as ports, reporting(ports, rate_per_s) as load:
            time.sleep(BEFORE_AND_AFTER_S)
            took_s = [each for _ in range(rounds) for each in servers.restart_in_turn(pause_s)]
            time.sleep(BEFORE_AND_AFTER_S)
        slowest = {"slowest_stop_s": round(max(stop for stop, _ in took_s), 2)}
        slowest["slowest_start_s"] = round(max(start for _, start in took_s), 2)
        return {"proxy": name} | figures(load, servers.stored()) | slowest


def running_of(name: str) -> Callable[..., AbstractContextManager[Servers]]:
    """Say which servers a row of the table has."""
    if name in FRONTS:
        return shims
    holds = HELD in name
    return partial(one_standalone, holds=holds) if STANDALONE in name else partial(shims, number=1, holds=holds)


def figures(load: Load, stored: Mapping[str, int]) -> dict[str, Any]:
    """Sum up one run.

    Args:
        load: What the clients saw.
        stored: How often each address was stored.
    """
    by_status: Counter[str] = Counter()
    for what, number in load.outcomes.items():
        by_status[what.partition(" ")[0]] += number
    answered = set(load.answered)
    return {
        "requests": by_status.total(),
        "not_200": by_status.total() - by_status[GOOD],
        "by_status": {status: number for status, number in sorted(by_status.items()) if status != GOOD},
        "missing_200s": len(answered - stored.keys()),
        "stored_without_200": len(stored.keys() - answered),
        "stored_twice": sum(times > 1 for times in stored.values()),
        "slowest_s": load.slowest_s,
        "outcomes": load.outcomes,
    }


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write the rows for people, as Markdown."""
    lines = [
        "| proxy, setting | requests | not 200 | missing 200s | stored without a 200, twice | slowest answer |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        by_status = ", ".join(f"{status}: {number:,}" for status, number in row["by_status"].items())
        not_200 = f"{row['not_200']:,}" + (f" ({by_status})" if by_status else "")
        more = f"{row['stored_without_200']}, {row['stored_twice']}"
        cells = (row["proxy"], f"{row['requests']:,}", not_200, row["missing_200s"], more)
        lines.append(f"| {' | '.join(map(str, cells))} | {row['slowest_s']:.2f} s |")
    return lines


def shim_options(**given: float | None) -> tuple[str, ...]:
    """Say how a shim is told what was given.

    Raises:
        BenchError: If this one does not know it.
    """
    known = subprocess.run([str(BIN / "f2b-shim"), "--help"], capture_output=True, text=True, check=True).stdout
    options = {f"--{name.replace('_', '-')}": str(value) for name, value in given.items() if value is not None}
    for name in options:
        if name not in known:
            raise BenchError(f"this f2b-shim has no {name}")
    return tuple(chain.from_iterable(options.items()))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--only", multiple=True, type=click.Choice([*FRONTS, *FRONTS_OF_ONE]), help="Only these proxies.")
@click.option("--rounds", default=ROUNDS, show_default=True, help="How often each server is restarted.")
@click.option("--pause-s", default=PAUSE_S, show_default=True, help="From one that is ready to the next stop.")
@click.option("--drain-s", type=float, help="What the shims are told; by default nothing.")
@click.option("--workers", type=int, help="The same.")
@click.option("--rate", default=RATE_PER_S, show_default=True, help="Reports a second of all clients.")
def main(
    only: Sequence[str], rounds: int, pause_s: float, rate: float, *, as_json: bool, **of_shims: float | None
) -> None:
    """Measure, and print what came out."""
    told = shim_options(**of_shims)
    about = machine() | {"rounds": rounds, "pause_s": pause_s, "rate_per_s": rate, "shims": " ".join(told)}
    rows: list[dict[str, Any]] = []
    for name in only or (*FRONTS, *FRONTS_OF_ONE):
        options = () if STANDALONE in name else told
        rows.append(measure(name, options, rate_per_s=rate, rounds=rounds, pause_s=pause_s))
        click.echo(table(rows[-1:])[-1], err=True)
    if as_json:
        click.echo(json.dumps(about | {"rows": rows}))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in about.items()) + "\n")
    click.echo("\n".join(table(rows)))
