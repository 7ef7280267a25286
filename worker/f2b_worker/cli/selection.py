"""The options by which a command's bans are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.cli.reading import COUNTRY, DURATION, NETWORK
from f2b_worker.query.selection import ORIGINS

if TYPE_CHECKING:
    from collections.abc import Callable


def selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options by which bans are chosen; see `Selection`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option("--jail", metavar="NAME", help="Only bans of this jail."),
    click.option("--ip", type=NETWORK, metavar="IP", help="Only bans that cover this address."),
    click.option("--range", type=NETWORK, metavar="CIDR", help="Only bans inside this network."),
    click.option(
        "--since",
        "since_ms",
        type=DURATION,
        metavar="TIME",
        help="Only bans that started within, e.g. 1h.",
    ),
    click.option("--until", "until_ms", type=DURATION, metavar="TIME", help="Only bans that end within."),
    click.option(
        "--by", type=click.Choice(ORIGINS), help="Only bans by the judge, by hand, from a list, adopted."
    ),
    click.option(
        "--country",
        type=COUNTRY,
        multiple=True,
        metavar="CC",
        help="Only bans of addresses that are registered in this country, e.g. RU; may be repeated. Needs the "
        "extra [geo].",
    ),
)
