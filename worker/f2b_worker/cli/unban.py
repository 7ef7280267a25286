"""`f2b unban`: lifts bans by hand."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.threads import Threads
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
from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.outcomes import Outcome, show_outcomes
from f2b_worker.cli.output import listing_options, remark
from f2b_worker.cli.reading import NETWORK, address_in, network_in
from f2b_worker.cli.selection import ORIGINS, Selection
from f2b_worker.cli.waiting import open_sets, wait_option, waited
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.allowlist import with_entries
from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import display, is_key
from f2b_worker.domain.jails import DEFAULT_JAIL
from f2b_worker.domain.networks import Networks
from f2b_worker.errors import F2bError
from f2b_worker.process.covering import enforced_around, running_inside
from f2b_worker.process.opening import READS_AT_ONCE, open_acts, open_ban_book

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import Acts, BanBook

NOTHING = "nothing"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be lifted.

    Attributes:
        texts: Addresses and networks as they were written.
        jail: Only in this jail.
        selection: All running bans that it takes, if there are no addresses.
        forget: Whether infractions and the number of bans are forgotten, too.
    """

    texts: Sequence[str]
    jail: str | None
    selection: Selection
    forget: bool


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
    acts, book, now_ms = open_acts(settings), open_ban_book(settings), SystemClock().now_ms()
    refused, whom = _whom(wish, acts, book, jails.policy, now_ms)
    if not asked and whom and not (given["yes"] or given["dry_run"]):
        raise click.UsageError(f"that lifts {len(whom):,} ban{'' if len(whom) == 1 else 's'}: say --yes")
    act = None
    outcomes = [Outcome(who.key, "would be lifted", who.jail) for who in whom] if given["dry_run"] else []
    lifted: dict[OffenderId, Ban] = {}
    if whom and not given["dry_run"]:
        act = new_act(
            settings, Verb.UNBAN, [each.key for each in whom], jail=wish.jail or "", reason=given["reason"]
        )
        outcomes, lifted = _lift(acts, act, whom, forget=wish.forget)
    is_all = show_outcomes([*refused, *outcomes], act, form, done="lifted")
    around = {who.key for who in whom}.union(_judged(asked, jails.policy)) if asked else set()
    staying = _name_what_stays(book, around)
    if given["report_absent"]:
        is_all &= all(each.outcome != NOTHING for each in [*refused, *outcomes])
    if sets:
        wanted = {who.key: ban.blocklists for who, ban in lifted.items() if not ban.observed and is_key(who.key)}
        allowed = with_entries(jails.allowed, acts.allowlist(), now_ms)
        is_all &= waited(sets, wanted, given["wait_ms"], allowed, gone=True, staying=staying)
    answer(yes=is_all)


def _wish(asked: Sequence[str], given: dict[str, Any]) -> Wish:
    jail, origin, network = given.pop("jail"), given.pop("by"), given.pop("range")
    everybody, forget = given.pop("everybody"), given.pop("forget")
    if asked and (origin or network or everybody):
        raise click.UsageError("--by, --range and --all choose bans themselves: leave them out, or the addresses")
    if not asked and not (jail or origin or network or everybody):
        raise click.UsageError("name an address, a --file, or which bans: --jail, --by, --range or --all")
    return Wish(asked, jail, Selection(jail=jail, by=origin, range=network), forget)


def _whom(
    wish: Wish, acts: Acts, book: BanBook, policy: Policy, now_ms: int
) -> tuple[list[Outcome], list[OffenderId]]:
    """Find whose bans are to be lifted, and what is none."""
    if not wish.texts:
        is_asked_for = wish.selection.whose()
        return [], [
            each.who
            for each in book.standing()
            if is_running(each.ban, now_ms)
            and wish.selection.takes(each.ban, now_ms)
            and (not wish.selection.range or is_key(each.who.key))
            and is_asked_for(each.who.jail, each.who.key)
        ]
    outcomes: list[Outcome] = []
    keys: dict[str, list[str]] = {}
    for text in wish.texts:
        try:
            keys[text] = _keys(text, policy)
        except ValueError as error:
            outcomes.append(Outcome(text, "refused", why=str(error), is_no=True))
    jails = _jails_of(acts, dict.fromkeys(key for each in keys.values() for key in each))
    whom: dict[OffenderId, None] = {}
    for text, each in keys.items():
        found = [who for key in each for who in jails[key] if wish.jail in {None, who.jail}]
        whom |= dict.fromkeys(found)
        if not found:
            outcomes.append(Outcome(network_in(text), NOTHING, wish.jail or ""))
    return outcomes, list(whom)


def _jails_of(acts: Acts, keys: Collection[str]) -> dict[str, Sequence[OffenderId]]:
    """Find where anything is remembered of several keys, many at once."""
    threads = Threads(min(READS_AT_ONCE, len(keys)), "jails")
    try:
        return dict(zip(keys, threads.map(acts.jails_of, keys), strict=True))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _judged(texts: Iterable[str], policy: Policy) -> Iterator[str]:
    """Name the networks that were asked for, as they are judged; what is none was refused."""
    for text in texts:
        with suppress(ValueError):
            address = address_in(text)
            yield policy.defaults.key(address) if address else network_in(text)


def _keys(text: str, policy: Policy) -> list[str]:
    """Name what an address is judged as by each jail, and itself; or a network.

    Raises:
        ValueError: If it is neither.
    """
    address = address_in(text)
    keys = {network_in(text)}
    if address:
        keys |= {policy.jail(name).key(address) for name in (DEFAULT_JAIL, *policy.jails)}
    return sorted(keys)


def _lift(
    acts: Acts, act: Act, whom: Sequence[OffenderId], *, forget: bool
) -> tuple[list[Outcome], dict[OffenderId, Ban]]:
    ended = for_each(lambda part: acts.lift(act, part, forget=forget), whom)
    fail_if_all_failed(ended.values())
    outcomes: list[Outcome] = []
    lifted: dict[OffenderId, Ban] = {}
    for who, ban in ended.items():
        if isinstance(ban, F2bError):
            outcomes.append(Outcome.failed(who, ban))
        elif ban is None:
            outcomes.append(
                Outcome(who.key, NOTHING, who.jail, why="no ban ran; its infractions up to now are spent")
            )
        else:
            lifted[who] = ban
            outcomes.append(Outcome(who.key, "lifted", who.jail))
    return outcomes, lifted


def _name_what_stays(book: BanBook, keys: Iterable[str]) -> Networks:
    """Say which bans of networks around them keep addresses banned, and how many stay inside networks.

    Returns:
        The networks around them.
    """
    # The time is another than before: what was lifted ended a millisecond before it was.
    now_ms = SystemClock().now_ms()
    found = list(enforced_around(book, keys, now_ms))
    for key, (who, *_) in found[:_SHOWN]:
        remark(
            f"{display(key)} is still banned as {display(who.key)} in jail {who.jail}: lift that, or let"
            f" {display(key)} go free with f2b allow add"
        )
    if len(found) > _SHOWN:
        remark(f"and {len(found) - _SHOWN:,} more are still banned by networks around them")
    for network, number in running_inside(book, keys, now_ms).items():
        stay = "ban inside {} stays" if number == 1 else "bans inside {} stay"
        remark(f"{number:,} {stay.format(network)}: f2b unban --range {network}")
    return Networks({each.who.key for _, each in found})
