"""`f2b unban`: lifts bans by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.acting.lifting import NOTHING, LiftWish, what_stays
from f2b_worker.acting.lifting import unban as lift_by_hand
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acting import dry_run_option, file_option, reason_option, texts_in, yes_option
from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.outcomes import show_outcomes
from f2b_worker.cli.output import listing_options, remark
from f2b_worker.cli.reading import NETWORK
from f2b_worker.cli.waiting import open_sets, wait_option, waited
from f2b_worker.cli.wrong import usage_errors
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.allowlist import with_entries
from f2b_worker.domain.addresses import display
from f2b_worker.domain.networks import Networks
from f2b_worker.process.opening import open_acts
from f2b_worker.query.selection import ORIGINS, Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.acting.lifting import Staying

_SHOWN = 20


@click.command(epilog='Example: f2b unban 203.0.113.7 --reason "our own scanner" --table f2b')
@click.argument("addresses", nargs=-1, metavar="[IP|CIDR]…")
@click.option("--jail", metavar="NAME", help="Only in this jail; without an address: all bans of this jail.")
@click.option("--by", type=click.Choice(ORIGINS), help="All bans by the judge, by hand, from a list, adopted.")
@click.option("--range", type=NETWORK, metavar="CIDR", help="All bans inside this network.")
@click.option("--all", "everybody", is_flag=True, help="All bans.")
@click.option("--forget", is_flag=True, help="Forget infractions, too, and let the next ban count as the first.")
@click.option("--report-absent", is_flag=True, help="End with 1 if an address was not banned.")
@reason_option
@file_option
@wait_option
@yes_option
@dry_run_option
@ledger_options("ip_set", "scope", "audit_days")
@listing_options
def unban(addresses: Sequence[str], *, form: str, **given: Any) -> None:
    """Lift the ban of an address or a network.

    It is lifted in all jails, unless --jail names one. Infractions up to now are spent: they never bring the ban
    back. The next ban counts as one more, unless you say --forget. A ban of a network around the address stays,
    and is named. Bans inside a network stay, too; the command says how many.
    Exit codes: 0 done, 1 one failed, was absent with --report-absent, or is in WAF still, 2 wrong usage, 3 it
    cannot be done.
    """
    asked = list(dict.fromkeys([*addresses, *texts_in(given["file"])]))
    if given["file"] and not asked:
        raise click.UsageError(f"{given['file']} names no address: leave out --file to choose bans otherwise")
    wish = _wish(asked, given)
    settings = settings_of(given, role="operator")
    jails = read_jails(settings.config)
    sets = open_sets(settings, jails) if given["wait_ms"] is not None and not given["dry_run"] else None
    with usage_errors():
        done = lift_by_hand(settings, jails, wish, dry_run=given["dry_run"], tell=remark)
    is_all = show_outcomes(done.outcomes, done.act, form, done="lifted")
    staying = what_stays(settings, done.networks)
    _name(staying)
    if given["report_absent"]:
        is_all &= all(each.outcome != NOTHING for each in done.outcomes)
    if sets:
        allowed = with_entries(jails.allowed, open_acts(settings).allowlist(), SystemClock().now_ms())
        networks = Networks({each.who.key for _, each in staying.around})
        is_all &= waited(sets, done.blocklists, given["wait_ms"], allowed, gone=True, staying=networks)
    answer(yes=is_all)


def _wish(asked: Sequence[str], given: dict[str, Any]) -> LiftWish:
    jail, origin, network = given.pop("jail"), given.pop("by"), given.pop("range")
    everybody, forget = given.pop("everybody"), given.pop("forget")
    if asked and (origin or network or everybody):
        raise click.UsageError("--by, --range and --all choose bans themselves: leave them out, or the addresses")
    if not asked and not (jail or origin or network or everybody):
        raise click.UsageError("name an address, a --file, or which bans: --jail, --by, --range or --all")
    chosen = Selection(jail=jail, by=origin, range=network)
    return LiftWish(asked, jail, chosen, forget, given["reason"], given["yes"])


def _name(staying: Staying) -> None:
    """Say which bans of networks around them keep addresses banned, and how many stay inside networks."""
    for key, (who, *_) in staying.around[:_SHOWN]:
        remark(
            f"{display(key)} is still banned as {display(who.key)} in jail {who.jail}: lift that, or let"
            f" {display(key)} go free with f2b allow add"
        )
    if len(staying.around) > _SHOWN:
        remark(f"and {len(staying.around) - _SHOWN:,} more are still banned by networks around them")
    for network, number in staying.inside.items():
        stay = "ban inside {} stays" if number == 1 else "bans inside {} stay"
        remark(f"{number:,} {stay.format(network)}: f2b unban --range {network}")
