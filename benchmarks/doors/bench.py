"""What honest clients notice while 1,100 connections sit idle, drip or grab at a port of ours.

    make bench-doors        # ARGS="--tries 3 --door shim --json"

The real worker, shim and standalone worker on the strict local AWS, each process with 1,024 open files at most. An
address is reported three times by HTTP; measured is the time from the last answer until its IP set holds it, and
how long each probe of the attacked port takes. Attackers and honest clients come from the same address.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from benchmarks.doors.attacking import CONNECTIONS, KINDS, attacked
from benchmarks.processes import BenchError
from benchmarks.report import machine
from demo.fleet import BIN, NAME, Fleet, eventually, free_port, get
from localstack.local_aws import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONFIG = '[defaults]\nmaxretry = 3\nfindtime = "10m"\nbantime = "1h"\n'
FEW_FILES = ("sh", "-c", 'ulimit -n 1024; exec "$0" "$@"')
TRIES = 10
IDLE_S = 1.3
"""Before each try: WAF's second after the last update is over."""

READY_WITHIN_S = 60.0
ENFORCED_WITHIN_S = 60.0
PROBES = ("/healthz", "/readyz", "/metrics")


@dataclass
class Row:
    """What was measured of one port under one attack."""

    door: str
    attack: str
    to_set_s: list[float]
    probe_s: list[float]
    failed: int
    connected: int

    def figures(self) -> dict[str, Any]:
        """Sum it up."""
        return {
            "door": self.door,
            "attack": self.attack,
            "report_to_set_median_s": round(median(self.to_set_s), 2),
            "report_to_set_worst_s": round(max(self.to_set_s), 2),
            "probe_median_ms": round(median(self.probe_s) * 1000),
            "probe_worst_ms": round(max(self.probe_s) * 1000),
            "failed": self.failed,
            "attackers_connected": self.connected,
        }


def few_files(program: str) -> tuple[str, ...]:
    """Say how a program is started that may have 1,024 files open."""
    return (*FEW_FILES, str(BIN / program))


def metrics_of_worker(fleet: Fleet, _folder: Path, *, processes: int = 1) -> int:
    """Start a worker whose metrics are attacked."""
    port = free_port()
    options = ("--metrics-port", str(port), "--processes", str(processes))
    fleet.start_worker(*options, program=few_files("f2b-worker"))
    fleet.start_shim()
    return port


def metrics_of_pool(fleet: Fleet, folder: Path) -> int:
    """Start two worker processes whose metrics are attacked."""
    return metrics_of_worker(fleet, folder, processes=2)


def shim(fleet: Fleet, _folder: Path) -> int:
    """Start a shim that is attacked."""
    fleet.start_worker()
    fleet.start_shim(program=few_files("f2b-shim"))
    return fleet.shim_port


def standalone(fleet: Fleet, folder: Path) -> int:
    """Start a standalone worker that is attacked."""
    port = free_port()
    fleet.shim_url = f"http://127.0.0.1:{port}"
    command = [*few_files("f2b-worker"), "--standalone", "--state", str(folder / "f2b.db"), "--ip-set", NAME]
    command += ["--host", "127.0.0.1", "--port", str(port), "--config", str(folder / "f2b.toml")]
    fleet.workers.append(fleet._start(command, None))  # noqa: SLF001 - as the tests do
    return port


DOORS: dict[str, Callable[[Fleet, Path], int]] = {
    "shim": shim,
    "standalone": standalone,
    "metrics": metrics_of_worker,
    "metrics, two processes": metrics_of_pool,
}


def measure(aws: LocalAws, account: str, door: str, tries: int) -> Iterator[Row]:
    """Measure one port: without an attack first, then under each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "f2b.toml"
        config.write_text(CONFIG)
        with Fleet(aws, config, account=account) as fleet:
            fleet.provision()
            port = DOORS[door](fleet, folder)
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: get(f"{url}/readyz")[0] == 200, "it is ready", READY_WITHIN_S)
            addresses = (f"203.0.113.{number}" for number in range(1, 255))
            for attack in ("none", *KINDS):
                attacking: AbstractContextManager[dict[str, int]] = nullcontext({})
                if attack in KINDS:
                    attacking = attacked(attack, port)
                with attacking as did:
                    row = Row(door, attack, [], [], 0, 0)
                    for _ in range(tries):
                        _try(fleet, url, next(addresses), row)
                row.connected = did.get("connected", 0)
                yield row
            if any(worker.poll() is not None for worker in fleet.workers):
                raise BenchError(f"a worker ended while its {door} was attacked")


def _try(fleet: Fleet, url: str, ip: str, row: Row) -> None:
    time.sleep(IDLE_S)
    for path in PROBES:
        began_s = time.monotonic()
        row.failed += get(url + path)[0] != 200
        row.probe_s.append(time.monotonic() - began_s)
    stored = 0
    while stored < 3:
        answered = fleet.get(f"/infraction/{ip}")[0] == 200
        stored += answered
        row.failed += not answered
    reported_s = time.monotonic()
    eventually(lambda: f"{ip}/32" in fleet.ip_set_entries(), f"{ip} is in its set", ENFORCED_WITHIN_S, 0.02)
    row.to_set_s.append(time.monotonic() - reported_s)


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write the rows for people, as Markdown."""
    lines = [
        "| attacked port | attack | report to set: median, worst | probe: median, worst | failed | connected |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        to_set = f"{row['report_to_set_median_s']} s, {row['report_to_set_worst_s']} s"
        probe = f"{row['probe_median_ms']} ms, {row['probe_worst_ms']} ms"
        cells = (row["door"], row["attack"], to_set, probe, row["failed"], f"{row['attackers_connected']:,}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--door", "doors", multiple=True, type=click.Choice(list(DOORS)), help="Only these ports.")
@click.option("--tries", default=TRIES, show_default=True, help="Addresses to report for each row.")
def main(*, as_json: bool, doors: Sequence[str], tries: int) -> None:
    """Measure, and print what came out."""
    about = {**machine(), "attacking_connections": CONNECTIONS, "tries": tries}
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws())
        aws.edge.set_waf_read_rate(None)  # who watches asks far more often than WAF allows
        for number, door in enumerate(doors or DOORS):
            for row in measure(aws, f"{500_000_000_001 + number}", door, tries):
                rows.append(row.figures())
                click.echo(", ".join(f"{key} {value}" for key, value in rows[-1].items()), err=True)
    if as_json:
        click.echo(json.dumps(about | {"rows": rows}))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in about.items()) + "\n")
    click.echo("\n".join(table(rows)))
