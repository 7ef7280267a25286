"""Puts the parts of a worker together, and opens what it or a command needs of AWS.

What is missing is named together with the command that makes it.
"""

from __future__ import annotations

import threading
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog

from f2b_worker.adapters.aws import dynamodb_client, sqs_client
from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.acts.orders import DynamoStandingOrders
from f2b_worker.adapters.dynamodb.ban_log.scribe import open_scribe
from f2b_worker.adapters.dynamodb.fleet import DynamoFleet
from f2b_worker.adapters.dynamodb.lease import DynamoLease
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.dynamodb.schema import DynamoSchema
from f2b_worker.adapters.dynamodb.table import check_table
from f2b_worker.adapters.dynamodb.tally import DynamoTally
from f2b_worker.adapters.sqs.attributes import dead_letter_url_of, queue_url_of, visibility_s_of
from f2b_worker.adapters.sqs.inbox import IO_THREADS, RELEASE_THREADS, SqsInbox
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.retention import kept_ms
from f2b_worker.enforcer import Enforcer, LedgerAdopter
from f2b_worker.errors import StartError
from f2b_worker.intake.colleagues import follow_colleagues
from f2b_worker.intake.loop import Intake
from f2b_worker.intake.receivers import Receivers
from f2b_worker.process.auditing import WORKER, Auditing
from f2b_worker.process.ban_tally import BanTally, name_of_jail
from f2b_worker.process.depth import show_depth
from f2b_worker.process.opening import chosen_blocklists, patiently, provision_command
from f2b_worker.process.pardoning import Pardoning
from f2b_worker.process.parts import Parts, set_all
from f2b_worker.process.queue import QueueWatch
from f2b_worker.process.regions import open_regions, own_name
from f2b_worker.process.rules import Rules
from f2b_worker.process.schema import claim_schema, watch_schema
from f2b_worker.process.scribe import Working, run_scribe
from f2b_worker.process.signs import give_signs
from f2b_worker.process.tallying import InfractionTally, tally_infractions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.verdicts import Offender, OffenderId
    from f2b_worker.ports import Clock, Inbox, Ledger, StandingOrders, Tally
    from f2b_worker.process.regions import RegionPorts

log: structlog.stdlib.BoundLogger = structlog.get_logger()

T = TypeVar("T")

TURN_WAIT_LEAST_S = 1.0
"""So long an idle turn waits for a message, however short the polls beside it are: it is woken by one."""

LEDGER_CONNECTIONS = 16
"""So many threads may ask DynamoDB at once for the judge."""

SCRIBE_SLOWER = 5
"""The scribe renews its lease every 10 s, and another takes it over after 40: only a start's cost hangs on it."""


def open_worker(settings: WorkerSettings, config: Path | None) -> Parts:
    """Open what a worker needs of AWS, and make its loops.

    Raises:
        StartError: If something is missing or wrong.
    """
    if settings.enforce_only:
        return _open_enforcer(settings, config)
    jails = read_jails(config)
    blocklists = chosen_blocklists(jails, settings)
    act_as("worker" if blocklists else "judge")
    clock = SystemClock()
    queue = patiently(settings, lambda: open_inbox(settings), config)
    watch = QueueWatch(queue.look, provision_command(settings, config))
    watch.look()
    inbox = Receivers(queue, threads=settings.receivers, poll_s=settings.poll_s, clock=clock)
    shared = _open_shared(settings, jails, blocklists, config)
    return assemble(
        settings,
        shared.rules,
        blocklists=blocklists,
        inbox=inbox,
        ledger=shared.ledger,
        regions=shared.regions,
        close=inbox.close,
        interrupt=inbox.end,
        others={
            **shared.loops,
            "colleagues": lambda parts: follow_colleagues(shared.ledger, hearing(parts), clock, parts.stop),
            "queue": lambda parts: watch.run(clock, parts.stop),
            "tally": lambda parts: count_infractions(DynamoTally(shared.table, settings.table), parts, clock),
            "depth": lambda parts: show_depth(queue.depth, clock, parts.stop),
        },
        remark=lambda: watch.remark,
    )


