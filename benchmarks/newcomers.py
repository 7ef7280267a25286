"""Somebody new attacks while many others do: how soon is he in the IP set, and when is all of it settled.

    python -m benchmarks.newcomers [--json] [--runs 5] [--seconds 30] [--processes 1]…

The canned AWS under DynamoDB's limits feeds an attack as fast as the worker receives. Once its addresses are
banned it goes on for so many seconds, which count. Each second one message with five infractions of a new address
comes in between, and the time counts from there until an update of an IP set that holds it took effect. WAF is the
strict local one, with one update a second. Afterwards the time counts until no message is left. The worker is a
real one with its enforcer, as one process or several.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import click

from benchmarks.attacks import JAIL, STANDING
from benchmarks.end_to_end.bench import Road, summed_up
from benchmarks.end_to_end.producers import MAXRETRY
from benchmarks.processes import BenchError, Canned
from benchmarks.report import machine, spread
from localstack.local_aws import REGION, LocalAws
from localstack.table_limits import Rates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CAPACITY = {"even-10000": 20_000, STANDING: 120_000}
WARM_UP = {"even-10000": 150_000, STANDING: 600_000}
"""So many infractions until nearly all addresses of an attack are banned."""

PACK = 100
WARMS_UP_WITHIN_S = 300.0
SETTLES_WITHIN_S = 120.0
NEWCOMER_MUST_S, SETTLED_MUST_S = 3.0, 30.0


class Scene:
    """A worker under attack.

    Args:
        aws: WAF.
        canned: Queue and ledger.
        account: Nobody has used it before.
        processes: How many judge.
    """

    def __init__(self, aws: LocalAws, canned: Canned, folder: Path, account: str, *, processes: int) -> None:
        self._aws = aws
        self._canned = canned
        self._folder = folder
        self._account = account
        self._processes = processes
        self._sqs = boto3.Session(account, "local", region_name=REGION).client("sqs", endpoint_url=canned.url)

    def run(self, attack: str, seconds: float) -> dict[str, Any]:
        """Measure once."""
        more = ("--processes", str(self._processes))
        road = Road(self._aws, self._account, self._folder, self._canned, capacity=CAPACITY[attack], more=more)
        with road:
            came_s = self._come(road, attack, seconds)
            judged = self._canned.counters()["deleted"]
            self._canned.feed(None)
            ended_s = time.monotonic()
            waited = self._waited(road, came_s)
            settled_s = self._settle(road, ended_s)
            figures = self._canned.counters()
        if figures["dead"]:
            raise BenchError(f"{figures['dead']} messages of a good attack were refused")
        units, key = figures["peak_key_writes"]
        return {
            **summed_up(waited, len(came_s)),
            "worst_s": round(max(waited, default=0.0), 2),
            "settled_s": round(settled_s, 2),
            "infractions_per_s": round((judged * PACK - WARM_UP[attack]) / seconds),
            "peak_key_writes": round(units),
            "peak_key": key,
            "throttled": sum(figures["throttled"].values()),
        }

    def _come(self, road: Road, attack: str, seconds: float) -> dict[str, float]:
        """Let the attack go on for so long, and somebody new come each second; tell when, by key."""
        self._canned.feed(attack, PACK)
        self._warm_up(road, attack)
        came_s: dict[str, float] = {}
        began_s = time.monotonic()
        while (number := len(came_s)) < seconds:
            time.sleep(max(0.0, began_s + number - time.monotonic()))
            road.worker.must_live()
            ip = f"46.0.{number // 256}.{number % 256}"
            now_s = time.time()
            items = [
                {"ip": ip, "jail": JAIL, "at": now_s - each / 10, "id": f"{each}"} for each in range(MAXRETRY)
            ]
            self._sqs.send_message(QueueUrl=road.queue_url, MessageBody=json.dumps(items))
            came_s[f"{ip}/32"] = now_s
        return came_s

    def _warm_up(self, road: Road, attack: str) -> None:
        ends_s = time.monotonic() + WARMS_UP_WITHIN_S
        while self._canned.counters()["deleted"] * PACK < WARM_UP[attack]:
            road.worker.must_live()
            if time.monotonic() > ends_s:
                raise BenchError("the attack's addresses are not banned in time")
            time.sleep(0.2)

    def _waited(self, road: Road, came_s: dict[str, float]) -> list[float]:
        ends_s = time.monotonic() + SETTLES_WITHIN_S
        road.watch.look()
        while not came_s.keys() <= road.watch.entered_s.keys() and time.monotonic() < ends_s:
            road.worker.must_live()
            time.sleep(0.1)
            road.watch.look()
        entered_s = road.watch.entered_s
        return [entered_s[key] - at_s for key, at_s in came_s.items() if key in entered_s]

    def _settle(self, road: Road, ended_s: float) -> float:
        ends_s = ended_s + SETTLES_WITHIN_S
        while (figures := self._canned.counters())["in_flight"] or figures["waiting"]:
            road.worker.must_live()
            if time.monotonic() > ends_s:
                raise BenchError(f"{figures['in_flight']} messages are not settled")
            time.sleep(0.05)
        return time.monotonic() - ended_s


def lines(report: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Write the table, as Markdown: medians, with the smallest and the largest."""
    musts = f"newcomer in the set: median, worst (≤ {NEWCOMER_MUST_S:g} s) | settled (≤ {SETTLED_MUST_S:g} s)"
    yield f"| attack, processes | {musts} | infractions/s | busiest key |"
    yield "|---|---|---|---|---|"
    for row in report:
        runs = row["runs"]
        worst = max(runs, key=lambda run: float(run["peak_key_writes"]))
        yield (
            f"| {row['attack']}, {row['processes']} | {_told(runs, 'p50_s')}, {_told(runs, 'worst_s')}"
            f" | {_told(runs, 'settled_s')} | {_told(runs, 'infractions_per_s')}"
            f" | {worst['peak_key_writes']} units/s: {worst['peak_key']} |"
        )


def _told(runs: Sequence[dict[str, Any]], name: str) -> str:
    each = spread([run[name] for run in runs], digits=2)
    return f"{each['median']:g} ({each['min']:g}-{each['max']:g})"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--runs", default=5, show_default=True)
@click.option("--seconds", default=30, show_default=True, help="How long the attack goes on.")
@click.option("--attack", "attacks", multiple=True, type=click.Choice(list(CAPACITY)), default=tuple(CAPACITY))
@click.option("--processes", multiple=True, type=int, default=(1, 8), show_default=True)
def main(*, as_json: bool, runs: int, seconds: int, attacks: Sequence[str], processes: Sequence[int]) -> None:
    """Measure, and print what came out."""
    report: list[dict[str, Any]] = []
    accounts = iter(range(500_000_000_001, 600_000_000_000))
    with tempfile.TemporaryDirectory() as name, LocalAws() as aws, Canned(Path(name)) as canned:
        canned.ask("POST", "/limits", asdict(Rates()))
        for attack in attacks:
            for number in processes:
                found: list[dict[str, Any]] = []
                for _ in range(runs):
                    account = str(next(accounts))
                    found.append(Scene(aws, canned, Path(name), account, processes=number).run(attack, seconds))
                    print(f"{attack}, {number}: {found[-1]}", file=sys.stderr, flush=True)
                report.append({"attack": attack, "processes": number, "runs": found})
    if as_json:
        click.echo(json.dumps({**machine(), "rows": report}))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in machine().items()) + f", {runs} runs each\n")
    click.echo("\n".join(lines(report)))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"benchmarks.newcomers: {error}")
