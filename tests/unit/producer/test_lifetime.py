import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import f2b_producer
from f2b_producer import Producer
from f2b_producer.testing import RecordingClient, unpack

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
forks_with_threads = pytest.mark.filterwarnings(
    # Python 3.12 warns of exactly what is tested here: a fork while the sending thread runs.
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"
)

FILE_CLIENT = """
import os, sys
from f2b_producer import Producer
from f2b_producer.testing import RecordingClient

class FileClient(RecordingClient):
    def send_message_batch(self, *, QueueUrl, Entries):
        answer = super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
        with open(sys.argv[1], "a") as file:
            file.writelines(entry["MessageBody"] + "\\n" for entry in Entries)
        return answer
"""


class FileClient(RecordingClient):
    """Appends bodies to a file that processes share."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803
        answer = super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
        with self.path.open("a") as file:
            file.writelines(entry["MessageBody"] + "\n" for entry in Entries)
        return answer


def arrived(path: Path) -> list[str]:
    return sorted(seen.ip for line in path.read_text().splitlines() for seen in unpack(line))


def run(script: str, *args: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def in_child(work: Callable[[], bool]) -> bool:
    """Do *work* in a forked child and return whether it returned True."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


@forks
@forks_with_threads
def test_after_a_fork_parent_and_child_each_send_their_own_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "bodies"
    f2b = Producer("memory:", client=FileClient(path), linger_s=3_599)
    f2b.report("10.0.0.1")  # starts the thread, which lingers: buffered at the time of the fork

    def child() -> bool:
        empty = f2b.stats().accepted == f2b.stats().buffered == 0
        f2b.report("10.0.0.2")
        return empty and f2b.flush(20) and f2b.stats().sent == 1 and f2b.close(20)

    assert in_child(child)
    assert in_child(child)
    f2b.report("10.0.0.3")
    assert f2b.close(20)
    assert f2b.stats().sent == 2
    assert arrived(path) == ["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3"]
    ids = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert len(set(ids)) == len(ids) == 3


NOISY_FORKS = (
    FILE_CLIENT
    + """
import threading

parent_client, child_client = RecordingClient(), FileClient()
f2b = Producer("memory:", client=parent_client, linger_s=0)
stop = threading.Event()

def noise():
    while not stop.is_set():
        f2b.report("10.0.0.1")

def child():
    child_client.__init__()  # its lock may be held for ever
    f2b.report("10.0.0.2")
    return f2b.close(20)

thread = threading.Thread(target=noise)
thread.start()
f2b._pump._sender._given = child_client
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if child() else 1)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
thread.join()
assert f2b.close(20)
"""
)


@forks
def test_a_fork_in_the_middle_of_reports_and_sends_never_hangs_the_child(tmp_path: Path) -> None:
    path = tmp_path / "bodies"
    # Without coverage: its own lock may be held by another thread at the time of the fork, and stays so.
    measured = [name for name in os.environ if name.startswith("COVERAGE")]
    environment = {name: value for name, value in os.environ.items() if name not in measured}

    ended = run(NOISY_FORKS, str(path), environment=environment)

    assert ended.returncode == 0, ended.stderr
    assert arrived(path) == ["10.0.0.2"] * 20


@forks
@forks_with_threads
def test_a_forked_child_makes_a_client_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def connect(_queue_url: str) -> RecordingClient:
        made.append(os.getpid())
        return RecordingClient()

    monkeypatch.setattr("f2b_producer._sender.connect", connect)
    f2b = Producer("memory:", linger_s=0)
    assert made == []
    f2b.report("10.0.0.1")
    assert f2b.flush(20)

    def child() -> bool:
        f2b.report("10.0.0.2")
        return f2b.close(20) and made == [os.getppid(), os.getpid()]

    assert in_child(child)
    assert f2b.close(20)
    assert made == [os.getpid()]