def _open_enforcer(settings: WorkerSettings, config: Path | None) -> Parts:
    """Open what a worker needs that takes no infractions.

    Raises:
        StartError: If something is missing or wrong, or there is nothing to enforce.
    """
    act_as("enforcer")
    jails = read_jails(config)
    blocklists = chosen_blocklists(jails, settings)
    if not blocklists:
        raise StartError(
            "--enforce-only has nothing to enforce: give --ip-set, or give a blocklist of the file ip_set"
        )
    shared = _open_shared(settings, jails, blocklists, config)
    return assemble(
        settings,
        shared.rules,
        blocklists=blocklists,
        inbox=None,
        ledger=shared.ledger,
        regions=shared.regions,
        # Whoever reads the ban log hears in it of what people ask of all workers.
        others={
            **shared.loops,
            "log": lambda parts: follow_colleagues(shared.ledger, hearing(parts), SystemClock(), parts.stop),
        },
    )


def hearing(parts: Parts) -> Callable[[Mapping[OffenderId, Offender], float], None]:
    """Find who hears what others did to bans: nobody where this process only enforces."""
    return parts.intake.hear if parts.intake else lambda _news, _asked_s: None


class _Shared(NamedTuple):
    """What every worker on a table has, whether it judges or not."""

    table: DynamoDBClient
    ledger: DynamoLedger
    regions: list[RegionPorts]
    rules: Rules
    loops: Mapping[str, Callable[[Parts], None]]


def _open_shared(
    settings: WorkerSettings, jails: Jails, blocklists: Sequence[Blocklist], config: Path | None
) -> _Shared:
    clock = SystemClock()
    table = dynamodb_client(connections=LEDGER_CONNECTIONS, plain_queries=True)
    ledger = patiently(settings, lambda: open_ledger(settings, jails.policy, clock, table), config)
    schema = DynamoSchema(table, settings.table)
    patiently(settings, lambda: claim_schema(schema), config)
    regions = patiently(settings, lambda: open_regions(settings, blocklists, clock), config)
    scribe_lease = DynamoLease(
        table, settings.table, name="scribe", owner=own_name(), clock=clock, slower=SCRIBE_SLOWER
    )
    rules = patiently(settings, lambda: open_rules(lambda: read_jails(config), ledger.orders, clock), config)
    loops: Mapping[str, Callable[[Parts], None]] = {
        "scribe": lambda parts: run_scribe(
            lambda: begin_as_scribe(table, settings, clock, lambda: parts.rules.policy),
            scribe_lease,
            clock,
            parts.stop,
        ),
        "signs": lambda parts: give_signs(
            DynamoFleet(table, settings.table), clock, parts.stop, lambda: parts.said
        ),
        "schema": lambda parts: watch_schema(schema, clock, parts.stop),
    }
    return _Shared(table, ledger, regions, rules, loops)


def begin_as_scribe(
    client: DynamoDBClient, settings: WorkerSettings, clock: Clock, policy: Callable[[], Policy]
) -> Working:
    """Make a scribe of one table, who lifts the bans inside the allowlist that it learns of, and who counts bans.

    One process of a fleet is the scribe: it also counts what operators do.

    Args:
        client: A client of DynamoDB.
        settings: The worker's settings.
        clock: Paces it.
        policy: Tells which jails there are now.
    """
    orders = DynamoStandingOrders(client, settings.table)
    tally = BanTally(DynamoTally(client, settings.table), clock, lambda jail: name_of_jail(policy(), jail))
    scribe = open_scribe(client, settings.table, clock, orders.look_again, tally)
    acts = DynamoActs(client, settings.table, clock, kept_ms=settings.audit_days * DAY_MS)
    pardoning = Pardoning(scribe.standing, orders, acts, clock, f"{WORKER} {own_name()}")
    return Working(scribe, Auditing(pardoning, acts, clock), tally)


def count_infractions(tally: Tally, parts: Parts, clock: Clock) -> None:
    """Count what this process judges until it stops, and store it; for a loop of its own."""
    intake = parts.intake
    if intake:
        counting = InfractionTally(tally, own_name(), clock, lambda: intake.judged)
        tally_infractions(counting, clock, parts.stop, intake.ended)


def open_rules(read: Callable[[], Jails], orders: StandingOrders, clock: Clock) -> Rules:
    """Read what people ask of all workers before any loop begins.

    Args:
        read: Reads the file.
        orders: Where it is read.
        clock: Ends entries of the allowlist.

    Raises:
        F2bError: If it cannot be read: nobody must be banned who is allowed, and nothing written in a pause.
    """
    rules = Rules(read(), orders, clock)
    rules.read()
    # Once more: whoever changed it before a call for a reload that was just read is not heard again.
    rules.use_file(read(), rules.control.generation)
    rules.settle()
    return rules


