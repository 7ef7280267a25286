"""The dead letters for pages: they are read aside, and whatever becomes of the reading ends it."""

from __future__ import annotations

import threading
from typing import NoReturn

import pytest
from structlog.testing import capture_logs

from f2b_worker.config.operator import OperatorSettings
from f2b_worker.query import letter_reader
from f2b_worker.query.letter_reader import KEPT_S, LetterReader
from f2b_worker.query.wording import DEFECT
from f2b_worker.testing import FakeClock, MemoryDeadLetters, MemoryInbox

WAITS_S = 20.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reader(clock: FakeClock) -> LetterReader:
    return LetterReader(OperatorSettings(queue="f2b"), clock)


def test_a_defect_ends_the_reading_and_is_told_and_logged_and_the_next_one_may_work(
    reader: LetterReader, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> NoReturn:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(letter_reader, "open_dead_letters", fail)
    with capture_logs() as lines:
        found = reader.letters(WAITS_S)
    assert (found.letters, found.problem) == ((), DEFECT)
    assert [each["event"] for each in lines] == ["letters_failed"]
    monkeypatch.setattr(letter_reader, "open_dead_letters", lambda _: MemoryDeadLetters(MemoryInbox()))
    assert reader.letters(WAITS_S) is found
    clock.advance(KEPT_S)
    assert reader.letters(WAITS_S).problem is None


def test_where_no_thread_can_be_begun_the_letters_are_asked_for_again(
    reader: LetterReader, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(letter_reader, "open_dead_letters", lambda _: MemoryDeadLetters(MemoryInbox()))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            reader.letters(WAITS_S)
    assert reader.letters(WAITS_S).problem is None
