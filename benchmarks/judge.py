"""How fast the judge reads and judges a file, and what an offender costs in memory.

    python -m benchmarks.judge [--json] [FILE]      # by default a made-up attack of 200,000 infractions

Each figure is the median of five runs, in one process on one core, with the smallest and the largest beside it.
"""

from __future__ import annotations

import gc
import random
import sys
import time
import tracemalloc
from pathlib import Path

import click

from benchmarks.report import machine, show, spread
from f2b_worker.domain.jails import Jail, Policy, Window
from f2b_worker.domain.judge.verdicts import Hit, OffenderId
from f2b_worker.offline.replay import judge_rows, read_rows
from f2b_worker.testing import MemoryLedger

RUNS = 5
INFRACTIONS = 200_000
OFFENDERS = 1_000_000
HITS_EACH = 3
POLICY = Policy(Jail(windows=(Window(3, 600_000),), bantime_ms=1_800_000, forget_ms=None))


def made_up() -> list[bytes]:
    """Make an attack: 2,000 addresses, a few of which send most of it."""
    dice = random.Random(1)
    at_s = 1_700_000_000
    lines = []
    for _ in range(INFRACTIONS):
        at_s += dice.random() < 0.3
        host = int(dice.paretovariate(0.6)) % 2000
        lines.append(b'{"ip": "203.0.%d.%d", "jail": "login", "time": %d}\n' % (host // 256, host % 256, at_s))
    return lines


def infractions_per_s(path: Path | None) -> list[float]:
    """Read and judge the whole file, several times."""
    made = made_up() if path is None else []
    rates = []
    for _ in range(RUNS):
        started_s = time.perf_counter()
        if path is None:
            result = judge_rows(read_rows(made, []), POLICY, [])
        else:
            with path.open("rb") as lines:
                result = judge_rows(read_rows(lines, []), POLICY, [])
        rates.append(result.infractions / (time.perf_counter() - started_s))
    return rates


def bytes_per_offender() -> float:
    """Put a million addresses with three infractions each into the in-memory ledger."""
    ledger = MemoryLedger()
    gc.collect()
    tracemalloc.start()
    for number in range(OFFENDERS):
        who = OffenderId("login", f"{1 + number // 65536}.{number // 256 % 256}.{number % 256}.7/32")
        ledger.record({who: [Hit(1_700_000_000_000 + place, f"pack.{place}") for place in range(HITS_EACH)]})
    gc.collect()
    used_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used_bytes / OFFENDERS


@click.command()
@click.argument("path", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(path: Path | None, *, as_json: bool) -> None:
    """Measure, and print what came out."""
    rates = infractions_per_s(path)
    figures = {
        "replay_infractions_per_s": spread(rates),
        "ledger_bytes_per_offender": round(bytes_per_offender()),
    }
    file = str(path) if path else f"made up, {INFRACTIONS} infractions"
    show({**machine(), "file": file, **figures}, as_json=as_json)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
