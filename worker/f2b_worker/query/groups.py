"""The running bans in numbers, counted by what they have in common."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import display, family_of, is_key, network_of
from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.process.opening import open_countries
from f2b_worker.query.wording import origin_of, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from f2b_worker.ports import StandingBan

HOUR_MS = 60 * MINUTE_MS


@lru_cache(maxsize=65_536)  # a page is made again and again
def _network(key: str) -> str:
    """Name the network around it: neighbours are often one attacker."""
    return display(network_of(key, ipv4_prefix=24, ipv6_prefix=48) or key) if is_key(key) else key


@lru_cache(maxsize=1_000)  # nearly all bans began in one of a few hours
def _hour(hours: int) -> str:
    return rfc3339(hours * HOUR_MS)


GROUPS: Mapping[str, Callable[[StandingBan], str]] = {
    "jail": lambda each: each.who.jail,
    "by": lambda each: origin_of(each.ban),
    "network": lambda each: _network(each.who.key),
    "family": lambda each: f"IPv{family_of(each.who.key)}",
    "count": lambda each: str(each.ban.count),
    "blocklist": lambda each: ",".join(each.ban.blocklists) if not each.ban.observed else "observed only",
    "hour": lambda each: _hour(each.ban.start_ms // HOUR_MS),
}
"""By what bans are counted, without anything that may be missing."""

COUNTRY = "country"


def counted(
    standing: Iterable[StandingBan],
    group_of: Callable[[StandingBan], str],
    *,
    now_ms: int,
    since_ms: int | None = None,
) -> Counter[str]:
    """Count the running bans.

    Args:
        standing: The last ban of every offender.
        group_of: Names the group of each; see `grouping`.
        now_ms: The time.
        since_ms: Only bans that started within so long.
    """
    return Counter(
        group_of(each)
        for each in standing
        if is_running(each.ban, now_ms) and (since_ms is None or each.ban.start_ms >= now_ms - since_ms)
    )


def largest(numbers: Counter[str], by: str, top: int) -> list[tuple[str, int]]:
    """Choose the largest groups, the largest first; hours stay in their order, the last ones."""
    found = sorted(numbers.items()) if by == "hour" else numbers.most_common(top)
    return found[-top:]


def grouping(by: str) -> Callable[[StandingBan], str]:
    """Make what names the group of a ban.

    Args:
        by: A name in `GROUPS`, or `COUNTRY`.

    Raises:
        StartError: If countries are asked for, and nothing here knows them.
    """
    if by != COUNTRY:
        return GROUPS[by]
    countries = open_countries()
    return lambda each: countries.country_of(each.who.key) or "none"
