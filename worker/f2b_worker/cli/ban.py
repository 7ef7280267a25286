"""`f2b ban`: bans by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.acting.banning import BanWish, checked_ban
from f2b_worker.acting.banning import ban as ban_by_hand
from f2b_worker.cli.acting import dry_run_option, file_option, reason_option, texts_in, yes_option
from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.outcomes import show_outcomes
from f2b_worker.cli.output import listing_options, remark
from f2b_worker.cli.reading import DURATION
from f2b_worker.cli.waiting import open_sets, wait_option, waited
from f2b_worker.cli.wrong import usage_errors
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.hand_bans import MANUAL_JAIL
from f2b_worker.domain.jails import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    wish = BanWish(asked, jail, FOREVER_MS if forever else for_ms, tuple(blocklists), reason, yes)
    with usage_errors():
        wish = checked_ban(jails, wish)
        sets = open_sets(settings, jails, wish.blocklists) if wait_ms is not None and not dry_run else None
        done = ban_by_hand(settings, jails, wish, dry_run=dry_run, tell=remark)
    is_all = show_outcomes(done.outcomes, done.act, form, done="banned")
    if sets and wait_ms is not None:
        is_all &= waited(sets, done.blocklists, wait_ms, jails.allowed, gone=False)
    answer(yes=is_all)
