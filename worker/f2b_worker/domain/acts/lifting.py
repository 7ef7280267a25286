"""What stands of an offender once somebody has lifted the ban."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.domain.judge.verdicts import UNREADABLE

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import Ban, Offender


def is_running(ban: Ban | None, now_ms: int) -> bool:
    """Tell whether a ban counts: at its end it still does."""
    return ban is not None and ban is not UNREADABLE and ban.until_ms >= now_ms


def lifted(offender: Offender, now_ms: int, *, forget: bool = False) -> Offender | None:
    """Say what is remembered once the ban is lifted: infractions up to now are spent, whenever they come.

    Where no ban runs, this holds of the infractions all the same. Each lift is a change of its own, so that nobody
    who judged before it can store what he found.

    Args:
        offender: What is remembered.
        now_ms: When it is lifted.
        forget: Whether the next ban counts as the first one.

    Returns:
        What stands then; None of a stranger, of whom there is nothing to change.
    """
    if not (offender.hits or offender.ban or offender.lifted_ms):
        return None
    ban = _ended(offender.ban, now_ms) if offender.ban else None
    if ban and forget:
        ban = replace(ban, count=0)
    return replace(
        offender,
        hits=frozenset() if forget else offender.hits,
        ban=ban,
        revision=offender.revision + 1,
        lifted_ms=_spent_until(offender, now_ms),
    )


def _ended(ban: Ban, now_ms: int) -> Ban:
    """End a ban that runs: it counts no more at this moment. One of a clock that is ahead starts earlier, too."""
    if not is_running(ban, now_ms):
        return ban
    return replace(ban, start_ms=min(ban.start_ms, now_ms - 1), until_ms=now_ms - 1)


def _spent_until(offender: Offender, now_ms: int) -> int:
    """Tell up to when infractions are spent: until now, and to the latest that is remembered of a clock ahead.

    What else came from such clocks only moved the end, by steps of up to ten minutes: to spend all of the last
    step would let somebody go on for that long. So it counts by its own time, if it comes again.
    """
    start_ms = offender.ban.start_ms if offender.ban else now_ms
    return max(now_ms, offender.lifted_ms, start_ms, *(hit.at_ms for hit in offender.hits))
