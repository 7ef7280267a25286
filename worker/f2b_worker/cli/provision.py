"""`f2b provision`: makes what a fleet needs in AWS."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.provisioning import fleet as provisioning
from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.adapters.provisioning.fleet import Protections
from f2b_worker.adapters.provisioning.steps import Patience
from f2b_worker.cli.options import config_option, settings_options, subcommand_config, subcommand_settings
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.process.assembly import chosen_blocklists

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from f2b_worker.adapters.provisioning.steps import Step


@click.command(epilog="Example: f2b provision --queue f2b --table f2b --ip-set f2b --capacity 50000")
@settings_options(WorkerSettings, "queue", "table", "ip_set", "scope", "standalone")
@config_option
@click.option(
    "--capacity",
    type=click.IntRange(min=1),
    default=SET_CAPACITY,
    show_default=True,
    metavar="N",
    help="In every blocklist, make enough IP sets for N addresses of each family. An IP set holds 10,000.",
)
@click.option(
    "--rule-group",
    metavar="NAME",
    help="Also make a rule group. It has one rule for each blocklist, with the blocklist's action: block, "
    "captcha, challenge or count.",
)
@click.option(
    "--status",
    type=click.IntRange(200, 599),
    metavar="CODE",
    help="The HTTP status of requests that the new rules block; 403 by default.",
)
@click.option(
    "--deletion-protection/--no-deletion-protection",
    default=True,
    show_default=True,
    help="Make the table so that it cannot be deleted until somebody switches this off. It costs nothing.",
)
@click.option(
    "--point-in-time-recovery/--no-point-in-time-recovery",
    default=True,
    show_default=True,
    help="Keep 35 days of the table's past, to restore it as it was at any second. It costs by the size of the "
    "table, about $0.20 a GB and month in us-east-1; 100,000 remembered bans are less than 0.1 GB.",
)
@click.option(
    "--warm-writes",
    "warm_writes_per_s",
    type=click.IntRange(min=4000),
    metavar="N",
    help="Make the table ready for N write units a second from its first second on. A new table takes 4,000 and "
    "throttles above that until it has split. AWS charges once for what is above 4,000.",
)
@click.option(
    "--warm-reads",
    "warm_reads_per_s",
    type=click.IntRange(min=12000),
    metavar="N",
    help="The same for read units. A new table takes 12,000.",
)
@click.option("--dry-run", is_flag=True, help="Say what is missing, and make nothing.")
def provision(
    *,
    capacity: int,
    rule_group: str | None,
    status: int | None,
    dry_run: bool,
    config: Path | None,
    **given: Any,
) -> None:
    """Make the queue, dead-letter queue, table, IP sets and, if you like, a rule group, where they are missing.

    It does not change what exists: if a table differs from the options, it says how to change it. You can run it
    again, also while workers run: a larger --capacity adds IP sets. It ends when AWS shows what was made: that may
    take a minute.
    For an IP set NAME it makes NAME-ipv4 and NAME-ipv6, then NAME-ipv4-2 and so on. It does the same for the
    blocklists of the file. It never changes a web ACL: its last lines say how to put the rule group into yours.
    """
    if status is not None and not rule_group:
        raise click.UsageError("--status is for the rules of a --rule-group: give both")
    act_as("provision")
    protections = {each.name: given.pop(each.name) for each in fields(Protections)}
    settings = subcommand_settings(given, config)
    blocklists = chosen_blocklists(read_jails(subcommand_config(config)), settings)
    if not settings.standalone:
        patience = Patience(SystemClock(), click.echo)
        _carry_out(provisioning.steps(settings, Protections(**protections), patience), dry_run=dry_run)
    wish = provision_waf.Wish(capacity, rule_group, status)
    plans = provision_waf.plans(blocklists, wish, SystemClock())
    for plan in plans:
        _carry_out(plan.steps(), dry_run=dry_run)
    for plan in plans:
        if rule_group:
            click.echo(f"\n{plan.advice()}")


def _carry_out(steps: Iterable[Step], *, dry_run: bool) -> None:
    for step in steps:
        if step.is_there():
            remark = step.remark()
            click.echo(f"{step.what}: there" + (f", but {remark}" if remark else ""))
        elif dry_run:
            click.echo(f"{step.what}: would be made")
        else:
            step.make()
            click.echo(f"{step.what}: made")
