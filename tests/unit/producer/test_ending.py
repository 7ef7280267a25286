"""The last flush of a process: how long it waits, what it takes, and what it says."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from f2b_producer import Producer
from f2b_producer._lifetime import close_all, stop_all
from f2b_producer._waiting import Wait
from f2b_producer.testing import RecordingClient


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Doing(RecordingClient):
    """Does something first at each call, and only then answers."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        super().__init__()
        self.steps = list(steps)

    def send_message_batch(self, **call: Any) -> dict[str, Any]:
        if self.steps:
            self.steps.pop(0)()
        return super().send_message_batch(**call)


def raises(error: BaseException) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


def ended(f2b: Producer) -> None:
    """Wait until the sending thread is gone."""
    thread = f2b._pump._thread
    if thread is not None:
        thread.join(20)
        assert not thread.is_alive()


def ips(queue: RecordingClient) -> list[str]:
    return [seen.ip for seen in queue.infractions()]


def test_a_wait_ends_with_its_time() -> None:
    clock = Clock()
    wait = Wait(5, 1, clock=clock)
    assert wait.left_s(away=False) == 5
    clock.now_s = 4
    assert wait.left_s(away=False) == 1


def test_a_wait_for_a_queue_that_is_away_ends_with_the_patience() -> None:
    clock = Clock()
    wait = Wait(5, 1, clock=clock)
    clock.now_s = 2
    assert wait.left_s(away=True) == 1
    clock.now_s = 2.75
    assert wait.left_s(away=True) == 0.25
    clock.now_s = 4.5
    assert wait.left_s(away=True) == -1.5


def test_a_wait_for_a_queue_that_answers_again_ends_with_its_time() -> None:
    clock = Clock()
    wait = Wait(5, 1, clock=clock)
    wait.left_s(away=True)
    clock.now_s = 0.5
    assert wait.left_s(away=False) == 4.5
    clock.now_s = 4.5
    assert wait.left_s(away=True) == 0.5


def test_the_end_of_the_process_does_not_wait_for_a_queue_that_is_known_to_be_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = RecordingClient()
    queue.down = ConnectionError("away")
    f2b = Producer("memory:", client=queue, flush_timeout_s=3_600)  # else the test would take an hour
    f2b.report("10.0.0.1")
    assert not f2b.flush(0.5)

    close_all()

    assert f2b._pump.closed
    assert "closed with 1 infractions unsent: ConnectionError: away" in caplog.messages


def test_a_close_that_was_asked_for_waits_for_a_queue_that_is_away() -> None:
    queue = Doing(raises(ConnectionError("away")), raises(ConnectionError("still away")))
    f2b = Producer("memory:", client=queue)
    f2b.report("10.0.0.1")
    assert f2b.close(60)
    assert ips(queue) == ["10.0.0.1"]


def test_what_is_reported_while_it_closes_is_sent() -> None:
    f2b = Producer("memory:", linger_s=3_599, client=(queue := Doing(lambda: f2b.report("10.0.0.2"))))
    f2b.report("10.0.0.1")
    assert f2b.close(60)
    assert ips(queue) == ["10.0.0.1", "10.0.0.2"]
    assert f2b.stats().refused == {}


def test_what_is_reported_while_the_server_stops_does_not_linger(
    caplog: pytest.LogCaptureFixture,
) -> None:
    f2b = Producer("memory:", linger_s=3_599, client=(queue := Doing(lambda: f2b.report("10.0.0.2"))))
    f2b.report("10.0.0.1")
    stop_all()
    assert ips(queue) == ["10.0.0.1", "10.0.0.2"]
    assert "unsent" not in caplog.text
    assert f2b.close()


def test_all_that_is_lost_is_told_in_one_line_with_numbers(caplog: pytest.LogCaptureFixture) -> None:
    queue = RecordingClient()
    queue.down = ConnectionError("away")
    f2b = Producer("memory:", client=queue, max_buffered=10)
    for i in range(25):
        f2b.report(f"10.0.0.{i}")
    assert not f2b.flush(0.1)

    assert not f2b.close(0)
    f2b.close(0)
    close_all()

    lines = [line for line in caplog.messages if "unsent" in line]
    assert lines == ["closed with 10 infractions unsent, 15 dropped before: ConnectionError: away"]


def test_what_the_queue_called_malformed_is_not_told_a_second_time(caplog: pytest.LogCaptureFixture) -> None:
    queue = RecordingClient()
    queue.fail = lambda _entry: {"Code": "InvalidMessageContents", "SenderFault": True}
    f2b = Producer("memory:", client=queue)
    f2b.report("10.0.0.1")
    f2b.close()
    assert [line for line in caplog.messages if "unsent" in line] == []
    assert caplog.text.count("dropped 1 infractions that the queue calls malformed") == 1


def test_when_all_was_sent_the_end_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    f2b = Producer("memory:", client=RecordingClient())
    f2b.report("10.0.0.1")
    stop_all()
    assert f2b.close()
    close_all()
    assert [line for line in caplog.messages if "infractions" in line] == []


