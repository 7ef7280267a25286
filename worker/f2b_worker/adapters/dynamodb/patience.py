"""Calls that are made again when they may succeed then."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from f2b_worker.errors import Retryable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from f2b_worker.ports import Clock

T = TypeVar("T")


def patiently(call: Callable[[], T], clock: Clock, stop: threading.Event, pauses_s: Sequence[float]) -> T:
    """Make a call, and make it again after each pause until it succeeds.

    Raises:
        F2bError: As the last try did, or the first whose failure lasts.
    """
    for pause_s in pauses_s:
        try:
            return call()
        except Retryable:
            clock.wait(stop, pause_s)
    return call()
