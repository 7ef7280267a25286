"""Looks after the state file of a running worker: tells of a loss, saves what it can, and ends the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError, FileLost

if TYPE_CHECKING:
    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.process.parts import Parts

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_EVERY_S = 1.0

READ_EVERY_LOOKS = 60
"""So seldom all of the file is read: 200 MB take a quarter of a second."""

REFUSES_FOR_S = 5.0
"""So long requests and load balancers hear why, before the process ends and its port is closed."""


class FileWatch:
    """Sees that the state file stays what it was.

    Attributes:
        refusal: Why nothing can be taken now, in one line, or None.
    """

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self._had_problem = False
        self.refusal: str | None = None

    def run(self, parts: Parts) -> None:
        """Look once a second until the worker stops.

        Raises:
            FileLost: Some seconds after the file was lost; what could be saved is saved.
        """
        looks = 0
        while not parts.stop.wait(LOOK_EVERY_S):
            looks += 1
            try:
                self._look(thoroughly=looks % READ_EVERY_LOOKS == 0 or self._has_a_new_problem(parts))
            except FileLost as error:
                self._lose(error)
                if not parts.stop.wait(REFUSES_FOR_S):
                    raise
                return

    def _look(self, *, thoroughly: bool) -> None:
        try:
            self._state.place.check(beside=True)
            if thoroughly:
                self._state.place.check_contents()
        except FileLost:
            raise
        except F2bError as error:
            if not self.refusal:
                log.error("state_file_unusable", reason=str(error))
            self.refusal = str(error)
        else:
            if self.refusal:
                log.info("state_file_usable_again")
            self.refusal = None

    def _has_a_new_problem(self, parts: Parts) -> bool:
        """Tell whether the worker began to fail since the last look: the file may be why."""
        had, self._had_problem = self._had_problem, parts.problem is not None
        return self._had_problem and not had

    def _lose(self, error: FileLost) -> None:
        self.refusal = f"{error}; infractions are not taken until f2b-worker is restarted"
        log.error("state_file_lost", reason=str(error), remedy=self._state.rescue(), ends_in_s=REFUSES_FOR_S)
