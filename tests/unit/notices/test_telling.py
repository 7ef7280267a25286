"""Who tells runs one thread for each target and one that looks at the fleet, and begins anew what ends."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.sqlite.file import SqliteLease, make_or_open
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.notices.opening import FleetWatch
from f2b_worker.notices.telling import AGAIN_S, Telling
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.query.conditions import FleetSeen

FILE = """
[notices.conditions]
to = "command"
command = ["cat"]
"""
WITHIN_S = 20.0


class StandingClock(FakeClock):
    """A clock with which each thread waits until it is stopped."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        del timeout_s
        return event.wait()


@pytest.fixture
def clock() -> FakeClock:
    return StandingClock()


@pytest.fixture
def telling(tmp_path: Path, clock: FakeClock) -> Iterator[Telling]:
    make_or_open(tmp_path / "f2b.db").close()
    config = tmp_path / "f2b.toml"
    config.write_text(FILE)
    settings = OperatorSettings(state=str(tmp_path / "f2b.db"), config=config)
    made = Telling(settings, SqliteLease(), clock)
    made.use(read_jails(config))
    yield made
    made.end()
    for each in threading.enumerate():
        if each.name.startswith("notices-"):
            each.join(WITHIN_S)


def running() -> list[str]:
    return sorted(each.name for each in threading.enumerate() if each.name.startswith("notices-"))


def test_a_target_may_be_called_conditions(telling: Telling) -> None:
    telling.turn()
    assert running() == ["notices-conditions", "notices-the fleet"]


def test_a_reload_leaves_no_file_of_the_targets_before_open(telling: Telling) -> None:
    open_files = []
    gc.disable()  # what only it would find stays open for long in a process that makes little garbage
    try:
        for _ in range(3):
            telling.turn()
            began = [each for each in threading.enumerate() if each.name.startswith("notices-")]
            telling.pause()
            for each in began:
                each.join(WITHIN_S)
            del began, each
            open_files.append(len(list(Path("/proc/self/fd").iterdir())))
    finally:
        gc.enable()
    assert open_files[0] == open_files[2]


def test_the_thread_that_looks_at_the_fleet_is_begun_again_after_a_defect(
    telling: Telling, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Semaphore(0)

    def look(_watch: FleetWatch) -> FleetSeen:
        looked.release()
        raise TypeError("a defect")

    monkeypatch.setattr(FleetWatch, "look", look)
    telling.turn()
    assert looked.acquire(timeout=WITHIN_S)
    for each in threading.enumerate():
        if each.name == "notices-the fleet":
            each.join(WITHIN_S)
    telling.turn()
    assert running() == ["notices-conditions"], "not at once"
    clock.advance(AGAIN_S)
    telling.turn()
    assert looked.acquire(timeout=WITHIN_S)
