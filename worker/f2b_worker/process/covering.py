"""The bans that cover an address: its own, and those of networks around it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import around, is_key, is_one_customer
from f2b_worker.process.opening import READS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.ports import BanBook, StandingBan

MANY = 20
"""Each of so many networks costs a reading for every network around it: more are looked up in all bans."""


def standing_over(book: BanBook, keys: Iterable[str]) -> list[StandingBan]:
    """Read the last bans of several keys, ended ones included, many keys at once."""
    with ThreadPoolExecutor(READS_AT_ONCE) as threads:
        return [each for found in threads.map(book.standing_of, keys) for each in found]


def running_over(book: BanBook, network: str, now_ms: int) -> list[StandingBan]:
    """Find the running bans of *network*, in canonical form, and of those around it, the smallest first."""
    return [each for each in standing_over(book, around(network)) if is_running(each.ban, now_ms)]


def enforced_around(book: BanBook, networks: Iterable[str], now_ms: int) -> Iterator[tuple[str, StandingBan]]:
    """Find the running bans of networks around each of *networks*, but for those that are only observed."""
    asked = sorted(networks)
    known = _running_by_key(book, now_ms) if len(asked) > MANY else None
    for network in asked:
        if known is None:
            found = running_over(book, network, now_ms)
        else:
            found = [each for key in around(network) for each in known.get(key, ())]
        yield from ((network, each) for each in found if each.who.key != network and not each.ban.observed)


def _running_by_key(book: BanBook, now_ms: int) -> dict[str, list[StandingBan]]:
    found: dict[str, list[StandingBan]] = {}
    for each in book.standing():
        if is_running(each.ban, now_ms):
            found.setdefault(each.who.key, []).append(each)
    return found


def running_inside(book: BanBook, networks: Iterable[str], now_ms: int) -> dict[str, int]:
    """Count the running bans of what lies inside each of *networks*; none of one customer is looked at."""
    wide = {each for each in networks if not is_one_customer(each)}
    if not wide:
        return {}
    found = Counter[str]()
    for each in book.standing():
        if is_running(each.ban, now_ms) and is_key(each.who.key):
            found.update(network for network in around(each.who.key)[1:] if network in wide)
    return dict(found)
