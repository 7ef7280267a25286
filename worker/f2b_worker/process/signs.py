"""The loop by which a worker gives signs of life, so that `f2b status` can tell who works."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError
from f2b_worker.ports import WorkerSign
from f2b_worker.process.regions import own_name

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from f2b_worker.ports import Clock, Fleet

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 60.0
"""A sign costs a write unit: a process $0.03 a month."""

FIRST_S = 2.0
"""So soon after its start a worker gives its first sign: only who works does."""


def give_signs(fleet: Fleet, clock: Clock, stop: threading.Event, remark: Callable[[], str | None]) -> None:
    """Give a sign once a minute until *stop*, and then take it back.

    A sign that cannot be given is no reason to stop: it is given a minute later.

    Args:
        fleet: Where.
        clock: Dates and paces it.
        stop: Ends it.
        remark: Tells what keeps this process from its work, or what somebody should look at, or None.
    """
    name, started_ms = own_name(), clock.now_ms()
    pause_s = FIRST_S
    while not clock.wait(stop, pause_s):
        pause_s = EVERY_S
        sign = WorkerSign(name, clock.now_ms(), started_ms, version("f2b-worker"), remark() or "")
        try:
            fleet.sign(sign)
        except F2bError as error:
            log.debug("sign_not_given", reason=str(error))
    try:
        fleet.leave(name)
    except F2bError as error:
        log.debug("sign_not_taken_back", reason=str(error))
