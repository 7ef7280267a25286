"""What a million infractions a second would need, and where it would stop, by measured figures and list prices.

Pure: `benchmarks.worker.plots` writes what comes out into docs/capacity.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from benchmarks.canned.tally import dollars
from f2b_worker.config.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WANTED_PER_S = 1_000_000
SPARE = 1.5
"""Workers that are busy all the time have no way to catch up: so many times the cores that are just enough."""
PARTITION_WRITES_PER_S = 1_000
"""Which the counter of the ban log reaches first: each append takes one unit of it."""
TABLE_WRITES_PER_S = 40_000
"""What DynamoDB gives an account's on-demand table by default; AWS raises it on request."""
IN_FLIGHT_MAX = 120_000
HELD_S = float(WorkerSettings.model_fields["extend_resolution_s"].default)
"""So long a message stays at a worker if all that it brings only extends bans, and many addresses are banned."""
UNITS_OF_A_NEW_BAN = 2.2
"""Its hits, its state and its share of the ban log, where thousands come a second: see `make bench-units`."""
IP_SET_ADDRESSES = 10_000
IP_SETS_REFERENCED = 50
UPDATES_PER_S = 1
HOURS_A_MONTH = 730
ATTACKS = {"zipf": "concentrated attack", "botnet": "botnet"}


@dataclass(frozen=True, slots=True)
class Need:
    """What one attack of so many infractions a second needs.

    Attributes:
        cores: Of workers as fast as the measured one, busy all the time.
        workers: Processes of one core, with `SPARE`.
        messages_per_s: That the producers send, `pack` infractions in each.
        units_per_s: DynamoDB's write units.
        partitions: That these units take at least, with the offenders spread evenly.
        table_stops_per_s: Infractions a second that the default limit of one table allows.
    """

    pack: int
    cores: float
    workers: int
    messages_per_s: float
    sqs_requests_per_s: float
    units_per_s: float
    reads_per_s: float
    partitions: int
    dollars_per_hour: float
    table_stops_per_s: float


def need(point: Mapping[str, Any], wanted_per_s: float = WANTED_PER_S) -> Need:
    """Work out what *wanted_per_s* need, from the figures of one process."""
    millions_per_s = wanted_per_s / 1e6
    cores = wanted_per_s / point["infractions_per_cpu_s"]["median"]
    messages_per_s = wanted_per_s / point["pack"]
    # Producers send on their own, hence one request for each message: batches only form where one has many packs.
    sqs_per_s = point["sqs_requests_per_million"] * millions_per_s + messages_per_s
    units_per_s = point["write_units_per_million"] * millions_per_s
    reads_per_s = point["read_units_per_million"] * millions_per_s
    return Need(
        pack=point["pack"],
        cores=cores,
        workers=ceil(cores * SPARE),
        messages_per_s=messages_per_s,
        sqs_requests_per_s=sqs_per_s,
        units_per_s=units_per_s,
        reads_per_s=reads_per_s,
        partitions=ceil(units_per_s / PARTITION_WRITES_PER_S),
        dollars_per_hour=3600 * dollars(sqs_per_s, units_per_s, reads_per_s),
        table_stops_per_s=wanted_per_s * TABLE_WRITES_PER_S / units_per_s,
    )


def needs(points: Mapping[str, Any]) -> dict[str, Need]:
    """Work out both attacks at 100 a pack, by the name that people read."""
    return {told: need(points[f"{attack}/100/1"]) for attack, told in ATTACKS.items()}


def bans_per_s() -> float:
    """Tell how many new bans a second one table takes by default, if that is all it has to do."""
    return TABLE_WRITES_PER_S / UNITS_OF_A_NEW_BAN


def enforced_most() -> int:
    """Tell how many addresses the IP sets hold that one web ACL can refer to."""
    return IP_SETS_REFERENCED * IP_SET_ADDRESSES


def page(report: Mapping[str, Any]) -> Iterator[str]:
    """Write the part of docs/capacity.md that follows from figures."""
    found = needs(report["points"])
    yield f"| for {WANTED_PER_S:,} infractions/s | {' | '.join(found)} |"
    yield "|---|" + "---|" * len(found)
    for name, write in _ROWS.items():
        yield f"| {name} | {' | '.join(write(each) for each in found.values())} |"
    yield ""
    yield "| limit | reached at |"
    yield "|---|---|"
    for limit, reached in _limits(found):
        yield f"| {limit} | {reached} |"


def held_per_s() -> float:
    """How many messages a second may come that only extend bans until SQS delivers nothing more."""
    return IN_FLIGHT_MAX / HELD_S


def _limits(found: Mapping[str, Need]) -> Iterator[tuple[str, str]]:
    table = f"DynamoDB, {TABLE_WRITES_PER_S:,} write units/s of a table by default"
    for told, each in found.items():
        yield f"{table}, {told}", f"{each.table_stops_per_s:,.0f} infractions/s"
    yield f"{table}, {UNITS_OF_A_NEW_BAN} of them for a new ban", f"{bans_per_s():,.0f} new bans/s"
    counter = f"DynamoDB, {PARTITION_WRITES_PER_S:,} write units/s of a key: the counter of the ban log"
    yield counter, f"{PARTITION_WRITES_PER_S:,} appends/s by all workers, of up to 4,000 bans each"
    new_per_s = UPDATES_PER_S * IP_SET_ADDRESSES
    yield f"WAF, {UPDATES_PER_S} update/s, of one set of {IP_SET_ADDRESSES:,}", f"{new_per_s:,} new addresses/s"
    yield f"WAF, {IP_SETS_REFERENCED} sets in a web ACL", f"{enforced_most():,} addresses enforced at once"
    full_s = enforced_most() / min(bans_per_s(), new_per_s)
    yield "these sets are full, if every ban is new", f"{full_s:,.0f} s after the first ban, at the earliest"
    held = f"SQS, {IN_FLIGHT_MAX:,} messages in flight, all held {HELD_S:.0f} s because they only extend bans"
    yield held, f"{held_per_s():,.0f} messages/s"


_ROWS: dict[str, Callable[[Need], str]] = {
    "infractions for a CPU second, measured": lambda it: f"{WANTED_PER_S / it.cores:,.0f}",
    "cores that are busy all the time": lambda it: f"{it.cores:,.0f}",
    f"worker processes of one core, {SPARE} times that": lambda it: f"{it.workers:,}",
    "messages/s": lambda it: f"{it.messages_per_s:,.0f}",
    "SQS requests/s, sends included": lambda it: f"{it.sqs_requests_per_s:,.0f}",
    "DynamoDB write units/s": lambda it: f"{it.units_per_s:,.0f}",
    "DynamoDB read units/s": lambda it: f"{it.reads_per_s:,.0f}",
    "DynamoDB partitions, at least": lambda it: f"{it.partitions:,}",
    "AWS requests, dollars an hour": lambda it: f"{it.dollars_per_hour:,.0f}",
    "the same for a month without a pause": lambda it: f"{it.dollars_per_hour * HOURS_A_MONTH:,.0f}",
}
