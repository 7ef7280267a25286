"""The bans that cover an address: its own, and those of networks around it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import around
from f2b_worker.process.opening import READS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.ports import BanBook, StandingBan


def standing_over(book: BanBook, keys: Iterable[str]) -> list[StandingBan]:
    """Read the last bans of several keys, ended ones included, many keys at once."""
    with ThreadPoolExecutor(READS_AT_ONCE) as threads:
        return [each for found in threads.map(book.standing_of, keys) for each in found]


def running_over(book: BanBook, network: str, now_ms: int) -> list[StandingBan]:
    """Find the running bans of *network*, in canonical form, and of those around it, the smallest first."""
    return [each for each in standing_over(book, around(network)) if is_running(each.ban, now_ms)]
