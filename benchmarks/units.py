"""What a new ban and an extension cost in DynamoDB's units, and which key is the hottest, at any rate.

    python -m benchmarks.units [--json] [--runs 5] [--workers 8] [--bans 10000] [--standing 100000]

Eight real workers run in this process over a canned table on a simulated clock (see fleet.py), because two cores
do not offer what they could take. Each new ban comes as five infractions in one message; the rates are those of
the whole fleet. With `--standing`, 100,000 addresses that are banned go on, so many infractions a second in all;
what is counted begins half a minute after that. The limits are AWS's: 1,000 write and 3,000 read units a second of
a key, 40,000 of the table.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import click
import structlog

from benchmarks.attacks import JAIL
from benchmarks.canned.kinds import BAN, EXTENSION, HISTORY, HITS, LOG, OTHER, SNAPSHOT
from benchmarks.canned.shares import Shares
from benchmarks.fleet import TURNS_PER_S, Fleet
from benchmarks.processes import BenchError
from benchmarks.report import machine, spread
from benchmarks.worker.report import peak_told
from f2b_worker.domain.jails import Jail, Policy, Window
from localstack.table_limits import Rates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.fleet import Infraction

METHOD = f"real workers in one process over a canned table on a simulated clock, {TURNS_PER_S} turns a second each"
MAXRETRY = 5
BAN_MS = 600_000
POLICY = Policy(Jail(windows=(Window(MAXRETRY, 600_000),), bantime_ms=BAN_MS), {})
BANS_PER_S = (1.0, 1_000.0, 10_000.0)
BANS_MOST = 200_000
SECONDS_LEAST_AND_MOST = (20.0, 1_800.0)
"""As long as *BANS_MOST* take, within these."""

STANDING_ADDRESSES = 100_000
STANDING_COME_PER_S = 10_000.0
STANDING_SETTLES_S = 30.0
STANDING_SECONDS = 60.0
"""As long as a tenth of the ban: each address is extended once, if its end is rounded up to such steps."""

NEW_BAN_MUST = ((10_000.0, 2.2), (1_000.0, 3.0), (0.0, 4.0))
"""From so many new bans a second on, so many units for each."""

EXTENSION_MUST = ((100_000.0, 1.8), (0.0, 1.2))
SNAPSHOTS_MUST = 0.05
KEY_MUST = Rates().key_writes
KINDS = (HITS, BAN, HISTORY, EXTENSION, LOG, SNAPSHOT, OTHER)


@dataclass(frozen=True, slots=True)
class Result:
    """What one run came to.

    Attributes:
        units: Of one new ban, or of one extension: all write units that were counted, for each of them.
        by_kind: The same by what they were for.
        snapshots: The part of the units that snapshots took.
        changes: New bans, or extensions, in a second.
        refused: Writes that another's had made void, for a new ban or an extension.
        peak_writes: The most write units of one key in a second, and the key.
        peak_reads: The most read units.
        throttled: What DynamoDB refused as too much.
        settled_s: How long it took, after the last infraction, until nothing was in hand.
    """

    units: float
    by_kind: Mapping[str, float]
    snapshots: float
    changes: float
    refused: float
    peak_writes: tuple[float, str]
    peak_reads: tuple[float, str]
    throttled: int
    settled_s: float


def new_bans(seed: int, *, per_s: float, workers: int, seconds: float) -> Result:
    """Let so many new offenders come each second."""
    dice = random.Random(seed)
    with Fleet(workers, POLICY, Rates()) as fleet:
        offenders = Offenders(dice, fleet, per_s / TURNS_PER_S / workers)
        fleet.go_on(seconds, offenders.come)
        settled_s = fleet.settle()
        known = fleet.known_bans() if seconds < BAN_MS / 1000 else offenders.came  # later ones have ended
        if known != offenders.came:
            raise BenchError(f"of {offenders.came} bans a reader of the log finds {known}")
        return _result(fleet, offenders.came, seconds, settled_s)


def extensions(seed: int, *, per_s: float, workers: int, seconds: float) -> Result:
    """Let addresses that are banned go on, so many infractions each second in all."""
    dice = random.Random(seed)
    with Fleet(workers, POLICY, Rates()) as fleet:
        offenders = Offenders(dice, fleet, STANDING_COME_PER_S / TURNS_PER_S / workers)
        fleet.go_on(STANDING_ADDRESSES / STANDING_COME_PER_S, offenders.come)
        fleet.settle()
        standing = Standing(dice, fleet, offenders.came, per_s / TURNS_PER_S / workers)
        fleet.go_on(STANDING_SETTLES_S, standing.go_on)
        fleet.count_anew()
        fleet.go_on(seconds, standing.go_on)
        counted = fleet.dynamodb.tally.writes[EXTENSION]
        result = _result(fleet, counted, seconds, 0.0)
        fleet.settle()
        if fleet.known_bans() != offenders.came:
            raise BenchError(f"of {offenders.came} bans a reader of the log finds {fleet.known_bans()}")
        return result


class Offenders:
    """New addresses, each with as many infractions as it takes, some before each turn.

    Attributes:
        came: How many.
    """

    def __init__(self, dice: random.Random, fleet: Fleet, a_turn: float) -> None:
        self.came = 0
        self._dice = dice
        self._clock = fleet.clock
        self._a_turn = a_turn
        self._numbers = count()

    def come(self, _worker: int) -> Iterator[Infraction]:
        """Let some come."""
        now_ms = self._clock.now_ms()
        number = _rounded(self._a_turn, self._dice)
        self.came += number
        # All infractions of one address stand in one message.
        for address in (_address(next(self._numbers)) for _ in range(number)):
            for place in range(MAXRETRY):
                yield address, JAIL, now_ms - 1_000 + 200 * place


class Standing:
    """Infractions of addresses that came before, drawn evenly."""

    def __init__(self, dice: random.Random, fleet: Fleet, addresses: int, a_turn: float) -> None:
        self._dice = dice
        self._clock = fleet.clock
        self._addresses = addresses
        self._a_turn = a_turn

    def go_on(self, _worker: int) -> Iterator[Infraction]:
        """Let some go on."""
        now_ms = self._clock.now_ms()
        for _ in range(_rounded(self._a_turn, self._dice)):
            yield _address(int(self._dice.random() * self._addresses)), JAIL, now_ms


def _rounded(expected: float, dice: random.Random) -> int:
    return int(expected + dice.random())


def _address(number: int) -> str:
    return f"45.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _result(fleet: Fleet, changes: int, seconds: float, settled_s: float) -> Result:
    tally, limits = fleet.dynamodb.tally, fleet.dynamodb.limits.figures()
    if not changes:
        raise BenchError("nothing was stored")
    shares = Shares(tally.units_by_kind, tally.writes)
    return Result(
        units=tally.write_units / changes,
        by_kind={kind: tally.units_by_kind[kind] / changes for kind in KINDS},
        snapshots=shares.of_snapshots,
        changes=changes / seconds,
        refused=sum(tally.refused.values()) / changes,
        peak_writes=tuple(limits["peak_key_writes"]),
        peak_reads=tuple(limits["peak_key_reads"]),
        throttled=sum(limits["throttled"].values()),
        settled_s=settled_s,
    )


def figures(results: Sequence[Result], must: float) -> dict[str, Any]:
    """Sum up several runs."""
    units = spread([each.units for each in results], 3)
    writes, reads = max(each.peak_writes for each in results), max(each.peak_reads for each in results)
    snapshots = spread([100 * each.snapshots for each in results], 2)
    is_kept = units["median"] <= must and snapshots["median"] <= 100 * SNAPSHOTS_MUST and writes[0] <= KEY_MUST
    return {
        "units": units,
        "must": must,
        "kept": is_kept,
        "by_kind": {kind: spread([each.by_kind[kind] for each in results], 3)["median"] for kind in KINDS},
        "snapshots_percent": snapshots,
        "a_second": spread([each.changes for each in results], 1)["median"],
        "refused": spread([each.refused for each in results], 3)["median"],
        "peak_writes": list(writes),
        "peak_reads": list(reads),
        "throttled": max(each.throttled for each in results),
        "settled_s": max(each.settled_s for each in results),
    }


def must_of(per_s: float, musts: Sequence[tuple[float, float]]) -> float:
    """Look up what a rate must keep."""
    return next(units for least, units in musts if per_s >= least)


def seconds_for(per_s: float) -> float:
    """Tell for how many simulated seconds a rate of new bans is looked at."""
    least, most = SECONDS_LEAST_AND_MOST
    return max(least, min(most, BANS_MOST / per_s))


def table(report: Mapping[str, Any]) -> Iterator[str]:
    """Lay the report out for people."""
    cores = f"{report['cores']} cores, load {report['load']} before"
    yield f"{report['machine']} {report['processor']}, {cores}, Python {report['python']}"
    yield f"{report['method']}; {report['workers']} workers, medians of {report['runs']} runs (least to most)"
    layout = "{:28} {:>9} {:>22} {:>6} {:>5}" + " {:>9}" * len(KINDS) + " {:>9} {:>8} {:>9}  {:22} {}"
    yield layout.format(
        *("write units of", "a second", "all", "must", "kept"), *KINDS, *("snapshots", "refused", "throttled"),
        *("most writes, key", "most reads, key"),
    )  # fmt: skip
    for name, each in report["rows"].items():
        units = each["units"]
        yield layout.format(
            name,
            f"{each['a_second']:,.0f}",
            f"{units['median']:.2f} ({units['min']:.2f} to {units['max']:.2f})",
            each["must"],
            "yes" if each["kept"] else "NO",
            *(f"{each['by_kind'][kind]:.3f}" for kind in KINDS),
            f"{each['snapshots_percent']['median']:.1f} %",
            f"{each['refused']:.3f}",
            f"{each['throttled']:,}",
            peak_told(each["peak_writes"]),
            peak_told(each["peak_reads"]),
        )


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--runs", default=5, show_default=True, help="Each with other dice.")
@click.option("--workers", default=8, show_default=True)
@click.option("--bans", multiple=True, type=float, help="New bans a second; may be repeated.")
@click.option("--standing", multiple=True, type=float, help="Infractions a second of banned addresses; likewise.")
@click.option("--seconds", type=float, help="Simulated seconds that are counted; by default as docs say.")
def main(  # noqa: PLR0913
    *,
    as_json: bool,
    runs: int,
    workers: int,
    bans: tuple[float, ...],
    standing: tuple[float, ...],
    seconds: float | None,
) -> None:
    """Simulate, and print what came out; without rates 1, 1,000 and 10,000 new bans a second."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report: dict[str, Any] = {**machine(), "method": METHOD, "runs": runs, "workers": workers, "rows": {}}

    def measure(name: str, run: Callable[[int], Result], must: float) -> None:
        results = []
        for seed in range(runs):
            began_s = time.monotonic()
            results.append(run(seed))
            shown = f"{seed + 1}/{runs} {name}: {results[-1].units:.3f} units, {time.monotonic() - began_s:.0f} s"
            click.echo(shown, err=True)
        report["rows"][name] = figures(results, must)

    for per_s in bans or (() if standing else BANS_PER_S):
        lasts_s = seconds or seconds_for(per_s)
        run = partial(new_bans, per_s=per_s, workers=workers, seconds=lasts_s)
        measure(f"a new ban, {per_s:,.0f}/s offered", run, must_of(per_s, NEW_BAN_MUST))
    for per_s in standing:
        run = partial(extensions, per_s=per_s, workers=workers, seconds=seconds or STANDING_SECONDS)
        measure(f"an extension, {per_s:,.0f}/s come", run, must_of(per_s, EXTENSION_MUST))
    click.echo(json.dumps(report) if as_json else "\n".join(table(report)))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"benchmark: {error}")
