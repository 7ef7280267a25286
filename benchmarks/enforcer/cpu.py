"""What the enforcer costs in CPU: an idle tick, a tick with news, and the full cycle over one set.

    python -m benchmarks.enforcer.cpu [--json]

Each figure is the median of many runs, in one process on one core, with the smallest and the largest beside it.
All of AWS is in memory, so that only the enforcer's own work is measured.
"""

from __future__ import annotations

import logging
import time
from itertools import count, islice
from typing import TYPE_CHECKING

import click
import structlog

from benchmarks.enforcer.bans import Bans
from benchmarks.report import machine, show, spread
from f2b_worker.domain.addresses import canonical
from f2b_worker.domain.blocklists import SET_CAPACITY, Blocklist, Foreign
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.group import Group
from f2b_worker.domain.plan.origin import Origin
from f2b_worker.domain.plan.updates import next_update
from f2b_worker.enforcer import Enforcer
from f2b_worker.ports import StandingBan
from f2b_worker.testing import FakeClock, MemoryIpSet, MemoryIpSetFinder, MemoryLease, MemoryNotebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACTIVE = 50_000
SETS = 6
NEWS = 20
RUNS = 200
DAY_MS = 86_400_000
ALLOWED = [f"192.0.{number}.0/28" for number in range(200)]


def keys() -> Iterator[str]:
    """Make up addresses, one after the other."""
    for number in count():
        yield f"{20 + number // 16_777_216}.{number // 65_536 % 256}.{number // 256 % 256}.{number % 256}/32"


def strangers() -> Iterator[str]:
    """Make up addresses of which no two are neighbours."""
    for number in count():
        yield f"{20 + number // 65_536}.{number // 256 % 256}.{number % 256}.1/32"


class Fleet:
    """An enforcer with 50,000 active bans, by default in six sets, which have room for them."""

    def __init__(self, number_of_sets: int = SETS, among: Iterator[str] | None = None) -> None:
        self.clock = FakeClock()
        self.keys = among or keys()
        self.bans = Bans()
        self.bans.everything = tuple(self.ban(key) for key in islice(self.keys, ACTIVE))
        sets = [MemoryIpSet(4, name=f"f2b-{number}") for number in range(number_of_sets)]
        self.enforcer = Enforcer(
            self.bans,
            MemoryIpSetFinder({"block": sets}),
            MemoryLease(),
            MemoryNotebook(),
            blocklists=[Blocklist("block", ("f2b",))],
            allowed=Networks(ALLOWED),
            clock=self.clock,
            max_new_bans_per_minute=1_000_000,
            aside=lambda work: work(),
        )
        for _ in range(60):
            self.clock.advance(self.enforcer.tick())

    def ban(self, key: str) -> StandingBan:
        """Ban *key* for a day."""
        now_ms = self.clock.now_ms()
        return StandingBan(OffenderId("login", key), Ban(now_ms, now_ms + DAY_MS, 1, DAY_MS))

    def idle(self) -> None:
        """Tick without news."""
        self.enforcer.tick()

    def tell_news(self) -> None:
        """Store 20 bans, and take them in without writing them: the second of WAF's budget is not over."""
        self.bans.store(tuple(self.ban(key) for key in islice(self.keys, NEWS)))


def idle_ms() -> list[float]:
    """Measure ticks in which nothing changed."""
    fleet = Fleet()
    return measured(fleet.idle, between=lambda: fleet.clock.advance(1.01))


def news_ms(*, are_full: bool = False) -> list[float]:
    """Measure ticks that take 20 changes in, of 50,000 active bans, but for the update itself."""
    fleet = Fleet(1, strangers()) if are_full else Fleet()

    def before() -> None:
        fleet.clock.advance(1.01)
        fleet.enforcer._pace.wait_out(fleet.clock.monotonic_s())  # noqa: SLF001
        fleet.tell_news()

    return measured(fleet.idle, between=before)


def update_ms() -> list[float]:
    """Measure ticks that take 20 changes in and write them into a set of up to 10,000 entries."""
    fleet = Fleet()

    def before() -> None:
        fleet.clock.advance(1.06)
        fleet.tell_news()

    return measured(fleet.idle, between=before)


def cycle_ms(family: int) -> list[float]:
    """Measure a full cycle over 10,000 entries: canonical form, comparison, plan; 10 come and 10 go each time."""
    made = [f"198.{18 + number // 65_536}.{number // 256 % 256}.{number % 256}/32" for number in range(20_000)]
    if family == 6:
        made = [f"2001:0db8:{number:04x}:0000:0000:0000:0000:0000/64" for number in range(20_000)]
    group = Group("block", family, policy=Foreign.KEEP)
    group.add_set("1", 0.0)
    for entry in map(canonical, made[:SET_CAPACITY]):
        group.want(entry, DAY_MS, 0.0)
    offsets = iter(range(0, 10 * RUNS + 10, 10))

    def cycle() -> None:
        offset = next(offsets)
        entries = frozenset(map(canonical, made[offset : offset + SET_CAPACITY - 10]))
        group.read("1", entries, lambda _: Origin.OURS, 0.0)
        next_update([group], 0.0, {"1"})

    cycle()  # the first one is that of a start
    return measured(cycle)


def measured(work: Callable[[], None], between: Callable[[], object] = lambda: None) -> list[float]:
    """Do *work* many times; tell how long each took, in milliseconds of CPU."""
    took_ms = []
    for _ in range(RUNS):
        between()
        started_ns = time.process_time_ns()
        work()
        took_ms.append((time.process_time_ns() - started_ns) / 1e6)
    return took_ms


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, as_json: bool) -> None:
    """Measure, and print what came out."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    cases: dict[str, Callable[[], list[float]]] = {
        "tick_idle_ms": idle_ms,
        "tick_20_changes_ms": news_ms,
        "tick_20_changes_full_ms": lambda: news_ms(are_full=True),
        "tick_20_changes_and_update_ms": update_ms,
        "cycle_10000_ipv4_ms": lambda: cycle_ms(4),
        "cycle_10000_ipv6_ms": lambda: cycle_ms(6),
    }
    figures = {name: spread(case(), 3) for name, case in cases.items()}
    show({**machine(), "active_bans": ACTIVE, "sets": SETS, "runs": RUNS, **figures}, as_json=as_json)


if __name__ == "__main__":
    main()
