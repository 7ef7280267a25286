"""`f2b doctor`: what is broken in a set-up, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from f2b_worker.adapters.caller import act_as
from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import TABLE, Listing, listing_options, painted, show
from f2b_worker.config.jails_file import jails_errors, read_jails
from f2b_worker.config.operator import operator_errors
from f2b_worker.errors import F2bError
from f2b_worker.query.checkup.check import Role
from f2b_worker.query.checkup.checks import checks
from f2b_worker.query.wording import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.query.checkup.check import Check

KEYS = ("what", "ok", "problem")


class Finding(NamedTuple):
    """What was found of one thing; None is no problem."""

    what: str
    problem: str | None

    def as_object(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"what": self.what, "ok": self.problem is None, "problem": self.problem}

    def as_line(self) -> str:
        """Say it for people."""
        if self.problem is None:
            return painted("ok", "green") + f"   {self.what}"
        return painted("NO", "red") + f"   {self.what}: {plain_text(self.problem)}"


@click.command(
    epilog="Example: f2b doctor --queue f2b --table f2b --ip-set f2b; "
    "f2b doctor --as worker --queue f2b --table f2b --ip-set f2b"
)
@click.option(
    "--as",
    "role",
    type=click.Choice([each.value for each in Role]),
    default=Role.OPERATOR.value,
    show_default=True,
    help="Whose permissions to look at; run it with the credentials of that role.",
)
@ledger_options("queue", "ip_set", "scope")
@listing_options
def doctor(*, form: str, role: str, **given: Any) -> None:
    """Look for what is broken in a set-up.

    Each line is ok, or says what to do. For an operator it looks at all there is: credentials, queue, table, bans,
    workers, clock, jails, IP sets, the rules that refer to them, what their web ACLs protect, and who enforces. It
    also looks whether this machine's address is on the allowlist, and whether it, or the address that you are
    logged in from, is banned. With another role in --as it looks only at what that role uses, with its own
    permissions, on the machine where it runs. A judge is a worker without IP sets, or a Lambda function; an
    enforcer is f2b-worker --enforce-only. With a state file it looks at the file, its disk and its worker in
    the place of queue and table.
    Each permission is tried by a call that AWS refuses for another reason, so nothing is changed, and no message
    is received. It does not see whether a distribution of CloudFront uses a web ACL, nor what a key of KMS allows.
    Exit codes: 0 all is well, 1 something is not, 2 wrong usage, 3 it cannot look at all.
    """
    settings = settings_of(given, role=Role(role).policy)
    findings = list(findings_of(settings, Role(role)))
    lines = (each.as_line() for each in findings) if form == TABLE else ()
    is_well = all(each.problem is None for each in findings)
    more = {"as": role, "ok": is_well}
    show(Listing("findings", [each.as_object() for each in findings], lines, "what", KEYS, more), form)
    answer(yes=is_well)


def findings_of(settings: OperatorSettings, role: Role = Role.OPERATOR) -> Iterator[Finding]:
    """Look at everything, one thing after the other."""
    wrong = [*jails_errors(settings.config), *operator_errors(settings.config)] if settings.config else []
    if settings.config:
        yield Finding(f"file {settings.config}", "; ".join(dict.fromkeys(wrong)) or None)
    if not wrong:
        yield from _looked(checks(settings, read_jails(settings.config), role), settings.region)


def _looked(listed: Iterable[Check], region: str | None) -> Iterator[Finding]:
    """Make each check; where the list itself cannot go on, its error is the last finding."""
    rest = iter(listed)
    while True:
        try:
            check = next(rest, None)
        except F2bError as error:
            yield Finding("what comes next", str(error))
            return
        if check is None:
            return
        act_as(check.policy, region)
        try:
            yield Finding(check.what, check.look())
        except F2bError as error:
            yield Finding(check.what, str(error))
