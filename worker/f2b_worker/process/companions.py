"""All companions of a worker: opened before anything else, run beside its loops, and stopped with them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.process.companion import ENDS_WITHIN_S
from f2b_worker.process.dashboard import open_dashboard
from f2b_worker.process.notices import open_notices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.process.companion import Companion
    from f2b_worker.process.parts import Parts


def open_companions(settings: WorkerSettings, config: Path | None) -> list[Companion]:
    """Make those that the settings ask for; none runs yet.

    Raises:
        StartError: If one cannot be as configured.
    """
    return [each for each in (open_dashboard(settings, config), open_notices(settings, config)) if each]


def with_companions(parts: Parts, companions: Sequence[Companion]) -> Parts:
    """Let them run beside the loops of one process."""
    loops = {each.name: _loop(each) for each in companions}
    return replace(parts, others={**parts.others, **loops}) if loops else parts


def _loop(companion: Companion) -> Callable[[Parts], None]:
    return lambda parts: companion.run(parts.stop)


@contextmanager
def accompanied(settings: WorkerSettings, config: Path | None, stop: threading.Event) -> Iterator[list[Companion]]:
    """Run them until *stop*, and no longer than this lasts, as the parent of a pool does."""
    companions = open_companions(settings, config)
    threads = [threading.Thread(target=each.run, args=(stop,), name=each.name, daemon=True) for each in companions]
    for thread in threads:
        thread.start()
    try:
        yield companions
    finally:
        stop.set()
        for thread in threads:
            thread.join(2 * ENDS_WITHIN_S)


def reload_all(companions: Sequence[Companion], reload: Callable[[], None] = lambda: None) -> None:
    """Have the jails file read again, by whoever else reads it and by each of them."""
    reload()
    for each in companions:
        each.reload()


def pids_of(companions: Sequence[Companion]) -> set[int]:
    """Name the processes that run."""
    return {each.pid for each in companions if each.pid is not None}
