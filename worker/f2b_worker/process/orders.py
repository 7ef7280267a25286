"""What signals ask of one worker process, heard in a thread of its own: the main thread may wait for AWS."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import structlog

from f2b_worker.signals import RELOAD, STOPS, Signals

if TYPE_CHECKING:
    from collections.abc import Callable

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Orders:
    """Hears signals from now on; make it in the main thread, before anything is read or opened.

    Attributes:
        reloads: Fills with each SIGHUP.
    """

    def __init__(self) -> None:
        self.reloads: list[int] = []
        self._stop: Callable[[], None] = _leave
        self._choosing = threading.Lock()
        self._signals = Signals()
        threading.Thread(target=self._hear, name="signals", daemon=True).start()

    def stop_by(self, stop: Callable[[], None]) -> None:
        """Stop in order from now on; until then nothing is in hand, and the process ends at once."""
        with self._choosing:
            self._stop = stop

    def _hear(self) -> None:
        while True:
            came = self._signals.take()
            if RELOAD in came:
                self.reloads.append(RELOAD)
            if came & STOPS:
                with self._choosing:
                    self._stop()


def _leave() -> None:
    log.info("stopped", code=0, while_it="started")
    os._exit(0)
