"""What is otherwise under uWSGI. Its module is in its own processes only; tests/servers has the real one."""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from f2b_producer import Producer
from f2b_producer.testing import RecordingClient
from tests.file_queue import arrived, run

# What uWSGI does at the end of a worker with a gevent loop, where Python's exit hooks do not run.
ENDING = """
import os, signal, sys
from types import ModuleType
from tests.file_queue import FileQueue

class Queue(FileQueue):
    def send_message_batch(self, **call):
        for number in {signals}:
            signal.raise_signal(number)
        return super().send_message_batch(**call)

sys.modules["uwsgi"] = uwsgi = ModuleType("uwsgi")
uwsgi.worker_id, uwsgi.has_threads, uwsgi.loop = (lambda: 1), 1, None
{before}
from f2b_producer import Producer
f2b = Producer("memory:", client=Queue(sys.argv[1]), linger_s=3_599)
other = Producer("memory:", client=Queue(sys.argv[1]), linger_s=3_599)
f2b.report("10.0.0.1")
try:
    uwsgi.atexit()
finally:
    os._exit(7)
"""


class InThread(RecordingClient):
    """Remembers who sent."""

    def __init__(self) -> None:
        super().__init__()
        self.senders: set[threading.Thread] = set()

    def send_message_batch(self, **call: Any) -> dict[str, Any]:
        self.senders.add(threading.current_thread())
        return super().send_message_batch(**call)


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    module = SimpleNamespace(worker_id=lambda: 0, has_threads=1, loop=None)
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    return module


@pytest.mark.usefixtures("uwsgi")
def test_a_report_at_the_load_of_the_application_is_sent_when_it_returns_and_starts_no_thread() -> None:
    f2b = Producer("memory:", client=(queue := InThread()))
    for number in (1, 2):
        f2b.report(f"10.0.0.{number}")
        assert f2b.stats()[:2] == (number, number)
    assert queue.senders == {threading.current_thread()}
    assert f2b.close()


@pytest.mark.usefixtures("uwsgi")
def test_what_could_not_be_sent_at_the_load_is_sent_with_the_next_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("f2b_producer._uwsgi.LOADING_WAITS_S", 0.0)
    f2b = Producer("memory:", client=(queue := RecordingClient()))
    queue.down = ConnectionError("away")
    f2b.report("10.0.0.1")
    assert f2b.stats().buffered == 1
    queue.down = None
    f2b.report("10.0.0.2")
    f2b.report("10.0.0.3")
    assert sorted(seen.ip for seen in queue.infractions()) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert f2b.close()


def test_a_worker_sends_in_a_thread_of_its_own(uwsgi: SimpleNamespace) -> None:
    uwsgi.worker_id = lambda: 1
    f2b = Producer("memory:", client=(queue := InThread()), linger_s=0)
    f2b.report("10.0.0.1")
    assert f2b.flush(60)
    assert [each.name for each in queue.senders] == ["f2b-producer"]
    assert f2b.close()


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("", ""),
        ("uwsgi.atexit = lambda: print('bye')", "bye\n"),
        ("def atexit():\n    print('bye'); raise ValueError\nuwsgi.atexit = atexit", "bye\n"),
    ],
)
def test_the_end_of_a_worker_calls_the_hook_that_was_there_and_sends_the_rest_whatever_that_does(
    before: str, said: str, tmp_path: Path
) -> None:
    ended = run(
        ENDING.format(before=f"{before}\nsys.stdout.reconfigure(line_buffering=True)", signals=()),
        tmp_path / "queue",
    )

    assert (ended.returncode, ended.stdout) == (7, said), ended.stderr
    assert arrived(tmp_path / "queue") == ["10.0.0.1"]


def test_a_signal_that_comes_while_a_worker_sends_at_its_end_does_not_cut_that_short(tmp_path: Path) -> None:
    signals = "(signal.SIGHUP, signal.SIGINT, signal.SIGTERM)"

    ended = run(ENDING.format(before="", signals=signals), tmp_path / "queue")

    assert ended.returncode == 7, ended.stderr
    assert arrived(tmp_path / "queue") == ["10.0.0.1"]
