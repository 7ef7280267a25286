"""What signals ask of one worker process, heard in a thread of its own: the main thread may wait for AWS."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Protocol

import structlog

from f2b_worker.observe.log import finish
from f2b_worker.signals import EXIT_INTERRUPTED, RELOAD, STOPS, UNHEEDED, Signals, tell_unheeded

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Stop(Protocol):
    """Asks a process to stop in order; `by_hand` is for Ctrl-C."""

    def __call__(self, *, by_hand: bool) -> None:
        """Ask it; as often as a signal comes."""


class Orders:
    """Hears signals from now on; make it in the main thread, before anything is read or opened.

    Args:
        is_alone: Whether it ends for itself: one of a pool says nothing of its end before it works, and nobody
            reads its exit code.

    Attributes:
        reloads: Fills with each SIGHUP.
    """

    def __init__(self, *, is_alone: bool) -> None:
        self._is_alone = is_alone
        self.reloads: list[int] = []
        self._stop: Stop | None = None
        self._choosing = threading.Lock()
        self._signals = Signals()
        threading.Thread(target=self._hear, name="signals", daemon=True).start()

    def stop_by(self, stop: Stop) -> None:
        """Stop in order from now on; until then nothing is in hand, and the process ends at once."""
        with self._choosing:
            self._stop = stop

    def _hear(self) -> None:
        while True:
            came = self._signals.take()
            if RELOAD in came:
                self.reloads.append(RELOAD)
            tell_unheeded(came & UNHEEDED)
            if came & STOPS:
                with self._choosing:
                    if self._stop:
                        self._stop(by_hand=signal.SIGINT in came)
                    else:
                        self._leave(came)

    def _leave(self, came: set[int]) -> None:
        code = EXIT_INTERRUPTED if self._is_alone and signal.SIGINT in came else 0
        if code:
            sys.stderr.write("f2b-worker: interrupted\n")
        elif self._is_alone:  # of a pool the parent says it, or why a sibling could not start
            log.info("stopped", code=code)
        finish()
        os._exit(code)
