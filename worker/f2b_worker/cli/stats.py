"""`f2b stats`: the running bans in numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import Listing, columns, listing_options, show
from f2b_worker.cli.reading import DURATION
from f2b_worker.cli.show import origin_of, rfc3339
from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import display, family_of, is_key, network_of
from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.process.opening import open_ban_book, open_countries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from f2b_worker.ports import StandingBan

HOUR_MS = 60 * MINUTE_MS
_BAR = 30
KEYS = ("name", "bans")


def _network(each: StandingBan) -> str:
    """Name the network around it: neighbours are often one attacker."""
    if not is_key(each.who.key):
        return each.who.key
    return display(network_of(each.who.key, ipv4_prefix=24, ipv6_prefix=48) or each.who.key)


GROUPS: Mapping[str, Callable[[StandingBan], str]] = {
    "jail": lambda each: each.who.jail,
    "by": lambda each: origin_of(each.ban),
    "network": _network,
    "family": lambda each: f"IPv{family_of(each.who.key)}",
    "count": lambda each: str(each.ban.count),
    "blocklist": lambda each: ",".join(each.ban.blocklists) if not each.ban.observed else "observed only",
    "hour": lambda each: rfc3339(each.ban.start_ms // HOUR_MS * HOUR_MS),
}
"""By what bans are counted, without anything that may be missing."""

COUNTRY = "country"


def _group_of(by: str) -> Callable[[StandingBan], str]:
    if by != COUNTRY:
        return GROUPS[by]
    countries = open_countries()
    return lambda each: countries.country_of(each.who.key) or "none"


@click.command(epilog="Example: f2b stats --by network --top 10 --table f2b")
@click.option(
    "--by",
    type=click.Choice((*GROUPS, COUNTRY)),
    default="jail",
    show_default=True,
    help="By what they are counted.",
)
@click.option(
    "--since", "since_ms", type=DURATION, metavar="TIME", help="Only bans that started within, e.g. 24h."
)
@click.option(
    "--top", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Show the N largest."
)
@ledger_options()
@listing_options
def stats(*, by: str, since_ms: int | None, top: int, form: str, **given: Any) -> None:
    """Count the running bans.

    By jail, by who banned, by the network around them (/24 and /48), by family, by how often it was banned, by
    blocklist, by the hour in which they started, or by the country in which the address is registered: that needs
    the extra [geo], and says nothing of where the address is used.
    """
    group_of = _group_of(by)
    book = open_ban_book(settings_of(given, role="list"), aside=lambda _: None)
    now_ms = SystemClock().now_ms()
    numbers = Counter(
        group_of(each)
        for each in book.standing()
        if is_running(each.ban, now_ms) and (since_ms is None or each.ban.start_ms >= now_ms - since_ms)
    )
    chosen = sorted(numbers.items()) if by == "hour" else numbers.most_common(top)
    chosen = chosen[-top:]
    most = max((number for _, number in chosen), default=1)
    rows = [(name, f"{number:,}", "█" * max(1, round(_BAR * number / most))) for name, number in chosen]
    total = sum(numbers.values())
    show(
        Listing(
            "groups",
            [{"name": name, "bans": number} for name, number in chosen],
            columns([(by.upper(), "BANS", ""), *rows, ("all", f"{total:,}", "")], right=(1,)),
            "name",
            KEYS,
            {"by": by, "total": total},
        ),
        form,
    )
