"""Bans by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS
from f2b_worker.domain.judge.verdicts import BY_HAND, Ban

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import Offender

MANUAL_JAIL = "manual"
"""The jail of bans by hand that name no other."""


@dataclass(frozen=True, slots=True)
class Order:
    """A ban that somebody orders.

    Attributes:
        until_ms: The last moment of it; `FOREVER_MS` for ever.
        blocklists: Where it is enforced.
        origin: Whence it comes: `BY_HAND` or `IMPORTED`.
    """

    until_ms: int = FOREVER_MS
    blocklists: tuple[str, ...] = (DEFAULT_BLOCKLIST,)
    origin: str = BY_HAND


def banned_by_hand(offender: Offender, order: Order, now_ms: int) -> Ban | None:
    """Say which ban stands once *order* is carried out; None if the one that runs has all that is ordered.

    A running ban is kept, with its start, count and evidence: of two ends the later one holds, and it is enforced
    in the blocklists of both. One that is ordered by hand counts as such, so that no surge guard holds it back.
    Where none runs, or it is only observed, a new one starts, one more than the last.

    Args:
        offender: What is remembered.
        order: What is to be.
        now_ms: When a new ban starts.
    """
    last = offender.ban
    if last is None or not is_running(last, now_ms) or last.observed:
        return _new(last, order, now_ms)
    is_longer = order.until_ms > last.until_ms
    more = tuple(name for name in order.blocklists if name not in last.blocklists)
    is_taken_over = order.origin == BY_HAND != last.origin
    if not is_longer and not more and not is_taken_over:
        return None
    return replace(
        last,
        until_ms=max(last.until_ms, order.until_ms),
        blocklists=last.blocklists + more,
        origin=order.origin if is_longer or is_taken_over else last.origin,
    )


def _new(last: Ban | None, order: Order, now_ms: int) -> Ban:
    # A start tells a ban of an offender from the one before.
    start_ms = max(now_ms, last.start_ms + 1) if last else now_ms
    until_ms = max(start_ms, order.until_ms)
    return Ban(
        start_ms=start_ms,
        until_ms=until_ms,
        count=(last.count if last else 0) + 1,
        length_ms=FOREVER_MS if until_ms >= FOREVER_MS else until_ms - start_ms,
        blocklists=order.blocklists,
        origin=order.origin,
    )
