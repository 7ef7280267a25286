"""Shows how many messages wait, in the queue and in its dead-letter queue."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError
from f2b_worker.observe import metrics
from f2b_worker.observe.shared import show_nothing

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from f2b_worker.ports import Clock
    from f2b_worker.ports.fleet import QueueDepth

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 60.0
"""SQS's own numbers are as old. Two requests a minute: a process $0.03 a month."""


def show_depth(look: Callable[[], QueueDepth], clock: Clock, stop: threading.Event) -> None:
    """Look once a minute until *stop*; what is not known is not shown, and that is said once.

    Args:
        look: Asks how many messages wait.
        clock: Paces it.
        stop: Ends it.
    """
    shown: set[str] = set()
    is_failing = False
    while True:
        try:
            numbers = asdict(look())
        except F2bError as error:
            if not is_failing:
                log.warning("queue_depth_unknown", reason=str(error))
            is_failing, numbers = True, {}
        else:
            is_failing = False
        for state in shown - numbers.keys():
            show_nothing(metrics.queue_messages, state)
        for state, number in numbers.items():
            metrics.queue_messages.labels(state).set(number)
        shown = set(numbers)
        if clock.wait(stop, EVERY_S):
            return
