"""`f2b provision`: makes what a fleet needs in AWS."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.provisioning import fleet as provisioning
from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.adapters.provisioning.fleet import PLAIN, Protections
from f2b_worker.adapters.provisioning.steps import Patience
from f2b_worker.adapters.provisioning.waf import Wish
from f2b_worker.cli.operator_options import options, settings_of, table_of
from f2b_worker.cli.output import json_option, remark, say_lines, show_document
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.errors import Missing, StartError
from f2b_worker.process.opening import chosen_blocklists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from f2b_worker.adapters.provisioning.steps import Step
    from f2b_worker.config.operator import OperatorSettings


@click.command(epilog="Example: f2b provision --queue f2b --table f2b --ip-set f2b --capacity 50000")
@options("queue", "table", "ip_set", "scope", "standalone", "region", "config")
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
@click.option(
    "--rows-only",
    is_flag=True,
    help="Only write the rows that f2b itself keeps in a table that a template made: the start of the ban log "
    "and the table's format. Do it before the first worker starts. The worker's permissions are enough.",
)
@click.option("--dry-run", is_flag=True, help="Say what is missing, and make nothing.")
@json_option
def provision(
    *,
    rows_only: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Make the queue, the table and the IP sets of a fleet.

    It makes the dead-letter queue, too, and a rule group if you like; each only where it is missing.
    It does not change what exists: if a table differs from the options, it says how to change it. You can run it
    again, also while workers run: a larger --capacity adds IP sets. It ends when AWS shows what was made: that may
    take a minute.
    For an IP set NAME it makes NAME-ipv4 and NAME-ipv6, then NAME-ipv4-2 and so on. It does the same for the
    blocklists of the file. It never changes a web ACL: its last lines say how to put the rule group into yours.
    """
    wish = Wish(**{each.name: given.pop(each.name) for each in fields(Wish)})
    if wish.status is not None and not wish.rule_group:
        raise click.UsageError("--status is for the rules of a --rule-group: give both")
    if rows_only and wish.rule_group:
        raise click.UsageError("--rows-only makes no rule group: give one of both")
    protections = {each.name: given.pop(each.name) for each in fields(Protections)}
    settings = settings_of(given, role="worker" if rows_only else "provision")
    carrying_out = _CarryingOut(dry_run=dry_run, tell=(lambda _: None) if as_json else _say)
    patience = Patience(SystemClock(), remark if as_json else _say)
    advice: list[str] = []
    if rows_only:
        carrying_out.do(_rows(settings, patience))
    else:
        if not settings.standalone:
            carrying_out.do(provisioning.steps(settings, Protections(**protections), patience))
        advice = _provision_waf(settings, wish, carrying_out)
    if as_json:
        show_document({"steps": [asdict(each) for each in carrying_out.done], "advice": advice})
    else:
        for each in advice:
            say_lines(["", *each.split("\n")])


def _rows(settings: OperatorSettings, patience: Patience) -> Iterator[Step]:
    table = table_of(settings, "rows for a fleet").table
    try:
        yield from provisioning.Table(table, PLAIN, patience).steps_of_rows()
    except Missing as error:
        line = f"{error}: make it first, with its template or with f2b provision without --rows-only"
        raise StartError(line) from error


def _provision_waf(settings: OperatorSettings, wish: Wish, carrying_out: _CarryingOut) -> list[str]:
    """Make what blocklists need; answer how each rule group gets into a web ACL."""
    blocklists = chosen_blocklists(read_jails(settings.config), settings)
    plans = provision_waf.plans(blocklists, wish, SystemClock())
    for plan in plans:
        carrying_out.do(plan.steps())
    return [plan.advice() for plan in plans] if wish.rule_group else []


def _say(text: str) -> None:
    say_lines([text])


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one step: `there`, `made` or `missing`; and what is to be said of something that is there."""

    what: str
    outcome: str
    remark: str | None = None


class _CarryingOut:
    """Makes what is missing, or says so, step by step."""

    def __init__(self, *, dry_run: bool, tell: Callable[[str], object]) -> None:
        self.done: list[_Done] = []
        self._dry_run = dry_run
        self._tell = tell

    def do(self, steps: Iterable[Step]) -> None:
        """Carry steps out."""
        for step in steps:
            self._tell(self._note(self._outcome(step)))

    def _outcome(self, step: Step) -> _Done:
        if step.is_there():
            return _Done(step.what, "there", step.remark() or None)
        if not self._dry_run:
            step.make()
        return _Done(step.what, "missing" if self._dry_run else "made")

    def _note(self, done: _Done) -> str:
        self.done.append(done)
        said = "would be made" if done.outcome == "missing" else done.outcome
        return f"{done.what}: {said}" + (f", but {done.remark}" if done.remark else "")
