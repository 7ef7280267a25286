"""How many infractions a worker judges in a CPU second, beside a naive one, and what AWS would charge for them.

    python -m benchmarks.worker [--json] [--runs 5] [--seconds 6] [--attack zipf] [--pack 100] [--processes 4]

The real `f2b-worker --queue … --table …` runs as a process against the canned AWS (benchmarks/canned/aws.py). The
first thousand messages of an attack warm it up: then the hottest addresses are banned. When none is in flight, CPU
time and counters are read; the attack goes on for some seconds and ends; when no message is in flight any more,
they are read again. So every infraction that is counted was judged within what is measured, and nothing else was.
The naive worker takes its turn between the runs. At the end of each run the bans in the ledger must be those of a
replay of the same infractions in memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.attacks import ATTACKS, JAIL, STANDING, infractions
from benchmarks.canned.shares import Shares
from benchmarks.processes import BenchError, Canned, Process, aws_environment, idle_core_s
from benchmarks.report import machine
from benchmarks.worker.report import NAIVE, Contender, Run, compare, figures, table
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.addresses import display
from f2b_worker.offline.replay import judge_rows
from localstack.table_limits import NEW_TABLE, Peak, Rates

if TYPE_CHECKING:
    from collections.abc import Sequence

METHOD = "CPU seconds (user and system) of the worker's processes against canned SQS and DynamoDB; medians"
NAME = "f2b"
WARM_UP_S = 20.0
STANDING_WARM_UP = (600.0, 600_000)
"""Seconds at most and infractions until all addresses of the standing attack are banned, one of six extended."""

AWS_RATES = Rates()

CONFIG = f"""\
[defaults]
maxretry = 5
findtime = "10m"
bantime = "10m"

