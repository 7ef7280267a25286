"""From `report()` in an application to the address in the IP set: the whole road, measured from outside.

    python -m benchmarks.end_to_end [--json] [--seconds 20] [--only canned] [--rate 20000]

A thousand real producers in a few processes, the real `f2b-worker` with its enforcer, and AWS WAF on the strict
local AWS, which takes one UpdateIPSet a second. Queue and ledger are the local AWS as well, whose limit is found
by raising the rate until bans no longer come in time; or the canned one, with 20,000 infractions a second, and
fewer if the cores of this machine, which everything shares, do not suffice for that. Measured is, for each new
offender, the time from the call of `report()` that made it one infraction too many until an update of an IP set
that holds it took effect, by the edge's own record, which costs no call of WAF.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from benchmarks.attacks import JAIL
from benchmarks.end_to_end.producers import MAXRETRY, SENT_WITHIN_S
from benchmarks.enforcer.watch import LOOK_EVERY_S, Watch
from benchmarks.processes import ROOT, BenchError, Canned, Process
from benchmarks.report import machine
from localstack.local_aws import LocalAws

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "f2b"
CONFIG = f'[defaults]\nmaxretry = {MAXRETRY}\nfindtime = "10m"\nbantime = "1h"\n\n[jails.{JAIL}]\n'
CAPACITY = 50_000
PRODUCERS = 1_000
PRODUCER_PROCESSES = 4
OFFENDERS_PER_S = 50.0
WARM_UP_S = 10.0
"""Then the addresses that make most of the attack are banned."""
PRODUCERS_START_WITHIN_S = 12.0
STARTS_WITHIN_S = 60.0
ENFORCES_AFTER_S = 2.0
LATE_S = 30.0
MUST_P50_S = 2.0
LOCAL_RATES_PER_S = (50, 100, 200, 400, 800, 1_600, 3_200)
CANNED_RATES_PER_S = (20_000, 10_000, 5_000, 2_500)
OFFENDERS_SHARE = 0.05
"""At low rates fewer offenders come, so that their five infractions are not all there is."""
EMULATOR, CANNED = "queue and ledger: local AWS", "queue and ledger: canned"


class Road:
    """An account of the local AWS with a worker that enforces; its queue and ledger may be the canned ones.

    Args:
        aws: A running local AWS.
        account: Twelve digits; nobody has used it before.
        folder: For the jails file and the logs.
        canned: Has the queue and the ledger, if given.
        capacity: How many addresses of each family the IP sets take.
        more: Further options of the worker.
    """

    def __init__(  # noqa: PLR0913
        self,
        aws: LocalAws,
        account: str,
        folder: Path,
        canned: Canned | None,
        *,
        capacity: int = CAPACITY,
        more: Sequence[str] = (),
    ) -> None:
        self.account = account
        self.watch = Watch(aws.edge, account)
        self._environment = aws.child_environment(account)
        self._log = folder / f"{account}.log"
        config = folder / "f2b.toml"
        config.write_text(CONFIG)
        self._provision(capacity)
        self.queue_url = aws.client("sqs", account=account).get_queue_url(QueueName=NAME)["QueueUrl"]
        if canned:
            canned.ask("POST", "/reset")
            self._environment |= dict.fromkeys(("AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_DYNAMODB"), canned.url)
            self.queue_url = f"{canned.url}/{account}/{NAME}"
        # The surge guard is not what is measured: an attack of these may have more addresses than it lets in.
        more = ("--max-new-bans-per-minute", "0", *more)
        options = ("--queue", NAME, "--table", NAME, "--ip-set", NAME, "--config", str(config), *more)
        self.worker = Process(["f2b_worker", *options], self._environment, self._log)

    def _provision(self, capacity: int) -> None:
        options = ("--queue", NAME, "--table", NAME, "--ip-set", NAME, "--capacity", str(capacity))
        command = [sys.executable, "-m", "f2b_worker.cli", "provision", *options]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"f2b provision failed: {done.stderr.strip()}")

    def __enter__(self) -> Self:
        try:
            self._wait_until_enforcing()
        except BenchError:
            self.__exit__()
            raise
        return self

    def _wait_until_enforcing(self) -> None:
        ends_s = time.monotonic() + STARTS_WITHIN_S
        while b'"enforcing"' not in self._log.read_bytes():
            self.worker.must_live()
            if time.monotonic() > ends_s:
                raise BenchError(f"the worker does not enforce; its log: {self._log.read_text()[-2000:]}")
            time.sleep(LOOK_EVERY_S)
        time.sleep(ENFORCES_AFTER_S)

    def __exit__(self, *_: object) -> None:
        self.worker.__exit__()


def report(road: Road, rate_per_s: float, seconds: float, linger_s: float) -> dict[str, Any]:
    """Let all producers report, and wait until they are done; answer what they say together."""
    starts_s = time.time() + PRODUCERS_START_WITHIN_S
    part = {
        "queue_url": road.queue_url, "account": road.account, "processes": PRODUCER_PROCESSES,
        "producers": PRODUCERS, "rate_per_s": rate_per_s, "starts_s": starts_s, "lasts_s": WARM_UP_S + seconds,
        "offenders_per_s": min(OFFENDERS_PER_S, OFFENDERS_SHARE * rate_per_s), "linger_s": linger_s,
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.end_to_end.producers"]
    children = [
        subprocess.Popen([*command, json.dumps(part | {"process": process})], stdout=subprocess.PIPE, cwd=ROOT)
        for process in range(PRODUCER_PROCESSES)
    ]
    said = [
        _said(child, PRODUCERS_START_WITHIN_S + WARM_UP_S + seconds + SENT_WITHIN_S + 60) for child in children
    ]
    last_s: dict[str, float] = {}
    for each in said:
        for ip, at_s in each["last_s"].items():
            last_s[ip] = max(at_s, last_s.get(ip, 0.0))
    sums = {name: sum(each[name] for each in said) for name in ("accepted", "sent", "cpu_s")}
    return {"starts_s": starts_s, "last_s": last_s, **sums}


def _said(child: subprocess.Popen[bytes], within_s: float) -> dict[str, Any]:
    output, _ = child.communicate(timeout=within_s)
    if child.returncode:
        raise BenchError(f"a process of producers ended with {child.returncode}")
    said: dict[str, Any] = json.loads(output)
    return said


def run(road: Road, rate_per_s: float, seconds: float, linger_s: float) -> dict[str, Any]:
    """Measure once."""
    cpu_s, began_s = road.worker.cpu_s(), time.monotonic()
    said = report(road, rate_per_s, seconds, linger_s)
    counted = {f"{ip}/32": at_s for ip, at_s in said["last_s"].items() if at_s >= said["starts_s"] + WARM_UP_S}
    ends_s = time.monotonic() + LATE_S
    road.watch.look()
    while not counted.keys() <= road.watch.entered_s.keys() and time.monotonic() < ends_s:
        road.worker.must_live()
        time.sleep(LOOK_EVERY_S)
        road.watch.look()
    entered_s = road.watch.entered_s
    waited_s = [entered_s[entry] - at_s for entry, at_s in counted.items() if entry in entered_s]
    lasted_s = WARM_UP_S + seconds
    # From the first report to the last ban: with a backlog longer than the attack.
    took_s = time.monotonic() - began_s - PRODUCERS_START_WITHIN_S
    return {
        "wanted_per_s": rate_per_s,
        "reported_per_s": round(said["accepted"] / lasted_s),
        "not_sent": said["accepted"] - said["sent"],
        **summed_up(waited_s, len(counted)),
        "all_bans": len(entered_s),
        "updates": road.watch.updates,
        "producer_cores": round(said["cpu_s"] / lasted_s, 2),
        "worker_cores": round((road.worker.cpu_s() - cpu_s) / took_s, 2),
        "took_s": round(took_s, 1),
    }


def summed_up(waited_s: Sequence[float], expected: int) -> dict[str, Any]:
    """Sum the waiting times up; who is in no IP set counts as later than everybody."""
    waited = sorted(waited_s) + [float("inf")] * (expected - len(waited_s))
    found: dict[str, Any] = {"offenders": expected, "missing": expected - len(waited_s)}
    for share in (50, 90, 99):
        at_s = waited[min(len(waited) - 1, len(waited) * share // 100)] if waited else float("inf")
        found[f"p{share}_s"] = round(at_s, 2) if at_s < float("inf") else None
    return found


def is_in_time(row: dict[str, Any]) -> bool:
    """Whether all was reported, every offender is in an IP set, and half of them soon enough."""
    everything = row["reported_per_s"] >= 0.95 * row["wanted_per_s"] and not row["missing"] and not row["not_sent"]
    return everything and row["p50_s"] is not None and row["p50_s"] < MUST_P50_S


class Bench:
    """Measures on one local AWS, each time in another account."""

    def __init__(self, aws: LocalAws, folder: Path, *, seconds: float, linger_s: float) -> None:
        self._aws = aws
        self._folder = folder
        self._seconds = seconds
        self._linger_s = linger_s
        self._accounts = iter(range(300_000_000_001, 400_000_000_000))

    def on_canned(self, rates_per_s: Sequence[float]) -> list[dict[str, Any]]:
        """Measure with queue and ledger on the canned AWS, at ever lower rates, until bans come in time."""
        rows: list[dict[str, Any]] = []
        for rate_per_s in sorted(rates_per_s, reverse=True):
            with Canned(self._folder) as canned:
                rows.append(self._run(CANNED, rate_per_s, canned))
            if rows[-1]["in_time"]:
                break
        return rows

    def on_emulator(self, rates_per_s: Sequence[float]) -> list[dict[str, Any]]:
        """Measure on the local AWS at ever higher rates, until bans no longer come in time."""
        rows: list[dict[str, Any]] = []
        for rate_per_s in rates_per_s:
            rows.append(self._run(EMULATOR, rate_per_s, None))
            if not rows[-1]["in_time"]:
                break
        return rows

    def _run(self, name: str, rate_per_s: float, canned: Canned | None) -> dict[str, Any]:
        with Road(self._aws, str(next(self._accounts)), self._folder, canned) as road:
            row = {"where": name, **run(road, rate_per_s, self._seconds, self._linger_s)}
            if canned:
                row["canned_cores"] = round(canned.counters()["cpu_s"] / row["took_s"], 2)
        row["in_time"] = is_in_time(row)
        click.echo(", ".join(f"{key} {value}" for key, value in row.items()), err=True)
        return row


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write the rows for people, as Markdown."""
    lines = [
        "| queue, ledger | infractions/s | reported/s | offenders | missing | p50 s | p90 s | p99 s | p50 < 2 s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        names = ("reported_per_s", "offenders", "missing", "p50_s", "p90_s", "p99_s")
        cells = [
            row["where"].partition(": ")[2],
            f"{row['wanted_per_s']:,.0f}",
            *(str(row[name]) for name in names),
        ]
        lines.append(f"| {' | '.join([*cells, 'yes' if row['in_time'] else 'NO'])} |")
    return lines


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--only", type=click.Choice(["canned", "emulator"]), help="Only this one of the two.")
@click.option("--rate", "rates", multiple=True, type=float, help="Rates to try on the canned queue.")
@click.option("--local-rate", "local_rates", multiple=True, type=float, help="Rates to try on the local AWS.")
@click.option("--seconds", default=20.0, show_default=True, help="How long it is measured, after a warm-up.")
@click.option("--linger", "linger_s", default=0.2, show_default=True, help="The producers' linger, in seconds.")
def main(  # noqa: PLR0913 - options
    *,
    as_json: bool,
    only: str | None,
    rates: Sequence[float],
    local_rates: Sequence[float],
    seconds: float,
    linger_s: float,
) -> None:
    """Measure, and print what came out."""
    report: dict[str, Any] = {**machine(), "producers": PRODUCERS, "linger_s": linger_s, "seconds": seconds}
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(stack.enter_context(LocalAws()), folder, seconds=seconds, linger_s=linger_s)
        if only != "canned":
            rows += bench.on_emulator(local_rates or LOCAL_RATES_PER_S)
        if only != "emulator":
            rows += bench.on_canned(rates or CANNED_RATES_PER_S)
    if as_json:
        click.echo(json.dumps(report | {"rows": rows}))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in report.items()) + "\n")
    click.echo("\n".join(table(rows)))
