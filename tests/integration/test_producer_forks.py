"""Forks while the producer loads, and forks of which Python is not told."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.file_queue import ROOT, arrived, run

FORKED_LOAD = ROOT / "tests" / "forked_load.py"


@pytest.mark.parametrize("after_s", [0.0, 0.04, 0.1, 0.2, 0.4])
def test_a_child_that_is_forked_while_boto3_is_loaded_can_send(after_s: float, tmp_path: Path) -> None:
    queue = tmp_path / "queue"
    command: list[str | Path] = [sys.executable, FORKED_LOAD, queue, str(after_s)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
    assert arrived(queue) == ["10.0.0.1", "10.0.0.2"]


# Loads for as long as it is told to, as boto3 does on a busy machine.
SLOW = """
import contextlib, os, subprocess, sys, threading
from f2b_producer import Producer, _loading
from tests.file_queue import FileQueue

begun, go_on = threading.Event(), threading.Event()

def load():
    with _loading.loading():
        begun.set()
        go_on.wait()

loader = threading.Thread(target=load)
loader.start()
begun.wait()
f2b = Producer("memory:", client=FileQueue(sys.argv[1]))
f2b.report("10.0.0.1")

def fork():
    pid = os.fork()
    if pid == 0:
        f2b.report("10.0.0.2")
        os._exit(0 if f2b.flush(20) else 1)
    assert os.waitpid(pid, 0)[1] == 0
"""
END = """
go_on.set()
loader.join()
assert f2b.close(20)
"""


def test_a_fork_does_not_wait_for_ever_and_says_what_to_do(tmp_path: Path) -> None:
    queue = tmp_path / "queue"

    ended = run(SLOW + "_loading.FORK_WAIT_S = 0.01\nfork()\n" + END, queue)

    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert "the child may be unable to send. Call warm_up() before you fork" in ended.stderr
    assert arrived(queue) == ["10.0.0.1", "10.0.0.2"]


def test_programs_are_started_while_boto3_is_loaded(tmp_path: Path) -> None:
    # A wait would never end: the load goes on only after them.
    started = (
        "_loading.FORK_WAIT_S = 3_600\n"
        "subprocess.run(['true'], check=True)\n"
        "os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)\n"
    )

    ended = run(SLOW + started + END, tmp_path / "queue")

    assert ended.returncode == 0, ended.stderr


def test_what_is_loaded_may_fork_itself(tmp_path: Path) -> None:
    itself = "go_on.set()\nloader.join()\n_loading.FORK_WAIT_S = 3_600\nwith _loading.loading(): fork()\n"

    ended = run(SLOW + itself + END, tmp_path / "queue")

    assert ended.returncode == 0, ended.stderr
    assert arrived(tmp_path / "queue") == ["10.0.0.1", "10.0.0.2"]


def test_names_of_hosts_can_be_looked_up_before_a_client_looks_one_up(tmp_path: Path) -> None:
    script = """
import sys
from f2b_producer import Producer
from tests.file_queue import FileQueue

class Client(FileQueue):
    def send_message_batch(self, **call):
        assert "encodings.idna" in sys.modules
        return super().send_message_batch(**call)

with Producer("memory:", client=Client(sys.argv[1])) as f2b:
    f2b.report("10.0.0.1")
"""
    ended = run(script, tmp_path / "queue")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert arrived(tmp_path / "queue") == ["10.0.0.1"]


# The C library's fork, which calls none of Python's hooks. As uWSGI does it, with the interpreter held. What
# another thread holds or wants then hangs the child, so the fork waits until that thread waits. Nobody takes the
# interpreter from a thread meanwhile: one that is seen in a wait has given it up.
SILENT = """
import ctypes, os, sys, threading, time, types
sys.setswitchinterval(60)
from tests.file_queue import FileQueue

worker = 0
if "uwsgi" in sys.argv:
    sys.modules["uwsgi"] = types.SimpleNamespace(
        worker_id=lambda: worker, has_threads="threads" in sys.argv, loop="uwsgi", atexit=lambda: None
    )