[jails.{JAIL}]
"""


def real(config: Path, pack: int, processes: int, options: Sequence[str]) -> Contender:
    """Name the real worker."""
    arguments = ["f2b_worker", "--queue", NAME, "--table", NAME, "--config", str(config)]
    arguments += ["--processes", str(processes)]
    name = "f2b-worker" if processes == 1 else f"f2b-worker --processes {processes}"
    return Contender(name, pack, (*arguments, *options), processes)


class Bench:
    """Runs contenders against one canned AWS.

    Args:
        canned: It forgets everything at the begin of each run.
        folder: For the jails file and the logs.
        warm_up: How many messages of the attack come before it is measured.
        seconds: How long it is measured.
        rates: The limits of keys and table; None for none.
    """

    def __init__(
        self, canned: Canned, folder: Path, *, warm_up: int, seconds: float, rates: Rates | None = AWS_RATES
    ) -> None:
        self._canned = canned
        canned.ask("POST", "/limits", asdict(rates) if rates else None)
        self._environment = aws_environment(canned.url)
        self._log = folder / "worker.log"
        self.config = folder / "f2b.toml"
        self.config.write_text(CONFIG)
        self._warm_up = warm_up
        self._seconds = seconds

    def run(self, contender: Contender, attack: str) -> Run:
        """Measure once.

        Raises:
            BenchError: If it died, got stuck, or banned others than it should.
        """
        canned = self._canned
        canned.ask("POST", "/reset")
        canned.feed(attack, contender.pack, messages=0)
        with Process(contender.arguments, self._environment, self._log) as worker:
            canned.wait_until_received(worker, contender.processes)
            self._attack(attack, contender.pack, worker, *self._warm_up_for(attack, contender.pack))
            before, cpu_s, began_s, idle_s = canned.counters(), worker.cpu_s(), time.monotonic(), idle_core_s()
            self._attack(attack, contender.pack, worker, self._seconds)
            after, cpu_s, wall_s = canned.counters(), worker.cpu_s() - cpu_s, time.monotonic() - began_s
            idle_cores = (idle_core_s() - idle_s) / wall_s
        if after["dead"]:
            raise BenchError(f"{contender.name} refused {after['dead']} messages of a good attack")
        bans = self._check_bans(attack, contender.pack) if contender.keeps_bans else None
        return _run(_between(before, after), contender.pack, cpu_s, wall_s, bans=bans, idle_cores=idle_cores)

    def _warm_up_for(self, attack: str, pack: int) -> tuple[float, int]:
        if attack == STANDING:
            seconds, infractions = STANDING_WARM_UP
            return seconds, infractions // pack
        return WARM_UP_S, self._warm_up

    def _attack(
        self, attack: str, pack: int, worker: Process, seconds: float, messages: int | None = None
    ) -> None:
        """Let the attack go on for so long, or for so many messages if that is shorter, and be judged."""
        ends_s = time.monotonic() + seconds
        self._canned.feed(attack, pack, messages)
        while (left_s := ends_s - time.monotonic()) > 0:
            if messages and self._canned.counters()["left"] == 0:
                break
            time.sleep(min(left_s, 0.1 if messages else left_s))
        self._canned.feed(None)
        self._canned.wait_until_settled(worker)

    def _check_bans(self, attack: str, pack: int) -> int:
        found = self._bans_in_ledger()
        expected = self._bans_in_memory(attack, pack)
        if found != expected:
            missing, wrong = sorted(expected - found), sorted(found - expected)
            raise BenchError(
                f"{attack}: of {len(expected)} bans {len(missing)} are missing {missing[:3]}, "
                f"and {len(wrong)} are wrong {wrong[:3]}"
            )
        return len(found)

    def _bans_in_ledger(self) -> set[tuple[str, str]]:
        command = [sys.executable, "-m", "f2b_worker.cli", "list", "--table", NAME, "-o", "ndjson"]
        shown = subprocess.run(command, env=self._environment, capture_output=True, check=False)
        if shown.returncode:
            raise BenchError(shown.stderr.decode(errors="replace"))
        bans = map(json.loads, shown.stdout.splitlines())
        return {(ban["jail"], ban["ip"]) for ban in bans}

    def _bans_in_memory(self, attack: str, pack: int) -> set[tuple[str, str]]:
        sent_ms = self._canned.ask("GET", "/deliveries")
        rows = (
            (JAIL, ip, at_ms, 1)
            for number, at in enumerate(sent_ms)
            for ip, at_ms in infractions(attack, pack, number, at)
        )
        replay = judge_rows(rows, read_jails(self.config).policy, [])
        return {(each.who.jail, display(each.who.key)) for each in replay.verdicts}


def _between(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    calls = {name: number - before["calls"].get(name, 0) for name, number in after["calls"].items()}
    sums = ("deleted", "sqs_requests", "write_units", "read_units", "cpu_s")
    throttled = sum(after["throttled"].values())
    spent = {name: after[name] - before[name] for name in sums}
    peaks = {name: tuple(after[name]) for name in ("peak_key_writes", "peak_key_reads")}
    return spent | {"calls": calls, "throttled": throttled, "shares": Shares.between(before, after)} | peaks


def _run(  # noqa: PLR0913 - what one run came to
    spent: dict[str, Any], pack: int, cpu_s: float, wall_s: float, *, bans: int | None, idle_cores: float
) -> Run:
    return Run(
        infractions=spent["deleted"] * pack,
        cpu_s=cpu_s,
        wall_s=wall_s,
        canned_cpu_s=spent["cpu_s"],
        requests=sum(spent["calls"].values()),
        sqs_requests=spent["sqs_requests"],
        write_units=spent["write_units"],
        read_units=spent["read_units"],
        calls={name: number for name, number in spent["calls"].items() if number},
        bans=bans,
        idle_cores=idle_cores,
        peak_key_writes=Peak(*spent["peak_key_writes"]),
        peak_key_reads=Peak(*spent["peak_key_reads"]),
        shares=spent["shares"],
        throttled=spent["throttled"],
    )


def measure(bench: Bench, contenders: Sequence[Contender], attacks: Sequence[str], runs: int) -> dict[str, Any]:
    """Measure all contenders by turns, so that a slow moment of the machine meets them all."""
    done: dict[str, dict[str, list[Run]]] = {attack: {each.name: [] for each in contenders} for attack in attacks}
    for turn in range(runs):
        for attack in attacks:
            for contender in contenders:
                run = bench.run(contender, attack)
                done[attack][contender.name].append(run)
                shown = f"{run.per_cpu_s:,.0f}/CPU s, {run.per_wall_s:,.0f}/s"
                click.echo(f"{turn + 1}/{runs} {attack:9} {contender.name:25} {shown}", err=True)
    return {
        attack: {each.name: figures(each, done[attack][each.name]) for each in contenders} for attack in attacks
    }


def rates_for(*, limits: bool, new_table: bool) -> Rates | None:
    """Choose the limits that the options ask for.

    Raises:
        click.UsageError: If they contradict each other.
    """
    if new_table and not limits:
        raise click.UsageError("--new-table is a limit, and --no-limits lifts all; leave one of them out")
    if new_table:
        return NEW_TABLE
    return AWS_RATES if limits else None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--runs", default=5, show_default=True)
@click.option("--seconds", default=6.0, show_default=True, help="How long each run is measured.")
@click.option("--warm-up", default=1000, show_default=True, help="Messages before that, in 20 s at most.")
@click.option("--attack", "attacks", multiple=True, type=click.Choice(list(ATTACKS)), default=("zipf", "botnet"))
@click.option("--pack", default=100, show_default=True, help="Infractions in a message of the real worker.")
@click.option("--naive/--no-naive", default=True, help="Whether the naive worker runs beside it.")
@click.option("--processes", default=4, show_default=True, help="Compare with so many; 1 leaves that out.")
@click.option("--limits/--no-limits", default=True, help="Whether DynamoDB throttles keys and table as AWS does.")
@click.option("--new-table", is_flag=True, help="Take the lower limits of an on-demand table that was just made.")
@click.option("--worker-option", "options", multiple=True, help="Pass NAME=VALUE to f2b-worker as --NAME VALUE.")
def main(  # noqa: PLR0913
    *,
    as_json: bool,
    runs: int,
    seconds: float,
    warm_up: int,
    attacks: Sequence[str],
    pack: int,
    naive: bool,
    processes: int,
    limits: bool,
    new_table: bool,
    options: Sequence[str],
) -> None:
    """Measure, and print what came out."""
    rates = rates_for(limits=limits, new_table=new_table)
    passed = [part for option in options for part in ("--" + option.partition("=")[0], option.partition("=")[2])]
    report: dict[str, Any] = {**machine(), "method": METHOD, "runs": runs, "seconds": seconds}
    report["limits"] = asdict(rates) if rates else None
    with tempfile.TemporaryDirectory() as name, Canned(Path(name)) as canned:
        bench = Bench(canned, Path(name), warm_up=warm_up, seconds=seconds, rates=rates)
        contenders = [real(bench.config, pack, 1, passed)]
        contenders += [NAIVE] if naive else []
        contenders += [real(bench.config, pack, processes, passed)] if processes > 1 else []
        found = measure(bench, contenders, attacks, runs)
    ratios = compare(found, [each.name for each in contenders])
    report |= {"attacks": found, "ratios": ratios}
    click.echo(json.dumps(report) if as_json else "\n".join(table(report)))
