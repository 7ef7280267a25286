"""Which bans a command is about: the options by which they are chosen, and sorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.cli.reading import COUNTRY, DURATION, NETWORK
from f2b_worker.cli.show import origin_of
from f2b_worker.domain.addresses import is_key, is_within, span_of_network
from f2b_worker.process.opening import open_countries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.ports import StandingBan

ORIGINS = ("judge", "cli", "import", "adopted")


def _place_of(key: str) -> tuple[int, ...]:
    """Tell where a key stands among the addresses; what is none comes last."""
    return span_of_network(key) if is_key(key) else (7,)


SORTS: Mapping[str, Callable[[StandingBan], Any]] = {
    "until": lambda each: each.ban.until_ms,
    "start": lambda each: -each.ban.start_ms,
    "count": lambda each: -each.ban.count,
    "ip": lambda each: _place_of(each.who.key),
    "jail": lambda each: (each.who.jail, each.ban.until_ms),
}
"""What comes first: what ends first, started last, or came back most often; the lowest address; the first jail."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The bans that somebody asks for.

    Attributes:
        jail: Of this jail only.
        ip: Only those that cover this network.
        range: Only those inside this network.
        since_ms: Only those that started within so long.
        until_ms: Only those that end within so long.
        by: Only those that this origin has.
        country: Only those that are registered in one of these countries; empty for all.
    """

    jail: str | None = None
    ip: str | None = None
    range: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    by: str | None = None
    country: tuple[str, ...] = ()

    def whose(self) -> Callable[[str, str], bool]:
        """Make what tells of a jail and a key whether they are asked for.

        Raises:
            StartError: If somebody asks for countries that are not known here.
        """
        countries = open_countries() if self.country else None
        inner = span_of_network(self.ip) if self.ip else None
        outer = span_of_network(self.range) if self.range else None

        def is_asked_for(jail: str, key: str) -> bool:
            if self.jail is not None and jail != self.jail:
                return False
            if (inner or outer or countries) and not is_key(key):
                return True  # whatever stands in the place of the key: somebody has to see it
            if inner or outer:
                span = span_of_network(key)
                if (inner and not is_within(inner, span)) or (outer and not is_within(span, outer)):
                    return False
            return countries is None or countries.country_of(key) in self.country

        return is_asked_for

    def takes(self, ban: Ban, now_ms: int) -> bool:
        """Tell whether a ban is asked for, whosever it is."""
        return (
            (self.since_ms is None or ban.start_ms >= now_ms - self.since_ms)
            and (self.until_ms is None or ban.until_ms <= now_ms + self.until_ms)
            and (self.by is None or origin_of(ban) == self.by)
        )


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
