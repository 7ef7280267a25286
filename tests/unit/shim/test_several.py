"""The processes of a shim, as their parent judges them by what they answer, and by how they end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Process

from f2b_worker.domain.backoff import LIVES_S
from f2b_worker.errors import GaveUp, StartError
from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.serve import Serving, uvicorn_config
from f2b_worker.shim.several import SILENT_S, STARTS_WITHIN_S, OneOfSeveral, _Place
from f2b_worker.testing import FakeClock, MemoryOutbox

if TYPE_CHECKING:
    from uvicorn import Config


def a_config() -> Config:
    how = Serving("127.0.0.1", 0, 2, "error", Limits(), ConnectionLimits())
    return uvicorn_config(how, MemoryOutbox, FakeClock())


@pytest.fixture
def process() -> OneOfSeveral:
    """One that was never started: the test answers in its place."""
    return OneOfSeveral(a_config(), [], 0.0)


def test_a_process_that_starts_slowly_does_not_hang(process: OneOfSeveral) -> None:
    assert not process.hangs(0.0)
    assert not process.hangs(STARTS_WITHIN_S - 1)
    assert not process.has_begun
    process.child_conn.send(False)
    assert not process.hangs(STARTS_WITHIN_S + 1)
    assert process.has_begun


def test_a_process_that_never_begins_hangs_after_two_minutes(process: OneOfSeveral) -> None:
    assert not process.hangs(0.0)
    assert process.hangs(STARTS_WITHIN_S + 1)


def test_a_process_that_has_begun_hangs_once_it_answers_nothing_for_long(process: OneOfSeveral) -> None:
    process.hangs(0.0)
    process.child_conn.send(True)
    assert not process.hangs(100.0)
    assert not process.hangs(100.0 + SILENT_S - 1)
    assert process.hangs(100.0 + SILENT_S + 1)


def test_a_process_is_asked_once_until_it_answers(process: OneOfSeveral) -> None:
    for now_s in range(10):
        process.hangs(float(now_s))
    assert process.child_conn.recv() == b"ping"
    assert not process.child_conn.poll()


def test_a_process_whose_end_of_the_line_is_gone_does_not_hang(process: OneOfSeveral) -> None:
    process.child_conn.close()
    assert not process.hangs(0.0)


def test_a_process_has_told_that_it_has_begun_before_it_takes_a_connection(
    process: OneOfSeveral, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However soon a stop comes: who is taken for one that has not begun is killed, with its clients."""
    monkeypatch.setattr(Process, "target", lambda self, _: self.listen())  # where it would serve
    process.target()
    assert process.has_begun


class Dying(OneOfSeveral):
    """One that is never started, and ends as the test says."""

    def __init__(self) -> None:
        super().__init__(a_config(), [], 0.0)
        self.process: Any = SimpleNamespace(exitcode=None, kill=lambda: self.end(-9), join=lambda: None)
        self.starts = 0

    def start(self) -> None:
        self.starts += 1

    def end(self, code: int) -> None:
        self.process.exitcode = code


class Scene:
    """A place for a process; each that is started there can be seen."""

    def __init__(self) -> None:
        self.place = _Place(0, a_config(), [], 0.0)
        self.started: list[Dying] = []
        self.place._make = self._one  # type: ignore[assignment]

    def _one(self) -> Dying:
        self.started.append(Dying())
        return self.started[-1]

    def serve(self, now_s: float) -> Dying:
        """Have the process that is due serve."""
        self.place.fill(now_s)
        self.started[-1].child_conn.send(True)
        self.place.end_if_it_hangs(now_s)
        return self.started[-1]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_who_dies_is_told_with_its_exit_code_and_started_again_after_a_pause_that_grows(scene: Scene) -> None:
    now_s = 0.0
    with capture_logs() as lines:
        for pause_s in (1, 2, 4, 8, 16, 30, 30):
            scene.serve(now_s).end(-9)
            begun = len(scene.started)
            scene.place.fill(now_s)
            scene.place.fill(now_s + pause_s - 0.1)
            assert len(scene.started) == begun
            now_s += pause_s
        scene.serve(now_s).end(-9)
        scene.place.fill(now_s + LIVES_S)
    told = [(line["event"], line["worker"], line["exit_code"], line["restart_in_s"]) for line in lines]
    assert told == [("worker_died", "shim-0", -9, each) for each in (1, 2, 4, 8, 16, 30, 30, 1)]


def test_who_hangs_is_killed_and_the_log_says_why(scene: Scene) -> None:
    scene.serve(0.0)
    scene.place.end_if_it_hangs(1.0)  # it is asked again
    with capture_logs() as lines:
        scene.place.end_if_it_hangs(1.0 + SILENT_S + 1)
        scene.place.fill(1.0 + SILENT_S + 1)
    (line,) = lines
    assert (line["exit_code"], line["reason"]) == (-9, "it gave no sign of life for 20 s")


@pytest.mark.parametrize(("code", "kind"), [(3, StartError), (5, GaveUp)])
def test_who_cannot_start_ends_all_of_them_in_its_own_words(scene: Scene, code: int, kind: type) -> None:
    scene.place.fill(0.0)
    (process,) = scene.started
    process.child_conn.send(False)  # it has answered, and does not serve
    process.child_conn.send("there are no credentials")
    process.end(code)
    with pytest.raises(kind, match="there are no credentials") as raised:
        scene.place.fill(1.0)
    assert type(raised.value) is kind


def test_who_cannot_start_and_says_nothing_ends_all_of_them_too(scene: Scene) -> None:
    scene.place.fill(0.0)
    scene.started[0].end(STARTUP_FAILURE)
    with pytest.raises(StartError, match="shim-0 cannot start"):
        scene.place.fill(1.0)


def test_who_cannot_start_again_where_one_has_served_is_tried_again(scene: Scene) -> None:
    scene.serve(0.0).end(-9)
    scene.place.fill(0.0)
    scene.place.fill(1.0)
    scene.started[-1].child_conn.send("the credentials are expired")
    scene.started[-1].end(5)
    with capture_logs() as lines:
        scene.place.fill(2.0)
    (line,) = lines
    assert (line["exit_code"], line["reason"], line["restart_in_s"]) == (5, "the credentials are expired", 2)


def test_a_process_is_asked_as_soon_as_it_is_started(scene: Scene) -> None:
    scene.place.fill(0.0)
    assert scene.started[0].child_conn.recv() == b"ping"
