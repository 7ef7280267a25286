"""`f2b allow`: the allowlist that is kept beside the bans, and changes while workers run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.acting.allowing import AllowWish, disallow
from f2b_worker.acting.allowing import allow as put_on
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acting import dry_run_option, file_option, reason_option, texts_in, yes_option
from f2b_worker.cli.group import LateGroup, Verb, answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.outcomes import show_outcomes
from f2b_worker.cli.output import Listing, columns, listing_options, remark, show
from f2b_worker.cli.reading import LASTING, NETWORK
from f2b_worker.cli.wrong import usage_errors
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.allowlist import counting
from f2b_worker.domain.addresses import display
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.process.opening import open_acts
from f2b_worker.query.allowed import BUILT_IN, KEYS, Allowed, everybody_allowed

if TYPE_CHECKING:
    from collections.abc import Sequence

LATE = {"import": Verb("f2b_worker.cli.allow_import:import_allowed", "Allow whom a list names.")}


@click.group(cls=LateGroup, verbs=LATE, epilog="Example: f2b allow add 198.51.100.7 --comment office")
def allow() -> None:
    """Keep the list of those whom nobody bans."""


@allow.command(epilog="Example: f2b allow add 198.51.100.9 --for 30d --comment office --table f2b")
@click.argument("networks", nargs=-1, type=NETWORK, metavar="[IP|CIDR]…")
@click.option("--for", "for_ms", type=LASTING, metavar="TIME", help="For so long, e.g. 30d. By default for ever.")
@click.option("--comment", default="", metavar="TEXT", help="Why; the list and the audit keep it.")
@file_option
@yes_option
@dry_run_option
@ledger_options("audit_days")
@listing_options
def add(  # noqa: PLR0913
    networks: Sequence[str],
    *,
    for_ms: int | None,
    comment: str,
    file: str | None,
    yes: bool,
    dry_run: bool,
    form: str,
    **given: Any,
) -> None:
    """Allow an address or a network.

    Workers hear of it within seconds: they ignore its infractions, and it leaves the IP sets. Bans that it covers
    are lifted, and it is said how many. An address inside a banned network goes free, and the rest stays banned.
    Networks wider than /16 (IPv4) or /32 (IPv6) are refused without --yes.
    Exit codes: 0 all are allowed, 1 one was refused or a ban was not lifted, 2 wrong usage, 3 it cannot be done.
    """
    settings = settings_of(given, role="operator")
    asked = [*networks, *texts_in(file)]
    if not asked:
        raise click.UsageError("name an address, or a file with --file")
    with usage_errors():
        done = put_on(settings, AllowWish(asked, for_ms, comment, yes), dry_run=dry_run, tell=remark)
    answer(yes=show_outcomes(done.outcomes, done.act, form, done="allowed"))


@allow.command(epilog="Example: f2b allow remove 198.51.100.9 --table f2b")
@click.argument("networks", nargs=-1, required=True, type=NETWORK, metavar="IP|CIDR…")
@reason_option
@ledger_options("audit_days")
@listing_options
def remove(networks: Sequence[str], *, reason: str, form: str, **given: Any) -> None:
    """Take an address or a network off the list.

    Entries of the file and built-in ones stay. Exit codes: 0 all are off it, 1 one was not on it, 2 wrong usage, 3
    it cannot be done.
    """
    settings = settings_of(given, role="operator")
    with usage_errors():
        done = disallow(settings, networks, reason=reason, tell=remark)
    answer(yes=show_outcomes(done.outcomes, done.act, form, done="removed"))


@allow.command("list", epilog="Example: f2b allow list --table f2b --config f2b.toml")
@ledger_options()
@listing_options
def list_allowed(*, form: str, **given: Any) -> None:
    """List whom nobody bans, by the ledger and by the file."""
    settings = settings_of(given, role="list")
    now_ms = SystemClock().now_ms()
    _show(
        list(everybody_allowed(counting(open_acts(settings).allowlist(), now_ms), read_jails(settings.config))),
        form,
    )


def _show(found: Sequence[Allowed], form: str, *, is_titled: bool = True) -> None:
    table = [("NETWORK", "FROM", "UNTIL", "COMMENT"), *(each.as_row() for each in found)]
    lines = columns(table) if is_titled else ()
    show(Listing("entries", [each.as_object() for each in found], lines, "network", KEYS), form)


@allow.command("check", epilog="Example: f2b allow check 10.0.0.1 --table f2b --config f2b.toml")
@click.argument("network", type=NETWORK, metavar="IP|CIDR")
@ledger_options()
@listing_options
def check_allowed(network: str, *, form: str, **given: Any) -> None:
    """Say whether an address is never banned, and by which entry.

    Exit codes: 0 it is never banned, 1 it may be, 2 wrong usage, 3 nobody can tell.
    """
    settings = settings_of(given, role="list")
    now_ms = SystemClock().now_ms()
    everything = [
        *everybody_allowed(counting(open_acts(settings).allowlist(), now_ms), read_jails(settings.config)),
        *(Allowed(each, BUILT_IN) for each in NEVER_BANNED.entries),
    ]
    found = [each for each in everything if Networks([each.network]).touches(network)]
    _show(found, form, is_titled=bool(found))
    is_whole = not Networks(each.network for each in found).rest_of(network)
    if not found:
        remark(f"{display(network)} is on no list: it may be banned")
    elif not is_whole:
        remark(f"only a part of {display(network)} is on a list: the rest may be banned")
    answer(yes=is_whole)
