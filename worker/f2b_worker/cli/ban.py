"""`f2b ban`: bans by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acting import (
    dry_run_option,
    fail_if_all_failed,
    file_option,
    for_each,
    new_act,
    reason_option,
    texts_in,
    yes_option,
)
from f2b_worker.cli.blocklists import checked_blocklists
from f2b_worker.cli.group import answer
from f2b_worker.cli.guard import Guard
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.outcomes import Outcome, show_outcomes
from f2b_worker.cli.output import listing_options
from f2b_worker.cli.reading import DURATION, address_in, network_in
from f2b_worker.cli.waiting import open_sets, wait_option, waited
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.hand_bans import MANUAL_JAIL, Order
from f2b_worker.domain.jails import FOREVER_MS, JAIL_NAME, JAIL_NAME_RULE, SECOND_MS
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.errors import F2bError
from f2b_worker.process.opening import open_acts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.judge.verdicts import Offender


@click.command(epilog='Example: f2b ban 203.0.113.7 --for 1h --reason "scans for wp-login" --table f2b')
@click.argument("addresses", nargs=-1, metavar="[IP|CIDR]…")
@click.option("--jail", default=MANUAL_JAIL, show_default=True, metavar="NAME", help="The jail of the ban.")
@click.option(
    "--for", "for_ms", type=DURATION, metavar="TIME", help="For so long, e.g. 1h. By default the jail's bantime."
)
@click.option("--forever", is_flag=True, help="Until somebody lifts it.")
@click.option(
    "--blocklist",
    "blocklists",
    multiple=True,
    metavar="NAME",
    help="Where it is enforced; may be repeated. By default block.",
)
@reason_option
@file_option
@wait_option
@yes_option
@dry_run_option
@ledger_options("ip_set", "scope", "audit_days")
@listing_options
def ban(  # noqa: PLR0913
    addresses: Sequence[str],
    *,
    jail: str,
    for_ms: int | None,
    forever: bool,
    blocklists: Sequence[str],
    reason: str,
    file: str | None,
    wait_ms: int | None,
    yes: bool,
    dry_run: bool,
    form: str,
    **given: Any,
) -> None:
    """Ban an address or a network by hand.

    An address is banned as the jail judges it: of IPv6 its /64. A ban that runs keeps the later end. Refused are
    addresses that are never banned, that ignoreip or the allowlist has, and, without --yes, networks wider than
    /16 (IPv4) or /32 (IPv6).
    Exit codes: 0 all are banned, 1 one was refused, or WAF has them not yet, 2 wrong usage, 3 it cannot be done.
    """
    if forever and for_ms is not None:
        raise click.UsageError("--for and --forever contradict each other: leave one out")
    settings = settings_of(given, role="operator")
    jails = read_jails(settings.config)
    asked = list(dict.fromkeys([*addresses, *texts_in(file)]))
    if not asked:
        raise click.UsageError("name an address, or a file with --file")
    lists = checked_blocklists(jails, blocklists)
    length_ms = _length_ms(jails, jail, FOREVER_MS if forever else for_ms)
    sets = open_sets(settings, jails, lists) if wait_ms is not None and not dry_run else None
    acts = open_acts(settings)
    # Only now: an answer of AWS has told by how much this machine's clock is off.
    now_ms = SystemClock().now_ms()
    order = Order(min(FOREVER_MS, now_ms + length_ms), lists)
    guard = Guard(jails, jail, acts.allowlist(), yes=yes, now_ms=now_ms)
    refused, whom = _sorted_out(asked, jails, jail, guard)
    act = None
    done: Mapping[OffenderId, Offender | F2bError] = {}
    if whom and not dry_run:
        act = new_act(settings, Verb.BAN, [each.key for each in whom], jail=jail, reason=reason)
        begun = act
        done = for_each(lambda part: acts.ban(begun, dict.fromkeys(part, order)), whom)
        fail_if_all_failed(done.values())
    outcomes = [*refused, *(_outcome(who, done.get(who), order) for who in whom)]
    is_all = show_outcomes(outcomes, act, form, done="banned")
    if sets and wait_ms is not None:
        wanted = {
            who.key: each.ban.blocklists
            for who, each in done.items()
            if not isinstance(each, F2bError) and each.ban
        }
        is_all &= waited(sets, wanted, wait_ms, jails.allowed, gone=False)
    answer(yes=is_all)


def _length_ms(jails: Jails, jail: str, for_ms: int | None) -> int:
    if not JAIL_NAME.fullmatch(jail):
        raise click.BadParameter(f"a name has {JAIL_NAME_RULE}", param_hint="--jail")
    length_ms = jails.policy.jail(jail).bantime_ms if for_ms is None else for_ms
    if length_ms < SECOND_MS:
        raise click.BadParameter("a ban lasts for a second or longer", param_hint="--for")
    return length_ms


def _sorted_out(
    asked: Sequence[str], jails: Jails, jail: str, guard: Guard
) -> tuple[list[Outcome], list[OffenderId]]:
    """Tell those who may not be banned from those who are to be."""
    refused: list[Outcome] = []
    whom: dict[OffenderId, None] = {}
    for text in asked:
        try:
            address = address_in(text)
            network = jails.policy.jail(jail).key(address) if address else network_in(text)
        except ValueError as error:
            refused.append(Outcome(text, "refused", jail, why=str(error), is_no=True))
            continue
        why = guard.refusal(network)
        if why:
            refused.append(Outcome(network, "refused", jail, why=why, is_no=True))
        else:
            whom[OffenderId(jail, network)] = None
    return refused, list(whom)


def _outcome(who: OffenderId, stored: Offender | F2bError | None, order: Order) -> Outcome:
    if stored is None:
        return Outcome(who.key, "would be banned", who.jail, order.until_ms)
    if isinstance(stored, F2bError) or stored.ban is None:
        return Outcome.failed(who, stored)
    return Outcome(who.key, "banned", who.jail, stored.ban.until_ms)
