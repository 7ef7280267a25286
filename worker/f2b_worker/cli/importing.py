"""`f2b import`: bans from a list."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.acting.acts import fail_if_all_failed, for_each, new_act
from f2b_worker.acting.guard import Guard
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acting import dry_run_option, reason_option, yes_option
from f2b_worker.cli.group import answer
from f2b_worker.cli.lists import FORMS, counted, list_options, listed_in, tell_refused
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, progress, remark, say_lines, show_document
from f2b_worker.cli.reading import LASTING
from f2b_worker.cli.wrong import usage_errors
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS, JAIL_NAME, JAIL_NAME_RULE
from f2b_worker.domain.judge.verdicts import IMPORTED, OffenderId
from f2b_worker.errors import RefusedError
from f2b_worker.process.opening import open_acts, open_ban_book
from f2b_worker.query.blocklists import checked_blocklists
from f2b_worker.query.reading import address_in, network_in
from f2b_worker.query.wording import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.offline.ban_lists import Listed
    from f2b_worker.ports import Acts, StandingBan

DEFAULT_JAIL_OF_LISTS = "import"
AT_ONCE = 2_000
"""So many bans are handed over at once: the progress is seen, and an end of the command loses little."""


@dataclass(slots=True)
class Plan:
    """What an import is to do.

    Attributes:
        orders: The bans.
        refused: What is not banned, and why.
    """

    orders: dict[OffenderId, Order] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)


@click.command("import", epilog="Example: f2b import bans.csv --for 1d --table f2b")
@list_options(FORMS)
@click.option(
    "--for",
    "for_ms",
    type=LASTING,
    default="1d",
    show_default=True,
    metavar="TIME",
    help="For so long, where the list says no end.",
)
@click.option("--jail", metavar="NAME", help="The jail of the bans. By default the list's own, or import.")
@click.option(
    "--list",
    "name",
    metavar="NAME",
    help="FILE is all of the list NAME: what is banned by it and no longer in it is lifted.",
)
@click.option(
    "--blocklist", default=DEFAULT_BLOCKLIST, show_default=True, metavar="NAME", help="Where they are enforced."
)
@reason_option
@yes_option
@dry_run_option
@ledger_options("audit_days")
@json_option
def import_bans(  # noqa: PLR0913
    file: str, *, form: str | None, name: str | None, dry_run: bool, as_json: bool, yes: bool, **given: Any
) -> None:
    """Ban what a list names.

    FILE is plain addresses, CSV or NDJSON with ip and perhaps until or duration, fail2ban.sqlite3, or what cscli
    decisions list -o json prints; - is standard input. With --list the same list can be imported again and again:
    its jail is NAME, and who is no longer in it goes free. Refused is what f2b ban refuses.
    Exit codes: 0 all are banned, 1 something was refused or failed, 2 wrong usage, 3 it cannot be done.
    """
    jail = given.pop("jail")
    if name and jail:
        raise click.UsageError("--list is the jail of its bans: leave out --jail")
    for text in (name, jail):
        if text and not JAIL_NAME.fullmatch(text):
            raise click.BadParameter(f"a name has {JAIL_NAME_RULE}", param_hint="--list" if name else "--jail")
    settings = settings_of(given, role="operator")
    jails = read_jails(settings.config)
    with usage_errors():
        checked_blocklists(jails, [given["blocklist"]])
    acts = open_acts(settings)
    entries = acts.allowlist()
    # Only now: an answer of AWS has told by how much this machine's clock is off.
    now_ms = SystemClock().now_ms()
    listed = list(listed_in(file, form, now_ms))
    plan = _plan(
        listed,
        name or jail,
        given,
        jails,
        lambda of: Guard(jails, of, entries, yes=yes, now_ms=now_ms),
        now_ms=now_ms,
    )
    gone = _gone(name, plan, open_ban_book(settings).standing(), now_ms) if name else []
    if gone and not plan.orders and not yes:
        raise RefusedError(
            f"{file} bans nobody, and all {len(gone):,} bans of list {name} would go free: say --yes"
        )
    act = None
    done: Counter[str] = Counter()
    if not dry_run and (plan.orders or gone):
        what = [who.key for who in (*plan.orders, *gone)]
        with usage_errors():
            act = new_act(
                settings,
                Verb.IMPORT,
                what[:100],
                jail=name or jail or "",
                reason=given["reason"],
                count=len(what),
                tell=remark,
            )
        answers = _carry_out(acts, act, plan, gone)
        fail_if_all_failed(answers)
        counted(done, "banned", answers[: len(plan.orders)])
        counted(done, "lifted", answers[len(plan.orders) :])
    _show(act, plan, gone, done, as_json=as_json)
    answer(yes=not plan.refused and not done["failed"])


def _plan(  # noqa: PLR0913
    listed: Iterable[Listed],
    jail: str | None,
    given: Mapping[str, Any],
    jails: Jails,
    guard_of: Callable[[str], Guard],
    *,
    now_ms: int,
) -> Plan:
    plan = Plan()
    guards: dict[str, Guard] = {}
    usual_ms = min(FOREVER_MS, now_ms + given["for_ms"])
    for each in listed:
        of = jail or (each.jail if JAIL_NAME.fullmatch(each.jail) else DEFAULT_JAIL_OF_LISTS)
        if of not in guards:
            guards[of] = guard_of(of)
        guard = guards[of]
        try:
            address = address_in(each.text)
            network = jails.policy.jail(of).key(address) if address else network_in(each.text)
            why = guard.refusal(network)
        except ValueError as error:
            why = str(error)
        if why:
            plan.refused.append((each.text, why))
            continue
        until_ms = usual_ms if each.until_ms is None else each.until_ms
        if until_ms < now_ms:
            plan.refused.append((each.text, f"its ban is over since {moment(until_ms)}"))
            continue
        plan.orders[OffenderId(of, network)] = Order(until_ms, (given["blocklist"],), IMPORTED)
    return plan


def _gone(name: str, plan: Plan, standing: Iterable[StandingBan], now_ms: int) -> list[OffenderId]:
    """Find whom the list banned before, and no longer names."""
    return [
        each.who
        for each in standing
        if each.who.jail == name
        and each.ban.origin == IMPORTED
        and is_running(each.ban, now_ms)
        and each.who not in plan.orders
    ]


def _carry_out(acts: Acts, act: Act, plan: Plan, gone: Sequence[OffenderId]) -> list[object]:
    """Ban and lift; answer what became of each, in that order."""
    done: list[object] = []
    whom = list(plan.orders)
    with progress(len(whom) + len(gone), "importing") as told:
        for first in range(0, len(whom), AT_ONCE):
            part = whom[first : first + AT_ONCE]
            done += for_each(lambda some: acts.ban(act, {who: plan.orders[who] for who in some}), part).values()
            told(len(part))
        for first in range(0, len(gone), AT_ONCE):
            part = list(gone[first : first + AT_ONCE])
            done += for_each(lambda some: acts.lift(act, some), part).values()
            told(len(part))
    return done


def _show(act: Act | None, plan: Plan, gone: Sequence[OffenderId], done: Counter[str], *, as_json: bool) -> None:
    if as_json:
        show_document(
            {
                "act": act.id if act else None,
                "banned": done["banned"] if act else len(plan.orders),
                "lifted": done["lifted"] if act else len(gone),
                "failed": done["failed"],
                "refused": [{"ip": text, "why": why} for text, why in plan.refused],
            }
        )
        return
    if act:
        say_lines([f"{done['banned']:,} banned, {done['lifted']:,} lifted, {len(plan.refused):,} refused"])
    else:
        say_lines(
            [f"{len(plan.orders):,} would be banned, {len(gone):,} lifted, {len(plan.refused):,} are refused"]
        )
    tell_refused(plan.refused)
