"""What a takeover costs an enforcer: seconds and memory a ban, from the items of a snapshot to the first plan.

    python -m benchmarks.enforcer.load [--bans 500000]

The IP sets hold all bans already, as they do at a takeover, with texts of their own, as WAF's answers. All of AWS
is in memory and answers at once; what it holds is made before the first figure is taken.
"""

from __future__ import annotations

import gc
import logging
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

from benchmarks.report import machine
from f2b_worker.adapters.dynamodb.ban_log.counter import Top
from f2b_worker.adapters.dynamodb.ban_log.follower import BanLogFollower
from f2b_worker.adapters.dynamodb.ban_log.packing import pack, unpack
from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part, Snapshot, part_name
from f2b_worker.allocator import keep_memory_together
from f2b_worker.collector import look_for_garbage_seldom
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.blocklists import SET_CAPACITY, Blocklist
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import NEVER_BANNED
from f2b_worker.enforcer import Enforcer
from f2b_worker.ports import IpSetContents
from f2b_worker.testing import FakeClock, MemoryIpSet, MemoryIpSetFinder, MemoryLease, MemoryLedger, MemoryNotebook

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.adapters.dynamodb.ban_log.items import Entry

PART_CHANGES = 5_000
DAY_MS = 86_400_000
EPOCH = "e"


def key(number: int) -> str:
    """Make up an address."""
    return f"{20 + number // 16_777_216}.{number // 65_536 % 256}.{number // 256 % 256}.{number % 256}/32"


def changes(first: int, number: int, now_ms: int) -> list[Change]:
    """Make up bans of one jail: most of a day, begun and to end at any time."""
    return [
        Change(
            OffenderId("login", key(each)),
            Ban(now_ms - each * 7919 % DAY_MS, now_ms + 60_000 + each * 104_729 % DAY_MS, 1, DAY_MS),
            1,
        )
        for each in range(first, first + number)
    ]


class Items:
    """A log in memory of which everything stands in a snapshot."""

    is_strong = True

    def __init__(self, bans: int, now_ms: int) -> None:
        places = range(0, bans, PART_CHANGES)
        self.contents = [pack(changes(each, min(PART_CHANGES, bans - each), now_ms)) for each in places]

    def top(self, *, strongly: bool = False) -> Top:
        """Tell where the log ends."""
        del strongly
        return Top(EPOCH, 1)

    def snapshot(self) -> Snapshot:
        """Tell what the snapshot is made of."""
        part = Part("p", len(self.contents), 0, 1, sum(map(len, self.contents)), 0)
        return Snapshot(EPOCH, 1, (part,), 0)

    def read_parts(self, _: Iterable[Part]) -> dict[str, bytes]:
        """Read all of them."""
        return {part_name("p", place): content for place, content in enumerate(self.contents)}

    def look_for(self, *_: object) -> tuple[dict[int, Entry], frozenset[int]]:
        """Find nothing above the snapshot."""
        return {}, frozenset()


class Ledger(MemoryLedger):
    """Lets everybody follow a log in memory."""

    def __init__(self, items: Items, clock: FakeClock) -> None:
        super().__init__(clock)
        self._items = items
        self._log_clock = clock

    def follow(self) -> BanLogFollower:  # type: ignore[override]
        """Follow the log."""
        return BanLogFollower(BanLogReader(self._items, self._log_clock), self._log_clock)  # type: ignore[arg-type]


class IpSet(MemoryIpSet):
    """A set whose every reading makes new texts."""

    def __init__(self, first: int, number: int) -> None:
        super().__init__(4, name=f"f2b-{first}")
        self._range = range(first, first + number)

    def read(self) -> IpSetContents:
        """Read the whole set."""
        return IpSetContents(frozenset(map(key, self._range)), "1")


def resident_bytes() -> int:
    """Tell how much memory this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@click.command()
@click.option("--bans", default=500_000, show_default=True, help="How many are active.")
def main(bans: int) -> None:
    """Take over, and say what that took."""
    keep_memory_together()  # as in a worker
    look_for_garbage_seldom()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    clock = FakeClock()
    items = Items(bans, clock.now_ms())
    began_s = time.process_time()
    for content in items.contents:
        unpack(content)
    unpacked_s = time.process_time() - began_s
    sets = [IpSet(first, min(SET_CAPACITY, bans - first)) for first in range(0, bans, SET_CAPACITY)]
    lease = MemoryLease(held=False)
    lease.is_next = True
    enforcer = Enforcer(
        Ledger(items, clock),
        MemoryIpSetFinder({"block": sets}),
        lease,
        MemoryNotebook(),
        blocklists=[Blocklist("block", ("f2b",))],
        allowed=NEVER_BANNED,
        clock=clock,
        aside=lambda work: work(),
    )
    before_bytes = resident_bytes()
    began_s = time.process_time()
    enforcer.tick()
    loaded_s = time.process_time() - began_s
    loaded_bytes = resident_bytes() - before_bytes
    lease.held, lease.is_next = True, False
    began_s = time.process_time()
    for _ in range(len(sets) + 20):
        clock.advance(enforcer.tick())
    began_term_s = time.process_time() - began_s
    held_bytes = resident_bytes() - before_bytes
    peak_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_bytes
    began_s = time.process_time()
    for _ in range(20):
        clock.advance(enforcer.tick())
    idle_s = (time.process_time() - began_s) / 20
    assert enforcer.ready, enforcer.problem
    machine()
    click.echo(f"{bans} active bans; microseconds a ban:")
    click.echo(f"  unpack alone                  {1e6 * unpacked_s / bans:6.2f}")
    click.echo(f"  load ahead (with unpacking)   {1e6 * loaded_s / bans:6.2f}")
    click.echo(f"  begin the term, read all sets {1e6 * began_term_s / bans:6.2f}")
    click.echo(f"a tick then: {1e3 * idle_s:.1f} ms; resident bytes a ban:")
    click.echo(
        f"  loaded {loaded_bytes / bans:.0f}, held {held_bytes / bans:.0f}, at the most {peak_bytes / bans:.0f}"
    )


if __name__ == "__main__":
    main()
