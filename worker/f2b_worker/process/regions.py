"""What each enforcer works with: the blocklists of one Region, and what it needs of AWS to enforce them."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.adapters.aws import dynamodb_client, wafv2_client
from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.lease import DynamoLease
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook
from f2b_worker.adapters.sqlite.file import SqliteLease
from f2b_worker.adapters.sqlite.notebook import SqliteNotebook
from f2b_worker.adapters.waf.finder import WafFinder
from f2b_worker.adapters.waf.ip_set import region_of
from f2b_worker.adapters.waf.listing import READS_OF_A_COMMAND_PER_S, WafListing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.ports import BanBook, Clock, Notebook


@dataclass(frozen=True, slots=True)
class RegionPorts:
    """All that one enforcer needs of AWS: the blocklists that are reached in one Region.

    Attributes:
        region: The Region's name.
        blocklists: Those with IP sets there, of either scope.
        bans: The ledger's bans; each Region follows their changes at its own pace.
        finder: Finds their IP sets.
        lease: Held by the one process that enforces there.
        notebook: What that process must not forget.
    """

    region: str
    blocklists: tuple[Blocklist, ...]
    bans: BanBook
    finder: WafFinder
    lease: DynamoLease | SqliteLease
    notebook: Notebook

    @property
    def conflict(self) -> str | None:
        """One line about a worker that enforces here and is configured otherwise, or None."""
        theirs = self.lease.otherwise
        if not theirs:
            return None
        return f"{self.region}: the worker that enforces has other blocklists: {theirs}; this one: " + as_text(
            self.blocklists
        )


def by_region(blocklists: Iterable[Blocklist]) -> dict[str, tuple[Blocklist, ...]]:
    """Sort blocklists by the Region in which they are reached."""
    home = wafv2_client(None).meta.region_name
    regions = {each: region_of(each.scope) or home for each in blocklists}
    return {
        region: tuple(each for each in regions if regions[each] == region)
        for region in sorted(set(regions.values()))
    }


def open_finder(
    region: str,
    blocklists: Sequence[Blocklist],
    clock: Clock,
    *,
    reads_per_s: float | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> WafFinder:
    """Open what finds the IP sets of *blocklists*, all of one Region."""
    # Many workers may start at once, and WAF answers five Get or List requests a second.
    looking = wafv2_client(region, attempts=8)
    writing = wafv2_client(region, validated=False)
    return WafFinder(looking, blocklists, clock, writing=writing, reads_per_s=reads_per_s, meanwhile=meanwhile)


def open_listing(region: str, clock: Clock) -> WafListing:
    """Open what lists what a Region's WAF has, for a command beside a running fleet."""
    return WafListing(wafv2_client(region, attempts=8), clock, READS_OF_A_COMMAND_PER_S)


def open_finders(blocklists: Sequence[Blocklist], clock: Clock) -> list[WafFinder]:
    """Open a finder for each Region, for a command beside a running fleet, which has the first claim to WAF."""
    return [
        open_finder(region, here, clock, reads_per_s=READS_OF_A_COMMAND_PER_S)
        for region, here in by_region(blocklists).items()
    ]


def open_regions(settings: WorkerSettings, blocklists: Sequence[Blocklist], clock: Clock) -> list[RegionPorts]:
    """Open what the enforcers need, one for each Region, and see that all IP sets are there.

    Raises:
        Missing: If a name in a blocklist stands for no IP set.
        StartError: If an IP set belongs to two blocklists.
    """
    if not blocklists:
        return []
    client = dynamodb_client(connections=4)
    # Notes are binary, bans are many: each is read by a client of its own.
    bans_client = dynamodb_client(connections=4, plain_queries=True)
    owner = own_name()
    regions = []
    for region, here in by_region(blocklists).items():
        # One lease a Region, whatever is configured: two configurations must never write at once.
        name, enforces = f"enforcer/{region}", as_text(here)
        lease = DynamoLease(client, settings.table, name=name, owner=owner, clock=clock, enforces=enforces)
        finder = open_finder(region, here, clock, meanwhile=lease.renew)
        finder.check()
        bans = DynamoBanBook(bans_client, settings.table, clock)
        notebook = DynamoNotebook(client, settings.table, region=region)
        regions.append(RegionPorts(region, here, bans, finder, lease, notebook))
    return regions


def own_name() -> str:
    """Name this process as no other is named."""
    return f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"


def open_state_regions(state: StateFile, blocklists: Sequence[Blocklist], clock: Clock) -> list[RegionPorts]:
    """Open what the enforcers of standalone mode need, one for each Region, and see that all IP sets are there.

    Raises:
        Missing: If a name in a blocklist stands for no IP set.
        StartError: If an IP set belongs to two blocklists.
    """
    regions = []
    for region, here in by_region(blocklists).items() if blocklists else ():
        finder = open_finder(region, here, clock)
        finder.check()
        notebook = SqliteNotebook(state.reader(), state.safe_writer, region=region)
        regions.append(RegionPorts(region, here, SqliteBanBook(state.reader()), finder, SqliteLease(), notebook))
    return regions


def as_text(blocklists: Iterable[Blocklist]) -> str:
    """Write down what an enforcer makes of blocklists: the same text means the same contents of the same sets."""
    return ", ".join(
        f"{each.name} ({' '.join([*sorted(each.ip_sets), each.scope, each.foreign, *_collapsed(each)])})"
        for each in sorted(blocklists, key=lambda each: each.name)
    )


def _collapsed(blocklist: Blocklist) -> list[str]:
    collapse = blocklist.collapse
    return [f"collapse={collapse.at_least}/{collapse.ipv4_prefix}/{collapse.ipv6_prefix}"] if collapse else []