def assemble(  # noqa: PLR0913
    settings: WorkerSettings,
    rules: Rules,
    *,
    blocklists: tuple[Blocklist, ...],
    inbox: Inbox | None,
    ledger: Ledger,
    regions: Sequence[RegionPorts],
    close: Callable[[], None] = lambda: None,
    interrupt: Callable[[], None] = lambda: None,
    others: Mapping[str, Callable[[Parts], None]] = MappingProxyType({}),
    remark: Callable[[], str | None] = lambda: None,
) -> Parts:
    """Make the loops out of what was opened; without an inbox none judges. See `Parts`."""
    warn_of_bans_without_a_place(rules.policy, blocklists)
    wakes = [threading.Event() for _ in regions]
    on_ban = partial(set_all, wakes)
    return Parts(
        _intake(settings, rules, inbox, ledger, on_ban) if inbox else None,
        rules,
        [_enforcer(ports, ledger, rules=rules, settings=settings) for ports in regions],
        wakes,
        regions,
        blocklists=blocklists,
        close=close,
        interrupt=interrupt,
        others=others,
        remark=remark,
        keep=lambda policy: ledger.keep_for(kept_ms(policy, settings.max_age)),
    )


def _intake(
    settings: WorkerSettings, rules: Rules, inbox: Inbox, ledger: Ledger, on_ban: Callable[[], None]
) -> Intake:
    return Intake(
        inbox,
        ledger,
        rules.policy,
        SystemClock(),
        max_age_ms=settings.max_age,
        poll_s=max(settings.poll_s, TURN_WAIT_LEAST_S),
        linger_s=settings.linger_s,
        extend_resolution_s=settings.extend_resolution_s,
        offenders_per_s=settings.offenders_per_s,
        on_ban=on_ban,
    )


def _enforcer(ports: RegionPorts, ledger: Ledger, *, rules: Rules, settings: WorkerSettings) -> Enforcer:
    clock = SystemClock()
    return Enforcer(
        ports.bans,
        ports.finder,
        ports.lease,
        ports.notebook,
        blocklists=ports.blocklists,
        allowed=rules.allowed,
        apart=rules.apart,
        control=rules.control,
        clock=clock,
        region=ports.region,
        unban_lag_s=settings.unban_lag_s,
        max_new_bans_per_minute=settings.max_new_bans_per_minute,
        adopter=LedgerAdopter(ledger, lambda: rules.policy_of_file, clock),
    )


def warn_of_bans_without_a_place(policy: Policy, blocklists: Iterable[Blocklist]) -> None:
    """Log which blocklists jails name although they have no IP sets: their bans are enforced nowhere."""
    enforced = {each.name for each in blocklists}
    for jail in (policy.defaults, *policy.jails.values()):
        named = {*jail.blocklists, *(name for _, names in jail.escalation for name in names)}
        for name in sorted(named - enforced if enforced else ()):
            log.warning("blocklist_without_ip_sets", blocklist=name, jail=jail.name, bans="are enforced nowhere")


def open_inbox(settings: WorkerSettings) -> SqsInbox:
    """Open the queue and its dead-letter queue."""
    connections = settings.receivers + 2 * IO_THREADS + RELEASE_THREADS + 2
    client = sqs_client(settings.required_queue, connections=connections, poll_s=settings.poll_s)
    queue_url = queue_url_of(client, settings.required_queue)
    return SqsInbox(
        client,
        queue_url=queue_url,
        dead_letter_url=dead_letter_url_of(client, queue_url),
        visibility_s=visibility_s_of(client, queue_url),
    )


def open_ledger(
    settings: WorkerSettings, policy: Policy, clock: Clock, client: DynamoDBClient | None = None
) -> DynamoLedger:
    """Open the ledger to judge by *policy*, with a client that is there or one of its own."""
    client = client or dynamodb_client(connections=LEDGER_CONNECTIONS, plain_queries=True)
    check_table(client, settings.table)
    return DynamoLedger(client, settings.table, clock, kept_ms=kept_ms(policy, settings.max_age))
