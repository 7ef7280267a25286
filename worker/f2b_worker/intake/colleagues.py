"""What other workers found out, so that a ban that one of them knows is known to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from f2b_worker.domain.judge.verdicts import Offender, OffenderId
    from f2b_worker.ports import Clock, Ledger

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 1.0
"""So often the ledger is asked: an infraction in a known ban waits about as long."""

MORE_S = 0.1
"""So soon it is asked for the rest of many news: the judge takes in one part before the next one comes."""


def follow_colleagues(
    ledger: Ledger,
    hear: Callable[[Mapping[OffenderId, Offender], float], None],
    clock: Clock,
    stop: threading.Event,
) -> None:
    """Have *hear* told every second what others did to bans, and when it was asked for, until *stop*.

    A failure is told once, and tried again: until then infractions in known bans cost a write each.
    """
    is_failing = has_more = False
    asked_s = float("-inf")
    hear({}, asked_s)  # from now on somebody asks
    while not clock.wait(stop, MORE_S if has_more else EVERY_S):
        if not has_more:
            asked_s = clock.monotonic_s()
        has_more = False
        try:
            news = ledger.news()
        except F2bError as error:
            if not is_failing:
                log.warning("colleagues_not_heard", reason=str(error))
            is_failing = True
        else:
            is_failing = False
            has_more = ledger.has_more_news
            hear(news, float("-inf") if has_more else asked_s)
