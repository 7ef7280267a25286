"""Bans that the allowlist leaves nothing of: they are lifted, so that none comes back when its entry ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import is_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.domain.networks import Networks


def pardoned(bans: Iterable[tuple[OffenderId, Ban]], allowed: Networks, now_ms: int) -> list[OffenderId]:
    """Choose whose running bans are to be lifted: those whose whole network may not be banned.

    A wide ban that the allowlist only parts stays, and so does one that is only observed.

    Args:
        bans: Last bans, by whose they are.
        allowed: What counts of the allowlist now.
        now_ms: When.
    """
    if not allowed.entries:
        return []
    running = (who for who, ban in bans if is_running(ban, now_ms) and not ban.observed)
    return [who for who in running if _covers(allowed, who.key)]


def _covers(allowed: Networks, key: str) -> bool:
    return is_key(key) and allowed.touches(key) and not allowed.rest_of(key)
