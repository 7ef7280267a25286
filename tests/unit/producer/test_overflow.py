"""What happens when the buffer is full, and what the producer says of its health."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from f2b_producer import Health, Producer
from f2b_producer._room import WaitingRoom
from f2b_producer.testing import RecordingClient
from tests.unit.producer.gate import Gate

LONG_S = 60.0  # a wait that no test sits out


def blocking(queue: RecordingClient, **settings: Any) -> Producer:
    made: dict[str, Any] = {"linger_s": 0, "max_buffered": 4, "overflow": "block", "block_timeout_s": LONG_S}
    return Producer("memory:", client=queue, **{**made, **settings})


def fill(f2b: Producer, queue: Gate) -> None:
    """Make the buffer full, with the first infraction on its way."""
    f2b.report("10.0.0.0")
    assert queue.entered.wait(20)
    for i in range(1, 4):
        f2b.report(f"10.0.0.{i}")
    assert f2b.stats().buffered == 4


def reported_beside(f2b: Producer, ips: Sequence[str]) -> list[threading.Thread]:
    threads = [threading.Thread(target=f2b.report, args=(ip,)) for ip in ips]
    for thread in threads:
        thread.start()
    return threads


def until(happened: Callable[[], bool]) -> None:
    waiting = threading.Event()
    while not happened():
        waiting.wait(0.001)


def test_a_blocked_report_waits_for_room_and_nothing_is_lost() -> None:
    queue = Gate()
    with blocking(queue) as f2b:
        fill(f2b, queue)
        more = [f"10.0.1.{i}" for i in range(20)]
        threads = reported_beside(f2b, more)
        until(lambda: f2b.stats().blocked == 20)
        assert f2b.stats().buffered == 4
        queue.open.set()
        for thread in threads:
            thread.join(20)
        assert f2b.flush(20)
        stats = f2b.stats()
    assert (stats.accepted, stats.sent, stats.dropped, stats.blocked) == (24, 24, 0, 20)
    assert {seen.ip for seen in queue.infractions()} == {*(f"10.0.0.{i}" for i in range(4)), *more}


def test_when_the_time_is_up_the_oldest_is_dropped_and_counted() -> None:
    queue = Gate()
    with blocking(queue, block_timeout_s=0.01) as f2b:
        fill(f2b, queue)
        f2b.report("10.0.0.4")
        stats = f2b.stats()
        assert (stats.dropped, stats.blocked, stats.buffered) == (1, 1, 4)
        queue.open.set()
        assert f2b.flush(20)
    assert [seen.ip for seen in queue.infractions()] == [f"10.0.0.{i}" for i in (0, 2, 3, 4)]


def test_in_a_thread_that_runs_a_loop_a_report_never_waits() -> None:
    queue = Gate()
    with blocking(queue) as f2b:
        fill(f2b, queue)

        async def serve() -> None:
            f2b.report("10.0.0.4")  # would wait for a minute

        asyncio.run(serve())
        stats = f2b.stats()
        assert (stats.dropped, stats.blocked) == (1, 0)
        queue.open.set()


def test_the_sending_thread_never_waits_for_itself() -> None:
    class Chatty(RecordingClient):
        def send_message_batch(self, **call: Any) -> dict[str, Any]:
            for i in range(0 if self.calls else 10):
                f2b.report(f"10.0.2.{i}")  # as a log handler of the application may do
            return super().send_message_batch(**call)

    queue = Chatty()
    f2b = blocking(queue)
    f2b.report("10.0.0.0")
    until(lambda: bool(queue.calls))
    assert f2b.stats().dropped > 0
    assert f2b.stats().blocked == 0
    assert f2b.close(20)


def test_closing_ends_the_wait_of_those_who_are_blocked() -> None:
    queue = Gate()
    f2b = blocking(queue)
    fill(f2b, queue)
    threads = reported_beside(f2b, ["10.0.0.4"])
    until(lambda: f2b.stats().blocked == 1)
    f2b.close(0)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    queue.open.set()


def test_a_signal_handler_that_interrupts_a_waiting_report_is_not_stuck() -> None:
    queue = Gate()
    with blocking(queue, block_timeout_s=0.05) as f2b:
        fill(f2b, queue)
        room = f2b._pump._room
        assert isinstance(room, WaitingRoom)
        with room._turn:  # the interrupted report holds it
            f2b.report("10.0.0.4")
        assert f2b.stats().dropped == 1
        queue.open.set()


def test_before_the_first_report_all_is_well_and_there_is_no_thread() -> None:
    with Producer("memory:", client=RecordingClient()) as f2b:
        assert f2b.health() == Health(
            thread_alive=False, queue_answers=None, last_error=None, oldest_waiting_s=0.0, fullness=0.0
        )
        assert f2b.health().ok


def test_when_all_is_sent_the_health_says_so() -> None:
    with Producer("memory:", client=RecordingClient()) as f2b:
        f2b.report("203.0.113.7")
        assert f2b.flush()
        assert f2b.health() == Health(
            thread_alive=True, queue_answers=True, last_error=None, oldest_waiting_s=0.0, fullness=0.0
        )


def test_an_outage_shows_as_an_error_and_as_the_age_of_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = RecordingClient()
    queue.down = ConnectionError("away")
    now_s = [1_763_833_500.0]
    monkeypatch.setattr("f2b_producer._infraction.time", lambda: now_s[0])
    monkeypatch.setattr("f2b_producer._pump.wall_s", lambda: now_s[0])
    with Producer("memory:", client=queue, linger_s=0, max_buffered=10, flush_timeout_s=0) as f2b:
        f2b.report("203.0.113.7", at=5.0)  # long ago, but reported now
        assert not f2b.flush(0.05)
        until(lambda: f2b.health().queue_answers is False)
        now_s[0] += 30.0
        f2b.report("203.0.113.8")
        health = f2b.health()
        assert health == Health(
            thread_alive=True,
            queue_answers=False,
            last_error="ConnectionError: away",
            oldest_waiting_s=30.0,
            fullness=0.2,
        )
        assert not health.ok


def test_a_full_buffer_is_not_healthy() -> None:
    queue = Gate()
    with Producer("memory:", client=queue, linger_s=0, max_buffered=4) as f2b:
        fill(f2b, queue)
        assert f2b.health().fullness == 1.0
        assert not f2b.health().ok
        queue.open.set()


def test_infractions_that_nobody_can_send_are_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    f2b = Producer("memory:", client=RecordingClient())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        f2b.report("203.0.113.7")
        assert not f2b.health().ok
    assert f2b.close()


def test_the_group_goes_with_every_message_and_only_if_it_was_given() -> None:
    for group in ("checkout", None):
        queue = RecordingClient()
        with Producer("memory:", client=queue, message_group_id=group) as f2b:
            f2b.report("203.0.113.7")
        assert [entry.get("MessageGroupId") for call in queue.calls for entry in call] == [group]


@pytest.mark.parametrize(
    "settings",
    [
        {"overflow": "grow"},
        {"block_timeout_s": 0},
        {"block_timeout_s": float("nan")},
        {"message_group_id": ""},
        {"message_group_id": "a b"},
        {"message_group_id": "g" * 129},
        {"message_group_id": "\u00fc"},
        {"message_group_id": 5},
    ],
)
def test_a_setting_without_sense_is_named_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Producer("memory:", **settings)
