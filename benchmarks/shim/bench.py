"""How many requests the shim answers durably, and whether any is lost on the way.

    python -m benchmarks.shim [--json]                     # GET over 16 connections, five runs
    python -m benchmarks.shim --connections 64             # over so many
    python -m benchmarks.shim --soak 10 --rate 5000        # minutes at a steady rate: sent = stored, memory

The real `f2b-shim` in one process; a queue that answers at once and counts what it was sent, in another; the load
over raw sockets in a third. Where the processor is shared, so is the figure: the shim's CPU stands beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from benchmarks.processes import ROOT
from benchmarks.report import machine, show, spread
from benchmarks.shim.load import Load, Outcome
from demo.fleet import BIN, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 5
RUN_S = 4.0
CONNECTIONS = 16
SOAK_CONNECTIONS = 256  # so many that none is late because its last answer took the linger
TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}


class Bench(NamedTuple):
    """A running shim before a canned queue."""

    shim_pid: int
    port: int
    queue_url: str

    def cpu_s(self) -> float:
        """Tell how much CPU the shim has used."""
        fields = Path(f"/proc/{self.shim_pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_S

    def resident_mb(self) -> float:
        """Tell how much memory the shim holds."""
        return int(Path(f"/proc/{self.shim_pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6

    def counted(self) -> dict[str, int]:
        """Ask the queue what it was sent."""
        with urllib.request.urlopen(self.queue_url) as answer:
            found: dict[str, int] = json.loads(answer.read())
            return found


@contextmanager
def canned_queue(*options: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Start the queue; tell its address, and the environment of a shim before it."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | ENVIRONMENT | {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_SQS": url}
    command = [sys.executable, "-m", "benchmarks.shim.queue", str(port), *options]
    queue = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        eventually(lambda: _answers(url), "the queue answers", 30)
        yield url, environment
    finally:
        queue.terminate()
        queue.wait(20)


@contextmanager
def running(*options: str) -> Iterator[Bench]:
    """Start the queue and the shim with *options*; end both."""
    with canned_queue() as (queue_url, environment):
        port = free_port()
        command = [str(BIN / "f2b-shim"), "--queue", f"{queue_url}/1/f2b", *options]
        shim = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], env=environment)
        try:
            eventually(lambda: _answers(f"http://127.0.0.1:{port}/"), "the shim answers", 30)
            yield Bench(shim.pid, port, queue_url)
        finally:
            shim.terminate()
            shim.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def drive(port: int, *, run_s: float, connections: int, rate_per_s: float = 0) -> Outcome:
    """Run the load in a process of its own."""
    load = Load(port, run_s, connections, rate_per_s)
    command = [sys.executable, "-m", "benchmarks.shim.load", *map(str, load)]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    return Outcome(**json.loads(done.stdout))


def measure(connections: int = CONNECTIONS) -> dict[str, Any]:
    """Measure GETs: five runs against one process, after a short one that does not count."""
    runs: list[Outcome] = []
    cpu_us: list[float] = []
    with running() as bench:
        drive(bench.port, run_s=1, connections=connections)
        before = bench.counted()
        for _ in range(RUNS):
            began_s = bench.cpu_s()
            runs.append(drive(bench.port, run_s=RUN_S, connections=connections))
            cpu_us.append((bench.cpu_s() - began_s) / runs[-1].answered * 1e6)
        after = bench.counted()
    answered = sum(run.answered for run in runs)
    return {
        "requests_per_s": spread([run.answered / run.took_s for run in runs], 2),
        "p50_ms": spread([run.p50_ms for run in runs], 2),
        "p99_ms": spread([run.p99_ms for run in runs], 2),
        "errors": sum(run.errors for run in runs),
        "answered": answered,
        "stored": after["infractions"] - before["infractions"],
        "requests_per_send": round(answered / (after["sends"] - before["sends"]), 1),
        "shim_cpu_us_per_request": spread(cpu_us, 2),
        "load_cpu_share": spread([run.cpu_s / run.took_s for run in runs], 2),
    }


def soak(minutes: float, rate_per_s: float) -> dict[str, Any]:
    """Report at a steady rate, each time another address; weigh the memory after a tenth of it and at the end."""
    with running() as bench:
        warm = drive(bench.port, run_s=minutes * 6, connections=SOAK_CONNECTIONS, rate_per_s=rate_per_s)
        before_mb = bench.resident_mb()
        began_s = bench.cpu_s()
        main = drive(bench.port, run_s=minutes * 60, connections=SOAK_CONNECTIONS, rate_per_s=rate_per_s)
        cpu_s = bench.cpu_s() - began_s
        after_mb = bench.resident_mb()
        time.sleep(0.1)
        counted = bench.counted()
    sent = warm.answered + main.answered
    return {
        "minutes": minutes,
        "requests_per_s": round(main.answered / main.took_s),
        "p99_ms": round(main.p99_ms, 2),
        "errors": warm.errors + main.errors,
        "sent": sent,
        "stored": counted["infractions"],
        "lost": sent - counted["infractions"],
        "sends_per_s": round(counted["sends"] / (warm.took_s + main.took_s)),
        "resident_mb": round(after_mb, 1),
        "resident_growth_mb": round(after_mb - before_mb, 2),
        "shim_cpu_share": round(cpu_s / main.took_s, 2),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--soak", "minutes", type=float, help="Report for so many minutes at --rate instead.")
@click.option("--rate", default=5000.0, show_default=True, help="Requests a second of the soak.")
@click.option(
    "--connections", default=CONNECTIONS, show_default=True, help="Clients that ask at once; not of the soak."
)
def main(minutes: float | None, rate: float, connections: int, *, as_json: bool) -> None:
    """Measure, and print what came out."""
    where = machine()
    show(where | (measure(connections) if minutes is None else soak(minutes, rate)), as_json=as_json)
