"""What `f2b doctor` looks at: each check says nothing if all is well, and else what is wrong and what to do."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.adapters.aws import dynamodb_client, sqs_client, wafv2_client
from f2b_worker.adapters.clock import AGREES_MS, AWS_TIME, SystemClock
from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.fleet import DynamoFleet
from f2b_worker.adapters.dynamodb.lease import holder_of
from f2b_worker.adapters.probes import probe_ip_set, queue_probes, table_probes
from f2b_worker.adapters.provisioning import fleet as provisioning
from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.adapters.provisioning.fleet import Protections
from f2b_worker.adapters.provisioning.steps import Patience
from f2b_worker.adapters.sqs.inbox import queue_settings_of, queue_url_of
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.errors import LockLost
from f2b_worker.process.looking import ALIVE_MS
from f2b_worker.process.opening import provision_command, who_acts
from f2b_worker.process.queue import remarks
from f2b_worker.process.regions import by_region, open_finders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.provisioning.steps import Step
    from f2b_worker.adapters.waf.ip_set import WafIpSet
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.jails import Policy


class Check(NamedTuple):
    """One thing that is looked at.

    Attributes:
        what: What it is, for people.
        look: Looks; answers what is wrong with it and what to do, in one line, or None. An error says it, too.
    """

    what: str
    look: Callable[[], str | None]


def checks(settings: OperatorSettings, policy: Policy, blocklists: Sequence[Blocklist]) -> Iterator[Check]:
    """List what is looked at, in the order in which one thing needs the other.

    Args:
        settings: They name table, queue and IP sets.
        policy: The jails.
        blocklists: Those with IP sets.
    """
    yield Check("credentials", lambda: None if who_acts(settings) else "nobody")
    if settings.queue:
        yield from _of_queue(settings)
    yield from _of_table(settings)
    yield Check("clock", _clock)
    yield from _of_jails(policy, blocklists)
    if blocklists:
        yield from _of_waf(settings, blocklists)


def _of_queue(settings: OperatorSettings) -> Iterator[Check]:
    command = provision_command(settings, settings.config)
    client = sqs_client(settings.required_queue, connections=1, answer_within_s=5)

    def url() -> str:
        return queue_url_of(client, settings.required_queue)

    patience = Patience(SystemClock(), lambda _: None)
    for step in provisioning.queue_steps(settings, patience):
        yield Check(step.what, partial(_is_there, step, command))
    yield Check(
        "settings of the queue", lambda: "; ".join(remarks(queue_settings_of(client, url()), command)) or None
    )
    for action in ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage"):
        yield Check(f"permission {action}", partial(_probe, lambda: queue_probes(client, url()), action))


def _of_table(settings: OperatorSettings) -> Iterator[Check]:
    client = dynamodb_client(connections=2)
    command = provision_command(settings, settings.config, queue=settings.queue or settings.table)
    patience = Patience(SystemClock(), lambda _: None)
    for step in provisioning.Table(settings.table, Protections(), patience).steps():
        yield Check(step.what, partial(_is_there, step, command))
    yield Check("snapshot and log of the bans", partial(_bans, settings))
    for action in ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"):
        yield Check(f"permission {action}", partial(_probe, lambda: table_probes(client, settings.table), action))
    yield Check("workers", lambda: _workers(DynamoFleet(client, settings.table)))


def _bans(settings: OperatorSettings) -> str | None:
    unreadable: list[str] = []
    client = dynamodb_client(connections=1, plain_queries=True)
    book = DynamoBanBook(client, settings.table, SystemClock(), aside=lambda error: unreadable.append(str(error)))
    book.standing()
    return "; ".join(unreadable) or None


def _workers(fleet: DynamoFleet) -> str | None:
    now_ms = SystemClock().now_ms()
    alive = [each for each in fleet.signs() if now_ms - each.at_ms <= ALIVE_MS]
    if not alive:
        return "none gave a sign of life within three minutes: start f2b-worker"
    versions = sorted({each.version for each in alive})
    if len(versions) > 1:
        return f"they are of versions {' and '.join(versions)}: end the rollout"
    return "; ".join(f"{each.name}: {each.remark}" for each in alive if each.remark) or None


def _of_jails(policy: Policy, blocklists: Sequence[Blocklist]) -> Iterator[Check]:
    enforced = {each.name for each in blocklists}
    for jail in (policy.defaults, *policy.jails.values()):
        named = {*jail.blocklists, *(name for _, names in jail.escalation for name in names)}
        lacking = ", ".join(sorted(named - enforced)) if enforced and not jail.observed else ""
        told = f"blocklist {lacking} has no IP set: its bans are enforced nowhere; give it ip_set in the file"
        yield Check(f"jail {jail.name}", partial(_told, told if lacking else None))


def _told(text: str | None) -> str | None:
    return text


def _of_waf(settings: OperatorSettings, blocklists: Sequence[Blocklist]) -> Iterator[Check]:
    command = provision_command(settings, settings.config, queue=settings.queue or settings.table)
    for plan in provision_waf.plans(blocklists, provision_waf.Wish(), SystemClock()):
        for step in plan.steps():
            yield Check(step.what, partial(_is_there, step, command))
    for finder in open_finders(blocklists, SystemClock()):
        yield Check("names of the IP sets", finder.check)
        found = [each for sets in finder.find().values() for each in sets]
        bare = finder.unreferenced(found)
        for each in found:
            yield Check(
                f"rule for IP set {each.name}", partial(_told, _bare(each.name) if each.id in bare else None)
            )
            number = len(each.read().entries)
            full = f"it holds {number:,} entries, as many as WAF allows: {command} --capacity N makes more"
            yield Check(f"room in IP set {each.name}", partial(_told, full if number >= SET_CAPACITY else None))
        for each in found[:1]:
            yield Check("permission wafv2:UpdateIPSet", partial(_probe_set, each))
    client = dynamodb_client(connections=1)
    for region in by_region(blocklists):
        yield Check(f"enforcer of {region}", partial(_enforcer, client, settings, region))


def _bare(name: str) -> str:
    return f"no rule in use refers to {name}: nobody in it is blocked; docs/blocklists.md shows the rule"


def _enforcer(client: DynamoDBClient, settings: OperatorSettings, region: str) -> str | None:
    holder = holder_of(client, settings.table, f"enforcer/{region}")
    return None if holder.owner else f"nobody enforces in {region}: give a worker the blocklists of {region}"


def _probe_set(ip_set: WafIpSet) -> None:
    with suppress(LockLost):  # so far only who may write comes
        probe_ip_set(ip_set)


def _probe(probes: Callable[[], Mapping[str, Callable[[], None]]], action: str) -> None:
    probes()[action]()


def _is_there(step: Step, command: str) -> str | None:
    if not step.is_there():
        return f"not there; make it with: {command}"
    return step.remark() or None


def _clock() -> str | None:
    wafv2_client(None).close()
    off_ms = AWS_TIME.ahead_ms
    if abs(off_ms) <= AGREES_MS:
        return None
    return f"this machine's is {off_ms / 1000:.1f} s behind AWS's; let NTP set it (f2b goes by AWS's meanwhile)"
