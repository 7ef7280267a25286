"""`f2b allow`: the allowlist that is kept beside the bans, and changes while workers run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acting import (
    dry_run_option,
    end_of,
    file_option,
    for_each,
    insistently,
    new_act,
    reason_option,
    texts_in,
    yes_option,
)
from f2b_worker.cli.group import LateGroup, answer
from f2b_worker.cli.group import Verb as LateVerb
from f2b_worker.cli.guard import too_wide
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.outcomes import Outcome, show_outcomes
from f2b_worker.cli.output import Listing, columns, listing_options, remark, show
from f2b_worker.cli.reading import LASTING, NETWORK, network_in
from f2b_worker.cli.show import moment, plain_text, time_object
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.allowlist import AllowEntry, counting
from f2b_worker.domain.acts.pardons import pardoned
from f2b_worker.domain.addresses import display
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.errors import F2bError
from f2b_worker.process.opening import open_acts, open_ban_book

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import BanBook

KEYS = ("network", "from", "jail", "until", "until_at", "comment", "by", "added", "added_at")
FROM_LEDGER, FROM_FILE, BUILT_IN = "ledger", "file", "built in"


class Allowed(NamedTuple):
    """One entry of an allowlist.

    Attributes:
        network: Who is allowed.
        source: Whence: the ledger, the file, or what is built in.
        jail: The jail of the file whose ignoreip it is; empty for all.
        entry: The entry of the ledger, if it is one.
    """

    network: str
    source: str
    jail: str = ""
    entry: AllowEntry | None = None

    def as_object(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        entry = self.entry
        return {
            "network": display(self.network),
            "from": self.source,
            "jail": self.jail or None,
            **time_object("until", entry.until_ms if entry else None),
            "comment": entry.comment if entry else None,
            "by": entry.by if entry else None,
            **time_object("added", entry.at_ms if entry else None),
        }

    def as_row(self) -> tuple[str, ...]:
        """Return it as cells."""
        if not self.entry:
            return display(self.network), self.source, "for ever", self.jail and f"jail {self.jail}"
        until = "for ever" if self.entry.until_ms is None else moment(self.entry.until_ms)
        return display(self.network), self.source, until, plain_text(self.entry.comment)


LATE = {"import": LateVerb("f2b_worker.cli.allow_import:import_allowed", "Allow whom a list names.")}


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
    wrong, asked = _networks([*networks, *texts_in(file)], yes=yes)
    if not asked and not wrong:
        raise click.UsageError("name an address, or a file with --file")
    book = open_ban_book(settings)
    if dry_run:
        would = [Outcome(who.key, "would be lifted", who.jail) for who in covered(book, asked)]
        allowed = [Outcome(each, "would be allowed") for each in asked]
        answer(yes=show_outcomes([*wrong, *allowed, *would], None, form, done="allowed"))
    act = new_act(settings, Verb.ALLOW, asked, reason=comment)
    until_ms = end_of(act, for_ms)
    acts = open_acts(settings)
    if asked:
        insistently(
            lambda: acts.allow(act, [AllowEntry(each, until_ms, comment, act.by, act.at_ms) for each in asked])
        )
    # Only now: a worker that had not heard of the entry may have banned meanwhile.
    whom = covered(book, asked)
    lifted = for_each(lambda part: acts.lift(act, part), whom)
    outcomes = [Outcome(each, "allowed", until_ms=until_ms) for each in asked]
    outcomes += [_lifted(who, ban) for who, ban in lifted.items()]
    answer(yes=show_outcomes([*wrong, *outcomes], act if asked else None, form, done="allowed"))


def _networks(texts: Iterable[str], *, yes: bool) -> tuple[list[Outcome], list[str]]:
    wrong: list[Outcome] = []
    read: dict[str, None] = {}
    for text in texts:
        try:
            network = network_in(text)
            why = None if yes else too_wide(network)
        except ValueError as error:
            network, why = text, str(error)
        if why:
            wrong.append(Outcome(network, "refused", why=why, is_no=True))
        else:
            read[network] = None
    return wrong, list(read)


def covered(book: BanBook, networks: Sequence[str]) -> list[OffenderId]:
    """Find the running bans of which *networks* leave nothing."""
    bans = ((each.who, each.ban) for each in book.standing())
    return pardoned(bans, Networks(networks), SystemClock().now_ms())


def _lifted(who: OffenderId, ban: object) -> Outcome:
    if isinstance(ban, F2bError):
        return Outcome.failed(who, ban)
    return Outcome(who.key, "lifted", who.jail)


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
    acts = open_acts(settings)
    asked = list(dict.fromkeys(networks))
    act = new_act(settings, Verb.DISALLOW, asked, reason=reason)
    there = insistently(lambda: acts.disallow(act, asked))
    why = "it is not on the list of the ledger"
    outcomes = [
        Outcome(each, "removed") if each in there else Outcome(each, "absent", why=why, is_no=True)
        for each in asked
    ]
    answer(yes=show_outcomes(outcomes, act, form, done="removed"))


@allow.command("list", epilog="Example: f2b allow list --table f2b --config f2b.toml")
@ledger_options()
@listing_options
def list_allowed(*, form: str, **given: Any) -> None:
    """List whom nobody bans, by the ledger and by the file."""
    settings = settings_of(given, role="list")
    now_ms = SystemClock().now_ms()
    _show(list(_all(counting(open_acts(settings).allowlist(), now_ms), read_jails(settings.config))), form)


def _show(found: Sequence[Allowed], form: str, *, is_titled: bool = True) -> None:
    table = [("NETWORK", "FROM", "UNTIL", "COMMENT"), *(each.as_row() for each in found)]
    lines = columns(table) if is_titled else ()
    show(Listing("entries", [each.as_object() for each in found], lines, "network", KEYS), form)


def _all(entries: Iterable[AllowEntry], jails: Jails) -> Iterator[Allowed]:
    yield from (Allowed(each.network, FROM_LEDGER, entry=each) for each in entries)
    common = jails.policy.defaults.ignore.entries
    yield from (Allowed(each, FROM_FILE) for each in common)
    for name, jail in jails.policy.jails.items():
        yield from (Allowed(each, FROM_FILE, name) for each in jail.ignore.entries if each not in common)


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
        *_all(counting(open_acts(settings).allowlist(), now_ms), read_jails(settings.config)),
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
