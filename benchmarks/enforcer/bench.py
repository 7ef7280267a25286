"""How fast the enforcer gets bans into the IP sets, what it asks of WAF for that, and what it costs.

    python -m benchmarks.enforcer [--json] [--runs 3] [--only CASE]…

A real worker process runs on the strict local AWS, which enforces WAF's quotas: one UpdateIPSet and five of each
Get a second. Each figure is the median of its runs, with the smallest and the largest beside it;
docs/benchmarks-enforcer.md says how each case is made.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import click

from benchmarks.enforcer import cases
from benchmarks.enforcer.scene import Scene
from benchmarks.processes import BenchError
from benchmarks.report import machine
from localstack.local_aws import LocalAws, LocalAwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.enforcer.cases import Figures
    from localstack.faults import FaultKind

EMULATOR, CANNED = "ledger: emulator", "ledger: canned"
"""Where the bans of the bulk cases are: the emulator's DynamoDB, or the canned one, which answers sooner."""
AT_ONCE = ("--unban-lag-s", "0")
ENDS_IN_S = {EMULATOR: 125.0, CANNED: 60.0}
"""When half of the 25,000 bans end: after all that comes before."""
OUTAGES: dict[FaultKind, str] = {"error": "5xx", "reset_before": "resets", "throttle": "throttled"}

TAKEOVERS = (
    ("takeover with 50,000 active, 10 sets", 50_000, 11),
    ("takeover with 500,000 active, 100 sets", 500_000, 13),
)
"""How many bans there are, and within how many seconds of the last sign of life the heir must write."""


IDLE_READS = f"reading the ledger, idle, 50,000 active; {CANNED}"
"""An enforcer may take five units a second, and the judge beside it one."""


@dataclass
class Row:
    """One line of the table.

    Attributes:
        must: What it has to be.
        others: What was measured of others on the same emulator with the same quota.
        keeps: Whether one run's figures are as they must be; None where there is nothing to keep.
    """

    name: str
    must: str = ""
    others: str = ""
    keeps: Callable[[Figures], bool] | None = None
    runs: list[Figures] = field(default_factory=list)

    def verdict(self) -> str:
        """Say whether the medians are as they must be."""
        if self.keeps is None or not self.runs:
            return ""
        return "yes" if self.keeps({name: median(values) for name, values in self.values().items()}) else "NO"

    def values(self) -> dict[str, list[float]]:
        """Gather each figure over all runs."""
        return {name: [run[name] for run in self.runs] for name in self.runs[0]} if self.runs else {}

    def told(self) -> str:
        """Write each figure as its median, with the smallest and largest where they differ."""
        return ", ".join(f"{name} {_told(values)}" for name, values in self.values().items())


