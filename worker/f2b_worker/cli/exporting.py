"""`f2b export`: the bans for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.formats import WITH_ENDS, WRITERS, Entry, aggregated
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import CSV, NDJSON, Listing, remark, say_lines, show, show_document
from f2b_worker.cli.wrong import usage_errors
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.allowlist import with_entries
from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import family_of, is_key, span_of_network
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.process.opening import open_acts, open_ban_book
from f2b_worker.query.blocklists import checked_blocklists
from f2b_worker.query.wording import time_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from f2b_worker.domain.networks import Networks
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import StandingBan

FORMATS = (*WRITERS, CSV, NDJSON)
KEYS = ("network", "until", "until_at")


@click.command("export", epilog="Example: f2b export --format nft --table f2b")
@click.option("--format", "form", type=click.Choice(FORMATS), default="plain", show_default=True, help="Whose.")
@click.option(
    "--aggregate", is_flag=True, help="Name the fewest networks. Not for formats that say when a ban ends."
)
@click.option("--jail", metavar="NAME", help="Only bans of this jail.")
@click.option("--blocklist", metavar="NAME", help="Only what is enforced in this blocklist.")
@click.option("--family", type=click.Choice(["4", "6"]), help="Only IPv4, or only IPv6.")
@ledger_options()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def export_bans(  # noqa: PLR0913
    *,
    form: str,
    aggregate: bool,
    jail: str | None,
    blocklist: str | None,
    family: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Write the bans for other programs.

    Running bans, each network once; observed ones and whom ignoreip or the allowlist has are left out. plain and
    cidr are one a line, nginx is deny lines, haproxy a file for an ACL, nft a file for nft -f that fills the sets
    banned4 and banned6 of the table inet f2b, ipset a file for ipset restore, mikrotik a script for RouterOS.
    """
    if aggregate and (form in WITH_ENDS or form in {CSV, NDJSON} or as_json):
        raise click.UsageError(
            "--aggregate loses when each ban ends: leave it out, or export plain, cidr, nginx or haproxy"
        )
    settings = settings_of(given, role="list")
    jails = read_jails(settings.config)
    if blocklist is not None:
        with usage_errors():
            checked_blocklists(jails, [blocklist])
    unreadable: list[Unreadable] = []
    now_ms = SystemClock().now_ms()
    entries = open_acts(settings, aside=unreadable.append).allowlist()
    allowed = with_entries(jails.allowed, entries, now_ms)
    bans = (
        each
        for each in open_ban_book(settings, aside=unreadable.append).standing()
        if is_running(each.ban, now_ms)
        and not each.ban.observed
        and is_key(each.who.key)
        and jail in {None, each.who.jail}
        and (blocklist is None or blocklist in each.ban.blocklists)
        and family in {None, str(family_of(each.who.key))}
    )
    _write(_entries(bans, allowed), now_ms, form, aggregate=aggregate, as_json=as_json)
    for error in unreadable:
        remark(f"unreadable: {error}")


def _entries(bans: Iterable[StandingBan], allowed: Networks) -> list[tuple[str, int]]:
    """Name each network once, with the end of the ban that ends last; in parts around those who are allowed."""
    ends: dict[str, int] = {}
    for each in bans:
        for part in allowed.rest_of(each.who.key):
            ends[part] = max(ends.get(part, 0), each.ban.until_ms)
    return sorted(ends.items(), key=lambda item: span_of_network(item[0]))


def _write(found: Sequence[tuple[str, int]], now_ms: int, form: str, *, aggregate: bool, as_json: bool) -> None:
    rows = [{"network": network, **time_object("until", until_ms)} for network, until_ms in found]
    if as_json:
        show_document({"networks": rows})
    elif form in {CSV, NDJSON}:
        show(Listing("networks", rows, (), "network", KEYS), form)
    else:
        entries = [
            Entry(key, FOREVER_MS if until_ms >= FOREVER_MS else until_ms - now_ms) for key, until_ms in found
        ]
        say_lines(WRITERS[form](aggregated(entries) if aggregate else entries))
