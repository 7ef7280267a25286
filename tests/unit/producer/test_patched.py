"""What `threading` makes is replaced while the program runs, as gevent and eventlet do; without them here."""

import _thread
import sys
import threading
import time
import types

import pytest

from f2b_producer import Producer
from f2b_producer._patched import finish_ssl
from f2b_producer._room import WaitingRoom
from f2b_producer.testing import RecordingClient


def other_lock() -> _thread.LockType:
    return _thread.allocate_lock()


def test_a_thread_that_runs_is_succeeded_by_one_of_the_new_kind_and_nothing_is_sent_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = RecordingClient()
    f2b = Producer("memory:", client=queue, linger_s=0)
    f2b.report("10.0.0.1")
    assert f2b.flush(20)
    before = f2b._pump._thread

    monkeypatch.setattr(threading, "Lock", other_lock)
    f2b.report("10.0.0.2")
    assert f2b.flush(20)

    assert f2b._pump._thread is not before
    assert f2b._pump._bells.fit()
    assert f2b.close(20)
    assert [seen.ip for seen in queue.infractions()] == ["10.0.0.1", "10.0.0.2"]


def test_a_flush_after_the_patch_does_not_wait_for_what_the_older_thread_lingers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = RecordingClient()
    f2b = Producer("memory:", client=queue, linger_s=3_599)
    f2b.report("10.0.0.1")
    monkeypatch.setattr(threading, "Lock", other_lock)

    assert f2b.flush(20)

    assert f2b.close(20)
    assert [seen.ip for seen in queue.infractions()] == ["10.0.0.1"]


def test_a_client_made_before_the_patch_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[RecordingClient] = []

    def connect(*_: object) -> RecordingClient:
        made.append(RecordingClient())
        return made[-1]

    monkeypatch.setattr("f2b_producer._sender.connect", connect)
    f2b = Producer("memory:")
    assert f2b.warm_up()
    monkeypatch.setattr(threading, "Lock", other_lock)
    f2b.report("10.0.0.1")

    assert f2b.close(20)
    assert [len(client.calls) for client in made] == [0, 1]


def test_reports_that_wait_for_room_wait_by_the_new_kind_of_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    f2b = Producer("memory:", client=RecordingClient(), overflow="block")
    made: list[_thread.LockType] = []

    def lock() -> _thread.LockType:
        made.append(_thread.allocate_lock())
        return made[-1]

    monkeypatch.setattr(threading, "Lock", lock)
    f2b.report("10.0.0.1")

    room = f2b._pump._room
    assert isinstance(room, WaitingRoom)
    assert room._turn in made
    assert f2b.close(20)


def test_the_http_client_of_boto3_takes_the_patched_class_for_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    class Older:
        pass

    class Patched(Older):
        pass

    client, other = types.ModuleType("urllib3.util.ssl_"), types.ModuleType("application")
    for module in (client, other):
        module.SSLContext = Older  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("ssl.SSLContext", Patched)

    finish_ssl()

    assert client.SSLContext is Patched
    assert other.SSLContext is Older


@pytest.mark.parametrize(("waited_s", "runs"), [(20.0, True), (60.0, False)])
def test_a_thread_that_leaves_the_oldest_waiting_does_not_run(
    waited_s: float, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    f2b = Producer("memory:", client=RecordingClient(), linger_s=10)
    f2b.report("10.0.0.1")
    monkeypatch.setattr("f2b_producer._pump.wall_s", lambda: time.time() + waited_s)

    assert f2b.health().thread_alive is runs
    assert f2b.health().ok is runs
    assert f2b.close(20)