def test_a_process_that_just_ends_has_sent_everything(tmp_path: Path) -> None:
    path = tmp_path / "bodies"
    script = FILE_CLIENT + (
        "f2b = Producer('memory:', client=FileClient(), linger_s=3_599)\n"
        "for i in range(1_000): f2b.report(f'10.0.{i >> 8}.{i & 255}')\n"
    )
    done = run(script, str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(arrived(path)) == 1_000


def test_the_first_report_may_come_when_the_process_is_already_ending(tmp_path: Path) -> None:
    path = tmp_path / "bodies"
    script = FILE_CLIENT + (
        "import atexit\nf2b = Producer('memory:', client=FileClient())\natexit.register(f2b.report, '10.0.0.1')\n"
    )
    done = run(script, str(path))
    assert done.returncode == 0
    assert arrived(path) == ["10.0.0.1"]


def test_the_end_of_a_process_is_bounded_and_says_what_was_left_behind(tmp_path: Path) -> None:
    script = FILE_CLIENT + (
        "client = FileClient()\n"
        "client.down = ConnectionError('away')\n"
        "f2b = Producer('memory:', client=client, flush_timeout_s=0.2)\n"
        "import atexit; atexit.register(lambda: sys.stdout.write(repr(f2b.stats())))\n"
        "for i in range(3): f2b.report('10.0.0.1')\n"
        "import f2b_producer._lifetime as c; atexit.unregister(c._end_process); atexit.register(c._end_process)\n"
    )
    done = run(script, str(tmp_path / "bodies"))
    assert done.returncode == 0
    assert "closed with 3 infractions unsent: ConnectionError: away" in done.stderr
    assert "sent=0" in done.stdout


TALKS_AT_THE_END = """
import atexit, sys, threading, time
sending, over, talking = threading.Event(), threading.Event(), threading.Event()

def end():  # after the hooks of `logging` and of the producer, for it was registered before
    over.set()
    while not talking.is_set() and any(thread.name == "f2b-producer" for thread in threading.enumerate()):
        time.sleep(0.001)

atexit.register(end)
import logging
from f2b_producer import Producer

class Talking(logging.Handler):
    def emit(self, record):
        while over.is_set():
            sys.stderr.write("still sending\\n")
            talking.set()

class Away:
    def send_message_batch(self, **call):
        sending.set()
        over.wait()
        raise ConnectionError("away")

logging.getLogger("f2b_producer").addHandler(Talking())
f2b = Producer("memory:", client=Away(), flush_timeout_s=0)
f2b.report("10.0.0.1")
sending.wait()
"""


def test_a_sending_thread_that_the_end_overtakes_says_nothing_more_and_aborts_no_process() -> None:
    """Killed in the middle of a line it keeps the lock of standard error, which Python flushes last."""
    done = run(TALKS_AT_THE_END, environment={**os.environ, "PYTHONUNBUFFERED": ""})
    assert (done.returncode, done.stderr) == (0, "")


def test_boto3_can_be_loaded_by_a_script_that_ends_right_after_its_first_report(tmp_path: Path) -> None:
    path = tmp_path / "bodies"
    script = FILE_CLIENT + (
        "from f2b_producer import _sender\n"
        "connect = _sender.connect\n"
        "_sender.connect = lambda url: (connect(url), FileClient())[1]  # no socket\n"
        "url = 'https://sqs.eu-west-1.amazonaws.com/123456789012/f2b'\n"
        "f2b = Producer(url, flush_timeout_s=30)\n"
        "f2b.report('10.0.0.1')\n"
    )
    done = run(script, str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert arrived(path) == ["10.0.0.1"]


def test_without_boto3_one_line_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['botocore'] = None\n"
        "from f2b_producer import Producer\n"
        "f2b = Producer('memory:', linger_s=0)\n"
        "f2b.report('10.0.0.1'); f2b.flush(1); f2b.close(0)\n"
        "sys.exit(f2b.stats().send_errors == 0)\n"
    )
    done = run(script)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "cannot send, will go on trying: MissingBoto3Error: boto3 is not installed: pip install" in lines[0]
    assert "closed with 1 infractions unsent" in lines[1]


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter loads for *statement*, without its own at start."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True, env=WITHOUT_SITE
    )
    return set(done.stdout.split())


WITHOUT_SITE = {"PYTHONPATH": str(Path(f2b_producer.__file__).parents[1])}  # nothing else is there to be found


def test_importing_the_package_loads_its_front_and_little_of_the_standard_library() -> None:
    loaded = loaded_by("import f2b_producer")
    own = {"f2b_producer", "f2b_producer._client", "f2b_producer._infraction"}
    assert loaded - own <= {"__future__", "_socket", "types"}


def test_a_producer_needs_nothing_but_the_standard_library_and_loads_nothing_heavy() -> None:
    loaded = loaded_by("import f2b_producer; f2b_producer.Producer('memory:').report('203.0.113.7')")
    heavy = {
        "boto3",
        "botocore",
        "asyncio",
        "ssl",
        "socketserver",
        "http",
        "argparse",
        "concurrent",
        "dataclasses",
    }
    assert "f2b_producer._pump" in loaded
    assert not loaded & heavy


