"""The companion that tells people, as the worker that starts it sees it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from f2b_worker.config.jails_file import read_jails
from f2b_worker.errors import StartError
from f2b_worker.observe.notices import count
from f2b_worker.process.companion import Companion
from f2b_worker.process.regions import own_name

if TYPE_CHECKING:
    from pathlib import Path

    from f2b_worker.config.settings import WorkerSettings

MODULE = "f2b_worker.notices"
WAIT_S = 0.2


class NoticesCompanion(Companion):
    """It runs from when the jails file first names a target: who names none pays for no process.

    Args:
        settings: The worker's.
        config: The jails file.
        is_wanted: Whether it names a target now.
    """

    def __init__(self, settings: WorkerSettings, config: Path, *, is_wanted: bool) -> None:
        # Whoever follows a process that died holds its lease at once, by the same name.
        super().__init__("notices", MODULE, (settings, config, own_name()), on_line=count)
        self._config = config
        self._wanted = threading.Event()
        if is_wanted:
            self._wanted.set()

    def run(self, stop: threading.Event) -> None:
        """Wait for a target, and then keep a process running until *stop*."""
        while not stop.is_set() and not self._wanted.wait(WAIT_S):
            pass
        super().run(stop)

    def reload(self) -> None:
        """Have it read the jails file again, or begin if that names a target now."""
        if self._wanted.is_set():
            super().reload()
        elif names_a_target(self._config):
            self._wanted.set()


def open_notices(settings: WorkerSettings, config: Path | None) -> Companion | None:
    """Make what tells people; a worker without a jails file has nobody to tell.

    Raises:
        StartError: If the jails file is wrong.
    """
    if config is None:
        return None
    return NoticesCompanion(settings, config, is_wanted=read_jails(config).notices is not None)


def names_a_target(config: Path) -> bool:
    """Tell whether a jails file names a target; one that is wrong, which the worker tells, names none."""
    try:
        return read_jails(config).notices is not None
    except StartError:
        return False
