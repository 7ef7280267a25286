"""`f2b banned`: is this address banned? The answer is the exit code, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import Listing, listing_options, remark, show
from f2b_worker.cli.reading import NETWORK
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.allowlist import with_entries
from f2b_worker.domain.addresses import display
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.networks import Networks
from f2b_worker.process.covering import running_over
from f2b_worker.process.opening import open_acts, open_ban_book
from f2b_worker.query.objects import BAN_KEYS, ban_object
from f2b_worker.query.wording import duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import StandingBan

BANNED_KEYS = ("asked", *BAN_KEYS)


@click.command(epilog="Example: f2b banned 203.0.113.7 --table f2b")
@click.argument("addresses", nargs=-1, required=True, type=NETWORK, metavar="IP…")
@click.option("--jail", metavar="NAME", help="Only bans of this jail.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing: the exit code is the answer.")
@ledger_options()
@listing_options
def banned(addresses: Sequence[str], *, jail: str | None, quiet: bool, form: str, **given: Any) -> None:
    """Say whether an address is banned.

    A ban of a network around it counts. A ban that is only observed does not, nor does one from which f2b allow
    or ignoreip frees the address.
    Exit codes: 0 every address is banned, 1 one is not, 2 wrong usage, 3 nobody can tell.
    """
    settings = settings_of(given, role="list")
    unreadable: list[Unreadable] = []
    book = open_ban_book(settings, aside=unreadable.append)
    entries = open_acts(settings, aside=unreadable.append).allowlist()
    now_ms = SystemClock().now_ms()
    allowed = with_entries(read_jails(settings.config).allowed, entries, now_ms)
    found = {
        each: [
            ban
            for ban in running_over(book, each, now_ms)
            if jail in {None, ban.who.jail} and _is_in_force(ban, each, allowed)
        ]
        for each in dict.fromkeys(addresses)
    }
    if not quiet:
        rows = [
            {"asked": display(each), **ban_object(ban.who, ban.ban)}
            for each, bans in found.items()
            for ban in bans
        ]
        free = [display(each) for each, bans in found.items() if not bans]
        show(Listing("bans", rows, _lines(found, now_ms), "asked", BANNED_KEYS, {"not_banned": free}), form)
    for error in unreadable:
        remark(f"unreadable: {error}")
    answer(yes=all(found.values()))


def _is_in_force(ban: StandingBan, asked: str, allowed: Networks) -> bool:
    """Tell whether a ban blocks any of the network that was asked for: around who is allowed it is in pieces."""
    if ban.ban.observed:
        return False
    key = ban.who.key
    return not allowed.touches(key) or Networks(allowed.rest_of(key)).touches(asked)


def _lines(found: Mapping[str, Sequence[StandingBan]], now_ms: int) -> Iterator[str]:
    for asked, bans in found.items():
        if not bans:
            yield f"{display(asked)} is not banned"
        for who, ban, *_ in bans:
            network = "" if who.key == asked else f" as {display(who.key)}"
            ends = "for ever"
            if ban.until_ms < FOREVER_MS:
                ends = f"until {moment(ban.until_ms)} ({duration(ban.until_ms - now_ms)} left)"
            yield f"{display(asked)} is banned{network} in jail {who.jail} {ends}"