def test_a_report_after_the_close_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    f2b = Producer("memory:", client=RecordingClient())
    assert f2b.close()
    f2b.report("10.0.0.1")
    f2b.report("10.0.0.1")
    assert f2b.stats().refused == {"closed": 2}
    assert caplog.text.count("refused a report, logged once for each reason") == 1


def test_what_was_refused_since_the_close_is_told_with_its_number(caplog: pytest.LogCaptureFixture) -> None:
    f2b = Producer("memory:", client=RecordingClient())
    assert f2b.close()
    f2b.report("10.0.0.1")
    f2b.report("10.0.0.1")
    close_all()  # the end of the process
    assert "closed with 0 infractions unsent, 2 refused as closed: see Producer.stats()" in caplog.messages


def test_a_thread_that_died_is_started_again_by_the_next_report(caplog: pytest.LogCaptureFixture) -> None:
    queue = Doing(raises(KeyboardInterrupt()))  # whatever is not an Exception
    f2b = Producer("memory:", client=queue, linger_s=0)
    f2b.report("10.0.0.1")
    ended(f2b)
    f2b.report("10.0.0.2")
    assert f2b.flush(60)
    assert ips(queue) == ["10.0.0.1", "10.0.0.2"]
    assert f2b.stats()[:3] == (2, 2, 0)
    assert caplog.text.count("the sending thread has ended") == 1
    assert f2b.close()


def test_a_thread_without_memory_that_cannot_even_log_it_is_started_again_by_the_next_report() -> None:
    queue = RecordingClient()
    f2b = Producer("memory:", client=queue, linger_s=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("f2b_producer._rounds.encode", lambda *_, **__: raises(MemoryError())())
        patch.setattr(f2b._pump._state_log, "crashed", raises(MemoryError()))
        f2b.report("10.0.0.1")
        ended(f2b)
    f2b.report("10.0.0.2")
    f2b.flush(60)
    assert ips(queue) == ["10.0.0.2"]
    assert f2b.stats()[:3] == (2, 1, 1)
    assert f2b.close()


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt()])
def test_a_flush_outlives_the_thread_that_it_waits_for(error: BaseException) -> None:
    queue = Doing(raises(error))
    f2b = Producer("memory:", client=queue, linger_s=3_599)
    f2b.report("10.0.0.1")
    assert f2b.flush(60)
    assert ips(queue) == ["10.0.0.1"]
    assert f2b.close()


def test_what_a_broken_round_has_sent_is_neither_sent_nor_counted_again() -> None:
    class BreaksAtTheSecond(RecordingClient):
        def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803
            if len(self.calls) == 1:
                self.calls.append([])
                raise KeyboardInterrupt
            return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)

    queue = BreaksAtTheSecond()
    f2b = Producer("memory:", client=queue, max_buffered=20_000)
    note = "x" * 200
    for i in range(2_400):  # more than one batch
        f2b.report(f"10.0.{i >> 8}.{i & 255}", note=f"{i}{note}")
    assert f2b.flush(60)
    assert [] in queue.calls[1:]
    assert len(ips(queue)) == len(set(ips(queue))) == 2_400
    assert f2b.stats()[:3] == (2_400, 2_400, 0)
    assert f2b.close()


def no_threads(patch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    patch.setattr(threading.Thread, "start", start)


def test_without_a_thread_a_flush_gives_each_call_only_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[float | None] = []

    def connect(_queue_url: str, within_s: float | None = None) -> RecordingClient:
        given.append(within_s)
        queue = RecordingClient()
        queue.down = ConnectionError("away")
        return queue

    monkeypatch.setattr("f2b_producer._sender.connect", connect)
    no_threads(monkeypatch)
    f2b = Producer("memory:")
    f2b.report("10.0.0.1")
    assert not f2b.flush(0.3)
    assert given
    assert all(within_s is not None and 0 < within_s <= 0.3 for within_s in given)
    assert not f2b.close(0)


def test_the_exit_of_a_signal_handler_ends_a_flush_that_sends_by_itself_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_threads(monkeypatch)
    f2b = Producer("memory:", client=(queue := Doing(lambda: signal.raise_signal(signal.SIGTERM))))
    f2b.report("10.0.0.1")
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    try:
        with pytest.raises(SystemExit):
            f2b.flush(60)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert f2b.stats()[:3] == (1, 0, 0)
    assert f2b.flush(60)
    assert ips(queue) == ["10.0.0.1"]
    assert f2b.close()


def test_a_flush_starts_the_thread_that_a_report_could_not_start() -> None:
    queue = RecordingClient()
    f2b = Producer("memory:", client=queue)
    with pytest.MonkeyPatch.context() as patch:
        no_threads(patch)
        f2b.report("10.0.0.1")
    assert f2b.flush(60)
    assert f2b.health().thread_alive
    assert f2b.close()


def test_a_flush_in_a_signal_handler_does_not_wait_for_the_flush_that_it_interrupts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_threads(monkeypatch)
    inner: list[bool] = []
    # As a handler would, in the thread that sends: it holds what the second flush needs.
    f2b = Producer("memory:", client=(queue := Doing(lambda: inner.append(f2b.flush(0.1)))))
    f2b.report("10.0.0.1")
    assert f2b.flush(60)
    assert inner == [False]
    assert ips(queue) == ["10.0.0.1"]
    assert f2b.close()
