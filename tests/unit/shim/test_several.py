"""The processes of a shim, as their parent judges them by what they answer."""

from __future__ import annotations

import pytest

from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.serve import Serving, uvicorn_config
from f2b_worker.shim.several import SILENT_S, STARTS_WITHIN_S, OneOfSeveral
from f2b_worker.testing import FakeClock, MemoryOutbox


@pytest.fixture
def process() -> OneOfSeveral:
    """One that was never started: the test answers in its place."""
    how = Serving("127.0.0.1", 0, 2, "error", Limits(), ConnectionLimits())
    return OneOfSeveral(uvicorn_config(how, MemoryOutbox, FakeClock()), [], 0.0)


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
