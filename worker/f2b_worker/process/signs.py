"""The loop by which a worker gives signs of life, so that `f2b status` can tell who works."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

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

LOOK_S = 1.0
"""So often it is looked whether the file was read again: who asked for that waits to see it."""


class Said(NamedTuple):
    """What a worker says of itself beside its sign of life; see `WorkerSign`."""

    remark: str = ""
    generation: int | None = None
    judges: bool = True
    oldest_ms: int | None = None


def give_signs(fleet: Fleet, clock: Clock, stop: threading.Event, look: Callable[[], Said]) -> None:
    """Give a sign once a minute and after each reload until *stop*, and then take it back.

    A sign that cannot be given is no reason to stop: it is given a minute later.

    Args:
        fleet: Where.
        clock: Dates and paces it.
        stop: Ends it.
        look: Tells what this process says of itself.
    """
    name, started_ms = own_name(), clock.now_ms()
    next_s, told = clock.monotonic_s() + FIRST_S, look().generation
    while not clock.wait(stop, LOOK_S):
        said = look()
        if clock.monotonic_s() < next_s and said.generation == told:
            continue
        next_s, told = clock.monotonic_s() + EVERY_S, said.generation
        sign = WorkerSign(name, clock.now_ms(), started_ms, version("f2b-worker"), *said)
        try:
            fleet.sign(sign)
        except F2bError as error:
            log.debug("sign_not_given", reason=str(error))
    try:
        fleet.leave(name)
    except F2bError as error:
        log.debug("sign_not_taken_back", reason=str(error))
