"""Everything that is looked at, in the order in which one thing needs the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.errors import StartError
from f2b_worker.process.opening import chosen_blocklists, who_acts
from f2b_worker.query.checkup.check import Check, Role, told
from f2b_worker.query.checkup.of_machine import clock_of_aws, of_own_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.jails import Policy


def checks(settings: OperatorSettings, jails: Jails, role: Role) -> Iterator[Check]:
    """List what is looked at.

    Args:
        settings: They name the ledger, the queue and the IP sets.
        jails: The jails file.
        role: Whose permissions are looked at.

    Raises:
        StartError: If that role has nothing to do with this ledger, or needs a queue and none is named.
    """
    if settings.state_file and role is Role.PRODUCER:
        raise StartError(
            "a standalone worker has no queue: it takes infractions by HTTP, which needs no permission"
        )
    if settings.state_file and role in {Role.JUDGE, Role.ENFORCER}:
        raise StartError("a standalone worker both judges and enforces: give --as worker")
    if settings.state_file:
        return _of_file(settings, settings.state_file, jails, role)
    if role is Role.PRODUCER and settings.required_queue:
        return _of_producer(settings)
    return _of_fleet(settings, jails, role)


def _of_producer(settings: OperatorSettings) -> Iterator[Check]:
    from f2b_worker.query.checkup.of_fleet import of_queue  # noqa: PLC0415 - a state file needs nothing of AWS

    yield _credentials(settings, Role.PRODUCER)
    yield from of_queue(settings, Role.PRODUCER)
    yield Check("clock", clock_of_aws, Role.PRODUCER.policy)


def _of_fleet(settings: OperatorSettings, jails: Jails, role: Role) -> Iterator[Check]:
    from f2b_worker.query.checkup.of_fleet import of_queue, of_table  # noqa: PLC0415 - as above

    blocklists = chosen_blocklists(jails, settings)
    yield _credentials(settings, role)
    if settings.queue and role is not Role.ENFORCER:
        yield from of_queue(settings, role)
    yield from of_table(settings, role)
    yield Check("clock", clock_of_aws, role.policy)
    yield from _of_jails(jails.policy, blocklists, role)
    yield from of_own_addresses(settings, jails, role)
    if role is not Role.JUDGE:
        yield from _of_waf(settings, blocklists, role)


def _of_file(settings: OperatorSettings, path: Path, jails: Jails, role: Role) -> Iterator[Check]:
    from f2b_worker.query.checkup.of_file import StateFile  # noqa: PLC0415 - a table needs none of it

    file = StateFile(path)
    yield from file.checks(role)
    if not file.is_whole:
        return
    blocklists = chosen_blocklists(jails, settings)
    yield from _of_jails(jails.policy, blocklists, role)
    yield from of_own_addresses(settings, jails, role)
    yield from _of_waf(settings, blocklists, role)
    if blocklists:
        yield Check("clock", clock_of_aws, role.policy)


def _credentials(settings: OperatorSettings, role: Role) -> Check:
    return Check("credentials", lambda: None if who_acts(settings) else "nobody", role.policy)


def _of_waf(settings: OperatorSettings, blocklists: Sequence[Blocklist], role: Role) -> Iterator[Check]:
    if not blocklists:
        return
    from f2b_worker.query.checkup.of_waf import of_waf  # noqa: PLC0415 - who enforces nothing needs no WAF

    yield from of_waf(settings, blocklists, role)


def _of_jails(policy: Policy, blocklists: Sequence[Blocklist], role: Role) -> Iterator[Check]:
    enforced = {each.name for each in blocklists}
    for jail in (policy.defaults, *policy.jails.values()):
        named = {*jail.blocklists, *(name for _, names in jail.escalation for name in names)}
        lacking = ", ".join(sorted(named - enforced)) if enforced and not jail.observed else ""
        problem = f"blocklist {lacking} has no IP set: its bans are enforced nowhere; give it ip_set in the file"
        yield Check(f"jail {jail.name}", partial(told, problem if lacking else None), role.policy)
