"""What runs of the worker's benchmark came to, summed up for people and for programs."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.canned.shares import Shares
from benchmarks.canned.tally import dollars
from benchmarks.report import spread
from localstack.table_limits import Peak

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Contender:
    """Who is measured.

    Attributes:
        pack: Infractions in a message.
        arguments: Its command line after `python -m`.
        keeps_bans: Whether `f2b list` can show what it found.
    """

    name: str
    pack: int
    arguments: tuple[str, ...]
    processes: int = 1
    keeps_bans: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to, from when nothing was in flight to when nothing was any more.

    Attributes:
        shares: What the write units were for.
        peak_key_writes: The most write units that one key had in any second, and its name; the warm-up included.
        peak_key_reads: The same of read units.
        throttled: How often DynamoDB refused a call, or a part of one, as too much; likewise.
    """

    infractions: int
    cpu_s: float
    wall_s: float
    canned_cpu_s: float
    requests: int
    sqs_requests: int
    write_units: float
    read_units: float
    calls: dict[str, int]
    bans: int | None
    idle_cores: float = 0.0
    shares: Shares = field(default_factory=lambda: Shares({}, {}))
    peak_key_writes: Peak = Peak()  # noqa: RUF009 - a tuple
    peak_key_reads: Peak = Peak()  # noqa: RUF009
    throttled: int = 0

    @property
    def per_cpu_s(self) -> float:
        """Infractions for a CPU second."""
        return self.infractions / self.cpu_s

    @property
    def per_wall_s(self) -> float:
        """Infractions for a second on the wall."""
        return self.infractions / self.wall_s

    @property
    def requests_per_1000(self) -> float:
        """AWS requests for a thousand infractions."""
        return 1000 * self.requests / self.infractions

    @property
    def dollars_per_million(self) -> float:
        """What AWS would charge for the worker's calls."""
        return 1e6 / self.infractions * dollars(self.sqs_requests, self.write_units, self.read_units)


NAIVE = Contender("naive worker", 1, ("benchmarks.worker.naive",), keeps_bans=False)


def figures(contender: Contender, runs: Sequence[Run]) -> dict[str, Any]:
    """Sum up all runs of one contender in one attack."""
    last = runs[-1]
    sends = 1e6 / contender.pack * dollars(1, 0, 0)
    paid = spread([run.dollars_per_million for run in runs], 4)
    return {
        "pack": contender.pack,
        "processes": contender.processes,
        "infractions_per_cpu_s": spread([run.per_cpu_s for run in runs]),
        "infractions_per_wall_s": spread([run.per_wall_s for run in runs]),
        "requests_per_1000": spread([run.requests_per_1000 for run in runs], 2),
        "dollars_per_million": paid,
        "dollars_per_million_with_sends": round(paid["median"] + sends, 4),
        "cores": round(statistics.median(run.cpu_s / run.wall_s for run in runs), 2),
        "canned_cores": round(statistics.median(run.canned_cpu_s / run.wall_s for run in runs), 2),
        "idle_cores": round(statistics.median(run.idle_cores for run in runs), 2),
        "wall_rates": [round(run.per_wall_s) for run in runs],
        "sqs_requests_per_million": _per_million(runs, "sqs_requests"),
        "write_units_per_million": _per_million(runs, "write_units"),
        "read_units_per_million": _per_million(runs, "read_units"),
        "peak_key_writes": list(max(run.peak_key_writes for run in runs)),
        "peak_key_reads": list(max(run.peak_key_reads for run in runs)),
        "write_units": _shared_out(runs),
        "throttled": round(statistics.median(run.throttled for run in runs)),
        "bans_checked": last.bans,
        "calls_per_million": {name: round(1e6 * n / last.infractions) for name, n in last.calls.items()},
    }


def _shared_out(runs: Sequence[Run]) -> dict[str, Any]:
    shares = [run.shares for run in runs]
    return {
        "new_bans": round(statistics.median(each.new_bans for each in shares)),
        "a_new_ban": spread([each.of_a_new_ban for each in shares], 3),
        "its_hits": spread([each.hits_of_a_new_ban for each in shares], 3),
        "extensions": round(statistics.median(each.extensions for each in shares)),
        "an_extension": spread([each.of_an_extension for each in shares], 3),
        "snapshots_percent": spread([100 * each.of_snapshots for each in shares], 2),
        "by_kind": dict(shares[-1].units),
    }


def _per_million(runs: Sequence[Run], name: str) -> int:
    values: list[float] = [1e6 * getattr(run, name) / run.infractions for run in runs]
    return round(statistics.median(values))


def compare(found: dict[str, Any], names: Sequence[str], cores: int = os.cpu_count() or 1) -> dict[str, Any]:
    """Work out the ratios between contenders of the same runs.

    Args:
        found: Figures by attack and contender.
        names: The contenders; the others are compared with the first.
        cores: How many the machine has.
    """
    ratios: dict[str, Any] = {}
    for attack, by_name in found.items():
        first = by_name[names[0]]
        ratios[attack] = {}
        for name in names[1:]:
            if name == NAIVE.name:
                rates = [each["infractions_per_cpu_s"]["median"] for each in (first, by_name[name])]
                ratios[attack]["times_the_naive_worker"] = round(rates[0] / rates[1], 1)
            else:
                ratios[attack] |= against_one(first, by_name[name], cores)
    return ratios


