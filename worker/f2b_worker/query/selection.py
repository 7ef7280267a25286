"""Which bans somebody asks for, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.addresses import is_key, is_within, span_of_network
from f2b_worker.process.opening import open_countries
from f2b_worker.query.wording import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from f2b_worker.domain.addresses import Span
    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.ports import StandingBan

ORIGINS = ("judge", "cli", "import", "adopted")


@lru_cache(maxsize=65_536)  # a page is made again and again, and to read an address is most of that
def span_of_key(key: str) -> Span | None:
    """Tell where a key lies among the addresses; None for what is none."""
    try:
        return span_of_network(key)
    except ValueError:
        return None


SORTS: Mapping[str, Callable[[StandingBan], Any]] = {
    "until": lambda each: each.ban.until_ms,
    "start": lambda each: -each.ban.start_ms,
    "count": lambda each: -each.ban.count,
    "ip": lambda each: span_of_key(each.who.key) or (7,),
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
