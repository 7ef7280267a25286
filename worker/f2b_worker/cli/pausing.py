"""`f2b pause`, `resume` and `reload`: what all workers obey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acting import end_of, insistently, new_act, reason_option
from f2b_worker.cli.blocklists import checked_blocklists
from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, remark, say_lines, show_document
from f2b_worker.cli.reading import LASTING
from f2b_worker.cli.show import blocklist_named, moment, paused_is, resume_command, time_object
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.errors import F2bError
from f2b_worker.process.opening import open_acts

if TYPE_CHECKING:
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.ports import Acts

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
    if blocklist != EVERY_BLOCKLIST:
        checked_blocklists(read_jails(settings.config), [blocklist])
    acts = open_acts(settings)
    act = new_act(settings, Verb.PAUSE, [blocklist], reason=reason)
    until_ms = end_of(act, for_ms)
    insistently(lambda: acts.pause(act, blocklist, until_ms))
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
    acts = open_acts(settings)
    act = new_act(settings, Verb.RESUME, [blocklist], reason=reason)
    was_there = insistently(lambda: acts.resume(act, blocklist))
    named = blocklist_named(blocklist)
    text = f"resumed {named}" if was_there else f"there was no pause of {named}"
    _show(act, text, as_json=as_json, blocklist=blocklist, was_paused=was_there)
    for name in _paused_still(acts):
        remark(f"{paused_is(name)} still paused: {resume_command(name)}")
    answer(yes=was_there)


def _paused_still(acts: Acts) -> list[str]:
    now_ms = SystemClock().now_ms()
    try:
        pauses = insistently(acts.control).pauses
    except F2bError as error:  # what was asked for is done
        remark(f"whether anything is still paused is not known: {error}")
        return []
    return [name for name, pause in pauses.items() if pause.counts_at(now_ms)]


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
    acts = open_acts(settings)
    act = new_act(settings, Verb.RELOAD, [], reason=reason)
    generation = insistently(lambda: acts.reload(act))
    _show(act, f"asked all workers to reload: generation {generation}", as_json=as_json, generation=generation)
