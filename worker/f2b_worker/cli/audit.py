"""`f2b audit`: who did what, when and why."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acts_shown import act_row
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import Listing, columns, listing_options, remark, show
from f2b_worker.cli.reading import DURATION, NETWORK
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.addresses import IPV4_BITS, USUAL_IPV6_PREFIX, judged_network_of
from f2b_worker.process.opening import open_acts
from f2b_worker.query.objects import ACT_KEYS, act_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Acts


@click.command(epilog="Example: f2b audit --since 7d --table f2b")
@click.option(
    "--since", "since_ms", type=DURATION, default="1d", show_default=True, metavar="TIME", help="Within so long."
)
@click.option(
    "--ip",
    type=NETWORK,
    metavar="IP|CIDR",
    help="Only what was done to this very address or network; of an IPv6 address to its /64, too.",
)
@click.option("--verb", type=click.Choice([each.value for each in Verb]), help="Only this.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    metavar="N",
    help="Show the first N; 0 shows all.",
)
@ledger_options()
@listing_options
def audit(*, since_ms: int, ip: str | None, verb: str | None, limit: int, form: str, **given: Any) -> None:
    """Say who did what, when and why.

    What people did to bans, the newest first: bans and lifts by hand, the allowlist, pauses, reloads, releases,
    imports. Each is kept for the --audit-days of whoever did it.
    """
    settings = settings_of(given, role="list")
    unreadable: list[Unreadable] = []
    found = _acts(open_acts(settings, aside=unreadable.append), SystemClock().now_ms() - since_ms, ip)
    chosen = list(islice((each for each in found if verb in {None, each.verb}), limit + 1 if limit else None))
    acts = chosen[:limit] if limit else chosen
    table = [("TIME", "WHO", "DID", "WHAT", "WHY"), *map(act_row, acts)]
    show(Listing("acts", [act_object(each) for each in acts], columns(table), "id", ACT_KEYS), form)
    if len(chosen) > len(acts):
        remark(f"only the newest {limit:,}; --limit 0 shows all")
    for error in unreadable:
        remark(f"unreadable: {error}")


def _acts(acts: Acts, since_ms: int, network: str | None) -> Iterable[Act]:
    if network is None:
        return acts.audit(max(0, since_ms))
    # Of IPv6 an address is allowed by itself, and banned as its /64.
    judged = judged_network_of(network, ipv4_prefix=IPV4_BITS, ipv6_prefix=USUAL_IPV6_PREFIX)
    found = {act.id: act for key in dict.fromkeys((judged or network, network)) for act in acts.acts_on(key)}
    return (each for each in sorted(found.values(), key=_time_of, reverse=True) if each.at_ms >= since_ms)


def _time_of(act: Act) -> tuple[int, str]:
    return act.at_ms, act.id
