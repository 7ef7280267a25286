"""Opens what a worker or a command needs of AWS; names what is missing together with the command that makes it."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import structlog

from f2b_worker.adapters.aws import dynamodb_client, sqs_client, wafv2_client
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.lease import DynamoLease
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.provisioning.fleet import check_table
from f2b_worker.adapters.sqlite.file import SqliteLease, open_existing, open_to_store
from f2b_worker.adapters.sqlite.ledger import SqliteBanBook
from f2b_worker.adapters.sqlite.notebook import SqliteNotebook, notebooks_in
from f2b_worker.adapters.sqs.inbox import IO_THREADS, SqsInbox, dead_letter_url_of, queue_url_of, visibility_s_of
from f2b_worker.adapters.waf.finder import WafFinder
from f2b_worker.adapters.waf.ip_set import CLOUDFRONT_REGION, region_of
from f2b_worker.adapters.waf.listing import READS_OF_A_COMMAND_PER_S
from f2b_worker.config.settings import NO_QUEUE
from f2b_worker.domain.blocklists import Blocklist, Scope
from f2b_worker.domain.jails import DAY_MS, DEFAULT_BLOCKLIST, FOREVER_MS
from f2b_worker.errors import Missing, Permanent, Retryable, StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.domain.jails import Policy
    from f2b_worker.ports import BanBook, Clock, Notebook

log: structlog.stdlib.BoundLogger = structlog.get_logger()

T = TypeVar("T")

START_WITHIN_S = 30.0
"""How long a starting worker waits for an AWS that does not answer."""

KEPT_MS = 60 * DAY_MS


@dataclass(frozen=True, slots=True)
class Front:
    """All that one enforcer needs of AWS: the blocklists that are reached in one Region.

    Attributes:
        region: The Region's name.
        blocklists: Those with IP sets there, of either scope.
        bans: The ledger's bans; each front follows their changes at its own pace.
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
    def conflict(self) -> str:
        """One line about a worker that enforces here and is configured otherwise; empty if none does."""
        theirs = self.lease.otherwise
        if not theirs:
            return ""
        return f"{self.region}: the worker that enforces has other blocklists: {theirs}; this one: " + as_text(
            self.blocklists
        )


def chosen_blocklists(jails: Jails, settings: WorkerSettings) -> tuple[Blocklist, ...]:
    """Choose the blocklists that are enforced: the jails file's, and `block` with the IP sets of the settings.

    Raises:
        StartError: If both name the sets of `block`.
    """
    chosen = {each.name: each for each in jails.blocklists}
    if settings.ip_set:
        block = chosen.get(DEFAULT_BLOCKLIST, Blocklist(DEFAULT_BLOCKLIST, ()))
        if block.ip_sets:
            raise StartError(
                f"[blocklists.{DEFAULT_BLOCKLIST}] ip_set ({', '.join(block.ip_sets)}) and --ip-set "
                f"({', '.join(settings.ip_set)}) both name the IP sets of {DEFAULT_BLOCKLIST}: leave one out"
            )
        chosen[DEFAULT_BLOCKLIST] = replace(block, ip_sets=settings.ip_set, scope=Scope(settings.scope))
    return tuple(each for each in chosen.values() if each.ip_sets)


def warn_of_bans_without_a_place(policy: Policy, blocklists: Iterable[Blocklist]) -> None:
    """Log which blocklists jails name although they have no IP sets: their bans are enforced nowhere."""
    enforced = {each.name for each in blocklists}
    for jail in (policy.defaults, *policy.jails.values()):
        named = {*jail.blocklists, *(name for _, names in jail.escalation for name in names)}
        for name in sorted(named - enforced if enforced else ()):
            log.warning("blocklist_without_ip_sets", blocklist=name, jail=jail.name, bans="are enforced nowhere")


def patiently(settings: WorkerSettings, opening: Callable[[], T], config: Path | None = None) -> T:
    """Open a part; wait a little for AWS, and name what is missing together with the command that makes it.

    Raises:
        StartError: If it cannot be opened.
    """
    clock, never = SystemClock(), threading.Event()
    ends_s = clock.monotonic_s() + START_WITHIN_S
    while True:
        try:
            return opening()
        except Retryable as error:
            if clock.monotonic_s() > ends_s:
                raise StartError(f"{error}; gave up after {START_WITHIN_S:.0f} s") from error
            log.warning("waiting_for_aws", reason=str(error))
            clock.wait(never, 1.0)
        except Missing as error:
            raise StartError(f"{error}; {_remedy(settings, config)}") from error
        except Permanent as error:
            raise StartError(str(error)) from error


def _remedy(settings: WorkerSettings, config: Path | None) -> str:
    if settings.queue != NO_QUEUE:
        return f"make it with: {_provision_command(settings, config)}"
    named = settings.model_copy(update={"queue": settings.table})
    return (
        "check that --table, Region and account are those of the workers. To make a first table, run: "
        + _provision_command(named, config)
    )


def _provision_command(settings: WorkerSettings, config: Path | None) -> str:
    sets = "".join(f" --ip-set {name}" for name in settings.ip_set)
    scope = "" if settings.scope == "REGIONAL" else f" --scope {settings.scope}"
    file = f" --config {config}" if config else ""
    if settings.standalone:
        return f"f2b-worker provision --standalone{sets}{scope}{file}"
    queue = settings.queue.rstrip("/").rsplit("/", maxsplit=1)[-1]
    return f"f2b-worker provision --queue {queue} --table {settings.table}{sets}{scope}{file}"