def against_one(one: dict[str, Any], several: dict[str, Any], cores: int) -> dict[str, Any]:
    """Compare several processes with one, run by run, and with what the machine's cores allow at most.

    The canned AWS needs CPU for each infraction as well. If it and the worker had all cores to themselves and
    never waited, there would be one infraction for so many core seconds as both need for it: more is not possible.
    """
    number = several["processes"]
    wall = [after / before for before, after in zip(one["wall_rates"], several["wall_rates"], strict=True)]
    per_cpu = several["infractions_per_cpu_s"]["median"] / one["infractions_per_cpu_s"]["median"]
    used_cores = several["cores"] + several["canned_cores"]
    possible = statistics.median(several["wall_rates"]) * cores / used_cores if used_cores else 0.0
    return {
        f"wall_rate_of_{number}_processes_against_1": spread(wall, 2),
        f"cpu_rate_of_{number}_processes_against_1": round(per_cpu, 2),
        f"most_that_{cores}_cores_allow_beside_this_aws": round(
            possible / statistics.median(one["wall_rates"]), 2
        ),
    }


def table(report: dict[str, Any]) -> Iterator[str]:
    """Lay the report out for people."""
    cores = f"{report['cores']} cores, load {report['load']} before"
    yield f"{report['machine']} {report['processor']}, {cores}, Python {report['python']}"
    yield f"{report['method']} of {report['runs']} runs of {report['seconds']} s; (least to most)"
    yield _limits_told(report["limits"])
    head = (
        "attack",
        "",
        "per CPU s",
        "spread",
        "per s",
        "requests/1000",
        "$/million",
        "with sends",
        "throttled",
        "bans",
        "cores",
        "AWS cores",
        "idle",
    )
    layout = "{:15} {:25} {:>10} {:>20} {:>9} {:>13} {:>9} {:>10} {:>9} {:>6} {:>6} {:>9} {:>5}"
    yield layout.format(*head)
    for attack, by_name in report["attacks"].items():
        for name, each in by_name.items():
            cpu = each["infractions_per_cpu_s"]
            yield layout.format(
                attack,
                name,
                f"{cpu['median']:,.0f}",
                f"({cpu['min']:,.0f} to {cpu['max']:,.0f})",
                f"{each['infractions_per_wall_s']['median']:,.0f}",
                f"{each['requests_per_1000']['median']:.2f}",
                f"{each['dollars_per_million']['median']:.4f}",
                f"{each['dollars_per_million_with_sends']:.4f}",
                f"{each['throttled']:,}",
                "-" if each["bans_checked"] is None else each["bans_checked"],
                each["cores"],
                each["canned_cores"],
                each["idle_cores"],
            )
    yield from units_told(report["attacks"])
    for attack, ratios in report["ratios"].items():
        for name, ratio in ratios.items():
            yield f"{attack:9} {name.replace('_', ' ')}: {_told(ratio)}"


def units_told(attacks: Mapping[str, Any]) -> Iterator[str]:
    """Lay out what the write units were for, and which key had most of a second's."""
    yield "DynamoDB's units (writes: state and log; its hits: also those of addresses that are not banned)"
    layout = "{:15} {:25} {:>9} {:>9} {:>9} {:>10} {:>12} {:>9}  {:32} {}"
    yield layout.format(
        *("attack", "", "new bans", "a ban", "its hits", "extensions", "an extension", "snapshots"),
        *("most writes a second and key", "most reads a second and key"),
    )
    for attack, by_name in attacks.items():
        for name, each in by_name.items():
            units = each["write_units"]
            yield layout.format(
                attack,
                name,
                f"{units['new_bans']:,}",
                f"{units['a_new_ban']['median']:.2f}",
                f"{units['its_hits']['median']:.2f}",
                f"{units['extensions']:,}",
                f"{units['an_extension']['median']:.2f}",
                f"{units['snapshots_percent']['median']:.1f} %",
                peak_told(each["peak_key_writes"]),
                peak_told(each["peak_key_reads"]),
            )


def peak_told(peak: Sequence[Any]) -> str:
    """Say how many units the busiest key had, and which it was."""
    units, key = peak
    return f"{units:,.0f} {key}" if key else "-"


def _limits_told(limits: dict[str, Any] | None) -> str:
    if limits is None:
        return "DynamoDB without limits"
    key, table = (f"{limits[f'{what}_writes']:,.0f}/{limits[f'{what}_reads']:,.0f}" for what in ("key", "table"))
    shared = f", {limits['partitions']} partitions for all keys" if limits["partitions"] else ""
    return f"DynamoDB's write/read units a second: a partition key {key}, the table {table}{shared}"


def _told(ratio: float | dict[str, float]) -> str:
    if isinstance(ratio, dict):
        return f"{ratio['median']} ({ratio['min']} to {ratio['max']})"
    return str(ratio)