from f2b_producer import Producer

f2b = Producer("memory:", client=FileQueue(sys.argv[1]), linger_s=3_599)

def waits(thread):
    return sys._current_frames()[thread.ident].f_code.co_name == "wait"

def fork():
    global worker
    while not all(waits(thread) for thread in threading.enumerate() if thread.name == "f2b-producer"):
        time.sleep(0.001)
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        sys.setswitchinterval(0.005)
        worker = 1
        return True
    assert os.waitpid(pid, 0)[1] == 0
    return False

def child():
    f2b.report("10.0.0.2")
    f2b.report("10.0.0.3")
    ok = f2b.flush(20) and f2b.stats().sent == 2
    os._exit(0 if ok else 1)
"""


def test_in_uwsgi_a_child_finds_out_that_it_is_one(tmp_path: Path) -> None:
    queue = tmp_path / "queue"
    # Twice, so that the bell has been rung and was not heard: all that it tells the child is the parent's.
    script = SILENT + (
        "worker = 1\n"
        "f2b.report('10.0.0.1'); f2b.report('10.0.0.1')\n"
        "if fork(): child()\n"
        "if fork(): child()\n"
        "assert f2b.close(20)\n"
    )
    ended = run(script, queue, "uwsgi", "threads")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert arrived(queue) == ["10.0.0.1"] * 2 + ["10.0.0.2"] * 2 + ["10.0.0.3"] * 2


def test_a_child_of_a_silent_fork_sends_although_its_parent_was_loading(tmp_path: Path) -> None:
    script = SILENT + "from f2b_producer import _loading\nwith _loading.loading():\n    if fork(): child()\n"

    ended = run(script, tmp_path / "queue")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert arrived(tmp_path / "queue") == ["10.0.0.2", "10.0.0.3"]


def test_elsewhere_a_child_finds_out_when_its_thread_should_wake(tmp_path: Path) -> None:
    queue = tmp_path / "queue"
    script = SILENT + "f2b.report('10.0.0.1')\nassert f2b.flush(20)\nif fork(): child()\nassert f2b.close(20)\n"

    ended = run(script, queue)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert arrived(queue) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_counts_and_health_of_such_a_child_are_its_own(tmp_path: Path) -> None:
    script = SILENT + (
        "f2b.report('10.0.0.1')\n"
        "if fork(): os._exit(f2b.stats().accepted or f2b.health().thread_alive)\n"
        "assert f2b.close(20)\n"
    )
    assert run(script, tmp_path / "queue").returncode == 0


def test_without_threads_uwsgi_is_told_once_which_option_is_missing(tmp_path: Path) -> None:
    script = SILENT + "worker = 1\nfor _ in range(3): f2b.report('10.0.0.1')\nassert f2b.close(20)\n"

    ended = run(script, tmp_path / "queue", "uwsgi")

    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("Set enable-threads = true") == len(ended.stderr.splitlines()) == 1


def test_with_threads_uwsgi_is_told_nothing(tmp_path: Path) -> None:
    script = SILENT + "worker = 1\nf2b.report('10.0.0.1')\nassert f2b.close(20)\n"

    ended = run(script, tmp_path / "queue", "uwsgi", "threads")

    assert (ended.returncode, ended.stderr) == (0, "")


def test_while_uwsgi_loads_the_application_no_thread_is_started_and_reports_are_sent(tmp_path: Path) -> None:
    # uWSGI forks its workers from there, and a thread that waits for the interpreter then would hang them.
    script = SILENT + (
        "import threading\n"
        "f2b.report('10.0.0.1')\n"
        "f2b.report('10.0.0.2')\n"
        "assert threading.active_count() == 1\n"
        "os._exit(0)\n"
    )
    ended = run(script, tmp_path / "queue", "uwsgi")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert arrived(tmp_path / "queue") == ["10.0.0.1", "10.0.0.2"]