def _told(values: list[float]) -> str:
    middle, low, high = (f"{value:.3g}" for value in (median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _on_each_ledger(name: str, must: str, others: str, keeps: Callable[[Figures], bool] | None) -> tuple[Row, Row]:
    return Row(f"{name}; {EMULATOR}", must, others, keeps), Row(f"{name}; {CANNED}", must, others, keeps)


def _is_soon(must_s: float, figures: Figures) -> bool:
    return figures["s"] <= must_s


ROWS = (
    Row(
        "one ban, idle", "s < 0.25", "crowdsec bouncer 4.95 s (10 s poll), 0.41 s (1 s poll)",
        lambda it: it["s"] < 0.25,
    ),
    Row("one ban of another worker, idle", "", "", None),
    Row("200 attackers at once", "", "old service: 303 s, 459 updates", None),
    Row(
        "1,000 new bans at once", "s ≤ 1.5, 1 update, 0 gets",
        "old service: 200 bans take 101 s; of 1,000, 528 were in after 360 s; three instances lose 3-6 of 200",
        lambda it: it["s"] <= 1.5 and it["updates"] == 1 and it["gets"] == 0,
    ),
    *_on_each_ledger(
        "25,000 new bans at once", "s ≤ 3.5, 3 updates, 0 throttled", "bouncer 3.49 s, 9 throttled in 3 runs",
        lambda it: it["s"] <= 3.5 and it["updates"] == 3 and it["throttled"] == 0,
    ),
    Row(
        "25,000 new bans at once, from memory", "s ≤ 3.5, 3 updates, 0 throttled", "",
        lambda it: it["s"] <= 3.5 and it["updates"] == 3 and it["throttled"] == 0,
    ),
    *_on_each_ledger("reading 25,000 bans", "", "", None),
    *_on_each_ledger("asking a ledger of 25,000 for news, without any", "", "", None),
    Row(
        "idle for 60 s", "0 updates, ≤ 1 get a set", "bouncer 5 calls every tick",
        lambda it: it["updates"] == 0 and it["gets_a_set"] <= 1,
    ),
    Row(IDLE_READS, "read_units_per_s ≤ 6", "", lambda it: it["read_units_per_s"] <= 6),
    *_on_each_ledger(
        "restart with 25,000 active", "0 s unprotected, 0 updates",
        "bouncer 9.2 s unprotected; fails to start 8 of 30 times",
        lambda it: it["unprotected_s"] == 0 and it["updates"] == 0,
    ),
    *_on_each_ledger(
        "one unban while 25,000 are active", "1 update, 0 gets", "bouncer 3 Get + 3 Update, 490 KB",
        lambda it: it["updates"] == 1 and it["gets"] == 0,
    ),
    *_on_each_ledger(
        "half of 25,000 removed", "s ≤ 3.5, 3 updates, no new ban waits behind", "bouncer 5.6 s (3.96-10.0)",
        lambda it: it["s"] <= 3.5 and it["updates"] == 3 and it["new_ban_s"] <= 1.5,
    ),
    *(
        Row(
            f"WAF down 60 s, 600 bans meanwhile: {kind}", "s ≤ 3, 0 lost",
            "bouncer loses 600 of 600; old service loses 5-8 of 10",
            lambda it: it["s"] <= 3 and it["lost"] == 0,
        )
        for kind in OUTAGES.values()
    ),
    Row(
        "two writers on one set for 30 s", "worst_s ≤ 3, 0 edits lost", "bouncer: one poll period lost a conflict",
        lambda it: it["worst_s"] <= 3 and it["edits_lost"] == 0,
    ),
    *(Row(name, f"s ≤ {must_s}", "", partial(_is_soon, must_s)) for name, _, must_s in TAKEOVERS),
    *_on_each_ledger("start with 50,000 bans, empty sets", "", "", None),
    *_on_each_ledger("worker without an enforcer, CPU", "", "", None),
    *_on_each_ledger(
        "50,000 active, 20 changes/s, CPU", "cpu_percent < 5", "", lambda it: it["cpu_percent"] < 5
    ),
    Row("50,000 active, 20 changes/s, from memory, CPU", "cpu_percent < 5", "", lambda it: it["cpu_percent"] < 5),
)  # fmt: skip


class Bench:
    """Runs the cases in scenes that several of them share.

    Args:
        aws: A running local AWS.
        runs: How often each case is run.
        told: Is called with each row's name and one run's figures as they come.
    """

    def __init__(self, aws: LocalAws, runs: int, told: Callable[[str, Figures], None]) -> None:
        self._aws = aws
        self._runs = runs
        self._told = told
        self._accounts = iter(range(100_000_000_001, 200_000_000_000))

    def _scene(self, capacity: int, ledger: str = EMULATOR) -> Scene:
        return Scene(self._aws, str(next(self._accounts)), capacity=capacity, is_canned=ledger == CANNED)

    def few(self) -> None:
        """One ban, a thousand at once, and two hundred attackers who are judged first."""
        with self._scene(50_000) as scene:
            keys = cases.Keys()
            scene.start_enforcing()
            for _ in range(self._runs):
                self._told("one ban, idle", cases.one_ban(scene, keys))
                self._told("one ban of another worker, idle", cases.one_ban(scene, keys, by_another_worker=True))
            for _ in range(self._runs):
                scene.stop()
                scene.start_enforcing()  # so that no audit falls into the measurement
                self._told("1,000 new bans at once", cases.many_at_once(scene, keys.take(1000)))
            for _ in range(self._runs):
                self._told("200 attackers at once", cases.attackers_at_once(scene, keys.take(200)))

    def outages(self) -> None:
        """WAF down, with one set of each family, which nobody else can stand in for."""
        with self._scene(10_000) as scene:
            keys = cases.Keys()
            scene.start_enforcing()
            for run in range(self._runs):
                for kind, name in OUTAGES.items():
                    self._told(
                        f"WAF down 60 s, 600 bans meanwhile: {name}", cases.outage(scene, keys, kind, run=run)
                    )

    def quiet(self) -> None:
        """Nothing happens."""
        with self._scene(50_000) as scene:
            scene.ban(cases.Keys().take(1000))
            scene.start_enforcing()
            for _ in range(self._runs):
                self._told("idle for 60 s", cases.idle(scene))
        with self._scene(50_000, CANNED) as scene:
            scene.ban_in_bulk(cases.Keys().take(50_000))
            scene.start_enforcing()
            for _ in range(self._runs):
                self._told(IDLE_READS, cases.idle_reads(scene))

    def many(self, ledger: str = EMULATOR) -> None:
        """25,000 bans: their arrival, and what can be done with them."""
        for _ in range(self._runs):
            with self._scene(50_000, ledger) as scene:
                self._many(scene, ledger)

    def many_canned(self) -> None:
        """The same with a ledger that answers soon."""
        self.many(CANNED)

    def _many(self, scene: Scene, ledger: str) -> None:
        keys = cases.Keys()
        banned = keys.take(cases.BURST)
        scene.start_enforcing(*AT_ONCE)
        self._told(f"25,000 new bans at once; {ledger}", cases.many_at_once(scene, banned))
        scene.stop()
        self._told(f"reading 25,000 bans; {ledger}", cases.ledger_reading(scene))
        # Half of them are banned anew for a while only. No ban may begin before the one that it follows: readers
        # of the log take the one that began later for the newer.
        ends_s = time.time() + ENDS_IN_S[ledger]
        scene.ban_in_bulk(banned[1::2], until_ms=round(ends_s * 1000))
        self._told(f"asking a ledger of 25,000 for news, without any; {ledger}", cases.ledger_following(scene))
        scene.start_enforcing(*AT_ONCE)
        self._told(f"one unban while 25,000 are active; {ledger}", cases.one_unban(scene, banned))
        self._told(f"restart with 25,000 active; {ledger}", cases.restart(scene, banned[1:], *AT_ONCE))
        removed = cases.half_removed(scene, banned[1::2], keys, ends_s=ends_s)
        self._told(f"half of 25,000 removed; {ledger}", removed)

    def memory(self) -> None:
        """25,000 bans that do not come from the ledger."""
        for _ in range(self._runs):
            with self._scene(50_000) as scene:
                figures = cases.many_from_memory(scene, cases.BURST)
                self._told("25,000 new bans at once, from memory", figures)

    def writers(self) -> None:
        """Two writers on one set."""
        with self._scene(10_000) as scene:
            keys = cases.Keys()
            scene.start_enforcing()
            for run in range(self._runs):
                self._told("two writers on one set for 30 s", cases.competing(scene, keys, run=run))

    def takeovers(self) -> None:
        """The enforcer dies, and its heir must know all bans and all sets before it writes."""
        for name, number, _ in TAKEOVERS:
            with self._scene(number, CANNED) as scene:
                keys = cases.Keys()
                banned = keys.take(number - 1000)
                scene.ban_in_bulk(banned, age_ms=cases.LONG_AGO_MS)
                scene.start_enforcing()
                scene.watch.wait_until_in(banned, 300)
                for _ in range(self._runs):
                    self._told(name, cases.takeover(scene, keys))

    def cpu(self, ledger: str = EMULATOR) -> None:
        """What the worker costs."""
        with self._scene(60_000, ledger) as scene:
            keys = cases.Keys()
            scene.start(ip_set=False)
            time.sleep(5.0)
            for _ in range(self._runs):
                self._told(f"worker without an enforcer, CPU; {ledger}", cases.cpu(scene))
            scene.stop()
            self._told(f"start with 50,000 bans, empty sets; {ledger}", cases.grown(scene, keys))
            for figures in cases.cpu_of_changes(scene, keys, windows=self._runs):
                self._told(f"50,000 active, 20 changes/s, CPU; {ledger}", figures)

    def cpu_canned(self) -> None:
        """The same with a ledger that answers soon."""
        self.cpu(CANNED)

    def cpu_memory(self) -> None:
        """What the enforcer costs when no emulator slows it down."""
        with self._scene(60_000) as scene:
            for figures in cases.cpu_from_memory(scene, windows=self._runs):
                self._told("50,000 active, 20 changes/s, from memory, CPU", figures)


SCENES = (
    *("few", "quiet", "outages", "many", "many-canned", "memory", "writers", "takeovers"),
    *("cpu", "cpu-canned", "cpu-memory"),
)


def lines(rows: tuple[Row, ...]) -> Iterator[str]:
    """Write the table, as Markdown."""
    yield "| case | must be | measured: median (smallest to largest) | kept | neighbours, same quota |"
    yield "|---|---|---|---|---|"
    for row in rows:
        if row.runs:
            yield f"| {row.name} | {row.must} | {row.told()} | {row.verdict()} | {row.others} |"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--runs", default=3, show_default=True, help="How often each case is run.")
@click.option("--only", multiple=True, type=click.Choice(SCENES), help="Only these cases; may be repeated.")
def main(*, as_json: bool, runs: int, only: tuple[str, ...]) -> None:
    """Measure, and print what came out."""
    rows = {row.name: row for row in ROWS}

    def told(name: str, figures: Figures) -> None:
        rows[name].runs.append(figures)
        shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
        print(f"{time.strftime('%H:%M:%S')} {name}: {shown}", file=sys.stderr, flush=True)

    try:
        with LocalAws() as aws:
            bench = Bench(aws, runs, told)
            for scene in only or SCENES:
                getattr(bench, scene.replace("-", "_"))()
    except (BenchError, LocalAwsError) as error:
        sys.exit(f"benchmarks.enforcer: {error}")
    if as_json:
        filled = [row for row in ROWS if row.runs]
        report = {row.name: {"must": row.must, "kept": row.verdict(), "runs": row.runs} for row in filled}
        print(json.dumps({**machine(), "runs": runs, "rows": report}))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()) + f", {runs} runs of each case\n")
    print("\n".join(lines(ROWS)))
