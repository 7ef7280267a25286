"""Children that end without exit hooks, as those of multiprocessing do: what they reported arrives."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.file_queue import ROOT, arrived

# A module, as an application's is: children that are not forked import it.
APPLICATION = """
import multiprocessing, os, signal, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from f2b_producer import Producer
from f2b_producer.testing import RecordingClient
from tests.file_queue import FileQueue

class Away(RecordingClient):
    def send_message_batch(self, **call):
        raise ConnectionError("away")

queue = Away() if "away" in sys.argv else FileQueue(os.environ["QUEUE"])
f2b = Producer("memory:", client=queue, linger_s=3_599, send_at_sigterm="sigterm" in sys.argv)
threads = ThreadPoolExecutor(1)

def work(i):
    f2b.report(f"10.0.0.{i}")

def work_after_the_end(i):
    work(i + 3)
    def later():
        time.sleep(0.2)  # when the main thread has ended, and waits for this one
        work(i)
    threading.Thread(target=later).start()
    threads.submit(later)

def fail(i):
    work(i)
    sys.exit(3)

def interrupted(i):
    work(i)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

def processes(context, target=work):
    children = [context.Process(target=target, args=(i,)) for i in range(3)]
    for child in children: child.start()
    for child in children: child.join()
    print(*{child.exitcode for child in children})

def failing(context): processes(context, fail)
def with_threads(context): processes(context, work_after_the_end)
def with_sigterm(context): processes(context, interrupted)

def pool(context, **settings):
    pool = context.Pool(2, **settings)
    pool.map(work, range(3), chunksize=1)
    pool.close()
    pool.join()

def recycling_pool(context): pool(context, maxtasksperchild=1)

def terminated_pool(context):
    with context.Pool(2) as pool:
        pool.map(work, range(3), chunksize=1)
        # A child that is about to wait for its next task misses a handled signal: a gap in Python's SemLock,
        # between its look for signals and sem_wait. Then terminate() hangs, without a producer, too.
        time.sleep(0.5)

def executor(context):
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(work, range(3)))

if __name__ == "__main__":
    globals()[sys.argv[2]](multiprocessing.get_context(sys.argv[1]))
"""
IPS = ["10.0.0.0", "10.0.0.1", "10.0.0.2"]
METHODS = ["fork", "spawn", "forkserver"]


class Children:
    """What children said and what of theirs arrived."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        application, queue = folder / "application.py", folder / "queue"
        application.write_text(APPLICATION)
        environment = os.environ | {"QUEUE": str(queue), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, str(application), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.arrived = arrived(queue)


@pytest.mark.parametrize("method", METHODS)
def test_a_process_sends_what_it_reported(tmp_path: Path, method: str) -> None:
    children = Children(tmp_path, method, "processes")
    assert (children.code, children.out, children.err) == (0, "0\n", "")
    assert children.arrived == IPS


@pytest.mark.parametrize("method", METHODS)
def test_the_processes_of_a_pool_send_what_they_reported(tmp_path: Path, method: str) -> None:
    children = Children(tmp_path, method, "pool")
    assert (children.code, children.err) == (0, "")
    assert children.arrived == IPS


@pytest.mark.parametrize("method", METHODS)
def test_the_processes_of_an_executor_send_what_they_reported(tmp_path: Path, method: str) -> None:
    children = Children(tmp_path, method, "executor")
    assert (children.code, children.err) == (0, "")
    assert children.arrived == IPS


def test_a_process_of_a_pool_that_is_replaced_sends_what_it_reported(tmp_path: Path) -> None:
    assert Children(tmp_path, "fork", "recycling_pool").arrived == IPS


def test_a_process_that_ends_by_an_exit_code_sends_what_it_reported_and_keeps_the_code(tmp_path: Path) -> None:
    children = Children(tmp_path, "fork", "failing")
    assert children.out == "3\n"
    assert children.arrived == IPS


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_threads_report_that_a_process_waits_for_at_its_end_is_sent(tmp_path: Path, method: str) -> None:
    children = Children(tmp_path, method, "with_threads")
    assert children.err == ""
    assert children.arrived == sorted([*IPS, *IPS, "10.0.0.3", "10.0.0.4", "10.0.0.5"])


def test_a_terminated_process_sends_what_it_reported_if_it_is_asked_to(tmp_path: Path) -> None:
    children = Children(tmp_path, "fork", "with_sigterm", "sigterm")
    assert children.out == f"{-signal.SIGTERM}\n"
    assert children.arrived == IPS


def test_a_terminated_pool_sends_what_it_reported_if_it_is_asked_to(tmp_path: Path) -> None:
    children = Children(tmp_path, "fork", "terminated_pool", "sigterm")
    assert (children.code, children.err) == (0, "")
    assert children.arrived == IPS


def test_a_process_that_cannot_send_says_at_its_end_what_it_leaves(tmp_path: Path) -> None:
    children = Children(tmp_path, "fork", "processes", "away")
    lines = [line for line in children.err.splitlines() if "unsent" in line]
    assert lines == ["closed with 1 infractions unsent: ConnectionError: away"] * 3
