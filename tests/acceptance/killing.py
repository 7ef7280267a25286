"""Workers that are killed at random while something else goes on."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from demo.fleet import Fleet

PAUSE_S = 3, 9
"""Who succeeds a silent holder of the lease waits for eight seconds: of workers that die sooner, none would."""


class Killing:
    """Kills one of a fleet's workers after the other, at random times, and starts another in its place.

    Args:
        fleet: It has some workers already.
        options: Those of every worker that is started.

    Attributes:
        killed: How many were.
    """

    def __init__(self, fleet: Fleet, *options: str) -> None:
        self.killed = 0
        self._fleet, self._options = fleet, options
        self._random = random.Random(20)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._random.uniform(*PAUSE_S)):
            doomed = self._random.choice(self._fleet.workers)
            self._fleet.start_worker(*self._options)
            doomed.kill()
            doomed.wait()
            self._fleet.workers.remove(doomed)
            self.killed += 1
