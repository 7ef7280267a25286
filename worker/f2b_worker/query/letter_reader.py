"""The dead letters for pages: read aside, since SQS takes seconds to say that there are no more."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError
from f2b_worker.process.opening import open_dead_letters
from f2b_worker.query.letters import reasons_of
from f2b_worker.query.pages import Letters
from f2b_worker.query.wording import DEFECT

if TYPE_CHECKING:
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LETTERS_MAX = 100
"""So many are shown: whoever reads them hides them from others for a moment."""

KEPT_S = 30.0
"""So long the same letters are shown again."""

WAITS_S = 0.2
"""So long a page waits for them; then it says that they are being read."""

WAITS_AFTER_AN_ACT_S = 4.0
"""So long it waits where somebody has just put some back, and wants to see them gone."""

BEING_READ = "the dead letters are being read, which takes a few seconds"
NO_QUEUE = "no queue is named: start this with --queue"


class LetterReader:
    """Reads the dead letters aside, once for everybody who asks; any number of threads at once.

    Args:
        settings: They say where the queue is.
        clock: The time.
    """

    def __init__(self, settings: OperatorSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._changed = threading.Condition()
        self._known: Letters | None = None
        self._reading: threading.Thread | None = None
        self._acts = 0

    def letters(self, within_s: float | None = None) -> Letters:
        """Tell of the dead letters, half a minute old at most; of older ones only while they are read anew.

        Args:
            within_s: The longest wait; None: as long as somebody waits for a page.
        """
        if not self._settings.state_file and not self._settings.queue:
            return Letters((), self._clock.now_ms(), problem=NO_QUEUE)
        with self._changed:
            known = self._known
            if known and self._clock.now_ms() - known.at_ms < KEPT_S * 1000:
                return known
            if self._reading is None:
                reading = threading.Thread(target=self._read, name="dead letters", daemon=True)
                reading.start()
                self._reading = reading
            if within_s is None:
                within_s = WAITS_AFTER_AN_ACT_S if self._acts else WAITS_S
            self._changed.wait_for(lambda: self._reading is None, within_s)
            return self._known or Letters((), self._clock.now_ms(), problem=BEING_READ)

    def forget(self) -> None:
        """Read them again when somebody asks next: some were put back, or dropped."""
        with self._changed:
            self._known = None
            self._acts += 1

    def _read(self) -> None:
        acts, letters = self._acts, None
        try:
            letters = self._found()
        finally:
            with self._changed:
                self._reading = None
                if letters and acts == self._acts:  # else what was read is of before
                    self._known, self._acts = letters, 0
                self._changed.notify_all()

    def _found(self) -> Letters:
        try:
            found = list(open_dead_letters(self._settings).letters(LETTERS_MAX + 1))
            shown = found[:LETTERS_MAX]
            return Letters(shown, self._clock.now_ms(), len(found) <= LETTERS_MAX, reasons_of(shown))
        except F2bError as error:
            return Letters((), self._clock.now_ms(), problem=str(error))
        except Exception:
            log.exception("letters_failed")
            return Letters((), self._clock.now_ms(), problem=DEFECT)
