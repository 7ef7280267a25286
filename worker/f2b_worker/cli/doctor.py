"""`f2b doctor`: what is broken in a set-up, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import TABLE, Listing, listing_options, painted, show
from f2b_worker.config.jails_file import jails_errors, read_jails
from f2b_worker.config.operator import operator_errors
from f2b_worker.errors import F2bError
from f2b_worker.process.opening import chosen_blocklists

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.process.checkup import Check

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
            return f"{painted('ok', 'green')}   {self.what}"
        return f"{painted('NO', 'red')}   {self.what}: {self.problem}"


@click.command(epilog="Example: f2b doctor --queue f2b --table f2b --ip-set f2b")
@ledger_options("queue", "ip_set", "scope")
@listing_options
def doctor(*, form: str, **given: Any) -> None:
    """Look for what is broken in a set-up.

    Each line is ok, or says what to do. It looks at credentials, queue, table, bans, workers, jails, IP sets, the
    rules that refer to them, the clock, and whether these credentials may write: by calls that change nothing.
    Run it with the credentials of a worker to see what a worker may. It cannot see whether the web ACL of a rule
    is associated with what it is to protect.
    Exit codes: 0 all is well, 1 something is not, 2 wrong usage, 3 it cannot look at all.
    """
    settings = settings_of(given, role="worker")
    findings = list(findings_of(settings))
    lines = (each.as_line() for each in findings) if form == TABLE else ()
    more = {"ok": all(each.problem is None for each in findings)}
    show(Listing("findings", [each.as_object() for each in findings], lines, "what", KEYS, more), form)
    answer(yes=more["ok"])


def findings_of(settings: OperatorSettings) -> Iterator[Finding]:
    """Look at everything, one thing after the other."""
    wrong = [*jails_errors(settings.config), *operator_errors(settings.config)] if settings.config else []
    if settings.config:
        yield Finding(f"file {settings.config}", "; ".join(dict.fromkeys(wrong)) or None)
    if wrong:
        return
    if settings.state_file:
        yield from _of_file(settings)
        return
    from f2b_worker.process.checkup import checks  # noqa: PLC0415 - a state file needs nothing of AWS

    jails = read_jails(settings.config)
    yield from _looked(checks(settings, jails.policy, chosen_blocklists(jails, settings)))


def _of_file(settings: OperatorSettings) -> Iterator[Finding]:
    from f2b_worker.adapters.sqlite.file import check_pages, open_existing  # noqa: PLC0415 - a table needs none of it
    from f2b_worker.adapters.sqlite.looking import worker_of_file  # noqa: PLC0415

    path = settings.state_file
    assert path
    try:
        check_pages(open_existing(path))
    except F2bError as error:
        yield Finding(f"state file {path}", str(error))
        return
    yield Finding(f"state file {path}", None)
    runs = worker_of_file(path) != 0
    yield Finding("worker", None if runs else "no process works on the file: start f2b-worker --standalone")


def _looked(checks: Iterable[Check]) -> Iterator[Finding]:
    """Make each check; where the list itself cannot go on, its error is the last finding."""
    rest = iter(checks)
    while True:
        try:
            check = next(rest, None)
        except F2bError as error:
            yield Finding("what comes next", str(error))
            return
        if check is None:
            return
        try:
            yield Finding(check.what, check.look())
        except F2bError as error:
            yield Finding(check.what, str(error))
