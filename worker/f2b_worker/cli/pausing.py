"""`f2b pause`, `resume` and `reload`: what all workers obey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.acting import pausing
from f2b_worker.cli.acting import reason_option
from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, remark, say_lines, show_document
from f2b_worker.cli.reading import LASTING
from f2b_worker.cli.wrong import usage_errors
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.query.wording import blocklist_named, moment, paused_is, resume_command, time_object

if TYPE_CHECKING:
    from f2b_worker.domain.acts.act import Act

_BLOCKLIST = click.option(
    "--blocklist", default=EVERY_BLOCKLIST, metavar="NAME", help="Only this blocklist. By default all."
)


def _show(act: Act, text: str, *, as_json: bool, **more: Any) -> None:
    if as_json:
        show_document({"act": act.id, **more})
    else:
        say_lines([text])


@click.command(epilog='Example: f2b pause --for 30m --reason "deploying the WAF rules" --table f2b')
@click.option(
    "--for", "for_ms", type=LASTING, metavar="TIME", help="For so long, e.g. 30m. By default until resume."
)
@_BLOCKLIST
@reason_option
@ledger_options("audit_days")
@json_option
def pause(*, for_ms: int | None, blocklist: str, reason: str, as_json: bool, **given: Any) -> None:
    """Leave the IP sets as they are, for a time.

    Judging goes on, and bans are stored; nothing is written into WAF. What waited is written when the pause ends.
    """
    settings = settings_of(given, role="operator")
    with usage_errors():
        act, until_ms = pausing.pause(settings, blocklist, for_ms=for_ms, reason=reason, tell=remark)
    ends = "until f2b resume" if until_ms is None else f"until {moment(until_ms)}"
    _show(
        act,
        f"paused {blocklist_named(blocklist)} {ends}",
        as_json=as_json,
        blocklist=blocklist,
        **time_object("until", until_ms),
    )


@click.command(epilog="Example: f2b resume --table f2b")
@_BLOCKLIST
@reason_option
@ledger_options("audit_days")
@json_option
def resume(*, blocklist: str, reason: str, as_json: bool, **given: Any) -> None:
    """End a pause.

    A pause of all blocklists and one of a single blocklist are two: each is ended by itself. The command says
    what is still paused.
    Exit codes: 0 it is ended, 1 there was none of that blocklist, 2 wrong usage, 3 it cannot be done.
    """
    settings = settings_of(given, role="operator")
    with usage_errors():
        act, was_there, still_paused = pausing.resume(settings, blocklist, reason=reason, tell=remark)
    named = blocklist_named(blocklist)
    text = f"resumed {named}" if was_there else f"there was no pause of {named}"
    _show(act, text, as_json=as_json, blocklist=blocklist, was_paused=was_there)
    for name in still_paused:
        remark(f"{paused_is(name)} still paused: {resume_command(name)}")
    answer(yes=was_there)


@click.command(epilog="Example: f2b reload --table f2b")
@reason_option
@ledger_options("audit_days")
@json_option
def reload(*, reason: str, as_json: bool, **given: Any) -> None:
    """Ask all workers to read their jails files again.

    Each worker of the fleet does what it does on SIGHUP, within seconds. f2b status names those that have not:
    such a worker found its file wrong, and its log says what.
    """
    settings = settings_of(given, role="operator")
    with usage_errors():
        act, generation = pausing.reload(settings, reason=reason, tell=remark)
    _show(act, f"asked all workers to reload: generation {generation}", as_json=as_json, generation=generation)