def test_the_public_names_are_there_although_some_are_loaded_late() -> None:
    assert [getattr(f2b_producer, name).__name__ for name in ("Health", "Producer", "QueueClient", "Stats")] == [
        *("Health", "Producer", "QueueClient", "Stats")
    ]
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = f2b_producer.Nothing


def test_making_a_producer_starts_no_thread_and_makes_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("f2b_producer._sender.connect", lambda _: pytest.fail("connected"))
    before = threading.active_count()
    f2b = Producer("memory:")
    assert threading.active_count() == before
    assert f2b.flush(0)
    assert f2b.close()


def test_a_producer_that_was_warmed_up_makes_no_second_client(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[RecordingClient] = []

    def connect(_queue_url: str) -> RecordingClient:
        made.append(RecordingClient())
        return made[-1]

    monkeypatch.setattr("f2b_producer._sender.connect", connect)
    with Producer("memory:") as f2b:
        assert f2b.warm_up()
        assert f2b.warm_up()
        f2b.report("10.0.0.1")
        assert f2b.flush()
    assert [len(client.calls) for client in made] == [1]


def test_a_producer_that_cannot_be_warmed_up_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(_queue_url: str) -> RecordingClient:
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr("f2b_producer._sender.connect", connect)
        f2b = Producer("memory:")
        assert not f2b.warm_up()
    monkeypatch.setattr("f2b_producer._sender.connect", lambda _: RecordingClient())
    f2b.report("10.0.0.1")
    assert f2b.close(20)


def test_after_close_a_report_is_refused_as_closed() -> None:
    queue = RecordingClient()
    f2b = Producer("memory:", client=queue)
    f2b.report("10.0.0.1")
    assert f2b.close()
    f2b.report("10.0.0.2")
    assert f2b.stats().refused == {"closed": 1}
    assert f2b.close()
    assert [seen.ip for seen in queue.infractions()] == ["10.0.0.1"]


def test_close_counts_what_it_leaves_behind(caplog: pytest.LogCaptureFixture) -> None:
    queue = RecordingClient()
    queue.down = ConnectionError("away")
    f2b = Producer("memory:", client=queue, linger_s=3_599)
    f2b.report("10.0.0.1")
    f2b.report("10.0.0.2")
    thread = f2b._pump._thread
    assert thread is not None
    assert not f2b.close(0.2)
    thread.join(20)
    stats = f2b.stats()
    assert (stats.accepted, stats.sent, stats.dropped, stats.buffered) == (2, 0, 2, 0)
    assert "closed with 2 infractions unsent" in caplog.text


def test_close_ends_the_thread() -> None:
    f2b = Producer("memory:", client=RecordingClient())
    f2b.report("10.0.0.1")
    thread = f2b._pump._thread
    assert thread is not None
    assert thread.daemon
    assert f2b.close()
    thread.join(20)
    assert not thread.is_alive()


def test_a_producer_that_nobody_holds_sends_its_rest_and_is_collected() -> None:
    queue = RecordingClient()
    f2b = Producer("memory:", client=queue, linger_s=3_599)
    f2b.report("10.0.0.1")
    thread = f2b._pump._thread
    assert thread is not None
    pump = weakref.ref(f2b._pump)
    del f2b
    gc.collect()
    thread.join(20)
    assert not thread.is_alive()
    del thread
    gc.collect()
    assert pump() is None
    assert [seen.ip for seen in queue.infractions()] == ["10.0.0.1"]


def test_a_flush_sends_by_itself_when_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    queue = RecordingClient()
    f2b = Producer("memory:", client=queue)
    f2b.report("10.0.0.1")
    f2b.report("10.0.0.2")
    assert f2b.flush()
    assert [seen.ip for seen in queue.infractions()] == ["10.0.0.1", "10.0.0.2"]
    assert caplog.text.count("cannot start the sending thread") == 1
    assert f2b.close()


def test_a_thread_that_could_not_be_started_is_started_by_the_next_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    queue = RecordingClient()
    f2b = Producer("memory:", client=queue)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        f2b.report("10.0.0.1")
    f2b.report("10.0.0.2")
    assert f2b._pump._thread is not None
    assert f2b.close(20)
    assert [seen.ip for seen in queue.infractions()] == ["10.0.0.1", "10.0.0.2"]
