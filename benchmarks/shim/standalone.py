"""How many requests standalone mode answers durably, while it judges what they report.

    make bench-standalone        # GET over 16 connections, five runs; ARGS="--connections 64 --json"

The real `f2b-worker --standalone` without an IP set: every 200 is on disk, and the judge judges beside it. The
load comes over raw sockets from another process. What is not judged yet when a run ends waits in the file: how
much that is stands beside the figure. After each run `f2b-shim` answers the same load with a canned queue behind
it, the reference: what a shared machine takes from one it takes from the other.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from benchmarks.report import machine, show, spread
from benchmarks.shim import bench as shim
from benchmarks.shim.bench import CONNECTIONS, ENVIRONMENT, RUN_S, RUNS, drive
from demo.fleet import BIN, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.shim.load import Outcome

TICKS_S = os.sysconf("SC_CLK_TCK")
SERVES_HTTP = b"f2b_worker.process.standalone.http"


class Bench(NamedTuple):
    """A running worker and its file."""

    pid: int
    http_pid: int
    port: int
    metrics_port: int
    state: Path

    def cpu_s(self) -> tuple[float, float]:
        """Tell how much CPU the judge's process and that of HTTP have used."""
        return _cpu_s(self.pid), _cpu_s(self.http_pid)

    def waiting(self) -> int:
        """Count the messages that are not judged yet."""
        with closing(sqlite3.connect(self.state)) as file:
            number: int = file.execute("SELECT count(*) FROM inbox").fetchone()[0]
            return number

    def judged(self) -> int:
        """Ask how many infractions were judged."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            int(float(line.split()[1])) for line in lines if line.startswith("f2b_infractions_judged_total")
        )


@contextmanager
def running() -> Iterator[Bench]:
    """Start the worker on a new file; end it."""
    port, metrics_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="f2b-bench-") as folder:
        state = Path(folder) / "f2b.db"
        command = [str(BIN / "f2b-worker"), "--standalone", "--state", str(state), "--log-level", "warning"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--metrics-port", str(metrics_port)]
        worker = subprocess.Popen(command, env=os.environ | ENVIRONMENT)
        try:
            eventually(lambda: _answers(port), "it answers", 30)
            yield Bench(worker.pid, http_pid(worker.pid), port, metrics_port, state)
        finally:
            worker.terminate()
            worker.wait(20)


def http_pid(pid: int) -> int:
    """Find the process that serves HTTP among a worker's children: multiprocessing's resource tracker is one, too.

    Raises:
        LookupError: If none of them does.
    """
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            if SERVES_HTTP in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    raise LookupError(f"no child of process {pid} is {SERVES_HTTP.decode()}")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
            return True
    except OSError:
        return False


def measure(connections: int) -> dict[str, Any]:
    """Measure five runs, each beside one of the shim, after a short one that does not count."""
    runs: list[Outcome] = []
    beside: list[Outcome] = []
    cpu_us: list[tuple[float, float]] = []
    waiting: list[float] = []
    with running() as bench, shim.running() as reference:
        sent = drive(bench.port, run_s=1, connections=connections).answered
        drive(reference.port, run_s=1, connections=connections)
        for _ in range(RUNS):
            before_s = bench.cpu_s()
            runs.append(drive(bench.port, run_s=RUN_S, connections=connections))
            waiting.append(bench.waiting())
            sent += runs[-1].answered
            eventually(lambda: bench.judged() == sent, "all is judged", 120)  # noqa: B023 - called before it changes
            used = zip(before_s, bench.cpu_s(), strict=True)
            judge_us, http_us = ((after - before) / runs[-1].answered * 1e6 for before, after in used)
            cpu_us.append((judge_us, http_us))
            beside.append(drive(reference.port, run_s=RUN_S, connections=connections))
    per_s, shim_per_s = ([run.answered / run.took_s for run in each] for each in (runs, beside))
    return {
        "requests_per_s": spread(per_s, 2),
        "p50_ms": spread([run.p50_ms for run in runs], 2),
        "p99_ms": spread([run.p99_ms for run in runs], 2),
        "errors": sum(run.errors for run in runs),
        "answered_and_judged": sent,
        "messages_waiting_after_a_run": spread(waiting, 2),
        "judge_cpu_us_per_request": spread([judge_us for judge_us, _ in cpu_us], 2),
        "http_cpu_us_per_request": spread([http_us for _, http_us in cpu_us], 2),
        "load_cpu_share": spread([run.cpu_s / run.took_s for run in runs], 2),
        "shim_requests_per_s": spread(shim_per_s, 2),
        "of_the_shims": spread([ours / its for ours, its in zip(per_s, shim_per_s, strict=True)], 2),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--connections", default=CONNECTIONS, show_default=True, help="Clients that ask at once.")
def main(connections: int, *, as_json: bool) -> None:
    """Measure, and print what came out."""
    show(machine() | measure(connections), as_json=as_json)


if __name__ == "__main__":
    main()