def open_inbox(settings: WorkerSettings) -> SqsInbox:
    """Open the queue and its dead-letter queue."""
    client = sqs_client(settings.queue, connections=settings.receivers + IO_THREADS + 1)
    queue_url = queue_url_of(client, settings.queue)
    return SqsInbox(
        client,
        queue_url=queue_url,
        dead_letter_url=dead_letter_url_of(client, queue_url),
        visibility_s=visibility_s_of(client, queue_url),
    )


def open_ledger(settings: WorkerSettings, policy: Policy, clock: Clock) -> DynamoLedger:
    """Open the ledger to judge by *policy*."""
    client = dynamodb_client(connections=16)
    check_table(client, settings.table)
    return DynamoLedger(client, settings.table, clock, kept_ms=kept_ms(policy, settings.max_age))


def open_ban_book(settings: WorkerSettings) -> BanBook:
    """Open the ledger to read its bans, while a worker may be writing to it."""
    if settings.state_file:
        return SqliteBanBook(open_existing(settings.state_file))
    client = dynamodb_client(connections=2)
    patiently(settings, lambda: check_table(client, settings.table))
    return DynamoLedger(client, settings.table, SystemClock(), kept_ms=KEPT_MS, io_threads=1)


def kept_ms(policy: Policy, max_age_ms: int | None) -> int:
    """Work out how long offenders are remembered: longer than any jail counts or any infraction is late."""
    forgets = [jail.forget_ms for jail in (policy.defaults, *policy.jails.values())]
    if None in forgets or max_age_ms is None:
        return FOREVER_MS // 2
    return max(KEPT_MS, 2 * max_age_ms, *(2 * forget for forget in forgets if forget))


def open_notebooks(settings: WorkerSettings) -> Mapping[str, Notebook]:
    """Open the notes of every Region in which this fleet may enforce, by the Region's name."""
    if settings.state_file:
        return notebooks_in(open_to_store(settings.state_file))
    client = dynamodb_client(connections=2)
    patiently(settings, lambda: check_table(client, settings.table))
    regions = dict.fromkeys((client.meta.region_name, CLOUDFRONT_REGION))
    return {region: DynamoNotebook(client, settings.table, region=region) for region in regions}


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


def open_finders(blocklists: Sequence[Blocklist], clock: Clock) -> list[WafFinder]:
    """Open a finder for each Region, for a command beside a running fleet, which has the first claim to WAF."""
    return [
        open_finder(region, here, clock, reads_per_s=READS_OF_A_COMMAND_PER_S)
        for region, here in by_region(blocklists).items()
    ]


def open_fronts(settings: WorkerSettings, blocklists: Sequence[Blocklist], clock: Clock) -> list[Front]:
    """Open what the enforcers need, one for each Region, and see that all IP sets are there.

    Raises:
        Missing: If a name in a blocklist stands for no IP set.
        StartError: If an IP set belongs to two blocklists.
    """
    if not blocklists:
        return []
    client = dynamodb_client(connections=4)
    owner = f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"
    fronts = []
    for region, here in by_region(blocklists).items():
        # One lease a Region, whatever is configured: two configurations must never write at once.
        name, enforces = f"enforcer/{region}", as_text(here)
        lease = DynamoLease(client, settings.table, name=name, owner=owner, clock=clock, enforces=enforces)
        finder = open_finder(region, here, clock, meanwhile=lease.renew)
        finder.check()
        bans = DynamoLedger(client, settings.table, clock, kept_ms=KEPT_MS, io_threads=1)
        notebook = DynamoNotebook(client, settings.table, region=region)
        fronts.append(Front(region, here, bans, finder, lease, notebook))
    return fronts


def open_state_fronts(state: StateFile, blocklists: Sequence[Blocklist], clock: Clock) -> list[Front]:
    """Open what the enforcers of standalone mode need, one for each Region, and see that all IP sets are there.

    Raises:
        Missing: If a name in a blocklist stands for no IP set.
        StartError: If an IP set belongs to two blocklists.
    """
    fronts = []
    for region, here in by_region(blocklists).items() if blocklists else ():
        finder = open_finder(region, here, clock)
        finder.check()
        notebook = SqliteNotebook(state.reader(), state.safe_writer, region=region)
        fronts.append(Front(region, here, SqliteBanBook(state.reader()), finder, SqliteLease(), notebook))
    return fronts


def as_text(blocklists: Iterable[Blocklist]) -> str:
    """Write down what an enforcer makes of blocklists: the same text means the same contents of the same sets."""
    return ", ".join(
        f"{each.name} ({' '.join([*sorted(each.ip_sets), each.scope, each.foreign, *_collapsed(each)])})"
        for each in sorted(blocklists, key=lambda each: each.name)
    )


def _collapsed(blocklist: Blocklist) -> list[str]:
    collapse = blocklist.collapse
    return [f"collapse={collapse.at_least}/{collapse.ipv4_prefix}/{collapse.ipv6_prefix}"] if collapse else []
