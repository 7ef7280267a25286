"""SIGTERM and Ctrl-C at the end of real processes."""

import signal
import subprocess
from pathlib import Path

import pytest

from f2b_producer import Producer
from f2b_producer.testing import RecordingClient
from tests.file_queue import arrived, run, start

START = """
import os, signal, sys, threading, time
from f2b_producer import Producer
from f2b_producer.testing import RecordingClient
from tests.file_queue import FileQueue

queue = FileQueue(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it

class Hanging(RecordingClient):
    def send_message_batch(self, **call):
        os.write(1, b"asked\\n")  # no lock of a file: this thread may be killed meanwhile
        time.sleep(3_600)

class Away(RecordingClient):
    def send_message_batch(self, **call):
        raise ConnectionError("away")

def producer(queue=queue, **settings):
    return Producer("memory:", client=queue, linger_s=3_599, **{"send_at_sigterm": True, **settings})

def terminate():
    os.kill(os.getpid(), signal.SIGTERM)

def wait_for_ever():
    while True:
        time.sleep(3_600)
"""


def signalled(script: str, path: Path, *signals: signal.Signals) -> tuple[int, str]:
    """Run *script*, send it a signal at each "asked" that it prints, then the others; return how it ended."""
    with start(START + script, path) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "asked\n"
            for number in signals:
                process.send_signal(number)
            _, err = process.communicate(timeout=60)
        except BaseException:
            process.kill()
            raise
    return process.returncode, err


def test_sigterm_sends_what_is_buffered_and_kills_as_before(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    done = run(START + "f2b = producer(); f2b.report('10.0.0.1'); terminate(); wait_for_ever()", path)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "", "")
    assert arrived(path) == ["10.0.0.1"]


def test_a_producer_that_was_not_told_to_handles_no_signal(tmp_path: Path) -> None:
    script = "producer(send_at_sigterm=False); print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"
    assert run(START + script, tmp_path / "queue").stdout == "True\n"


def test_sigterm_does_what_the_handler_did_that_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    script = """
def handler(*given):
    print(given[0] == signal.SIGTERM, given[1] is not None, f2b.stats().sent, flush=True)
signal.signal(signal.SIGTERM, handler)
f2b = producer()
f2b.report('10.0.0.1')
terminate()
f2b.report('10.0.0.2')  # it lives on, and lingers no more
while f2b.stats().sent < 2: time.sleep(0.001)
terminate()
os._exit(3)
"""
    done = run(START + script, path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "True True 1\nTrue True 2\n", "")
    assert arrived(path) == ["10.0.0.1", "10.0.0.2"]


def test_sigterm_stays_ignored_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    script = "signal.signal(signal.SIGTERM, signal.SIG_IGN); f2b = producer(); f2b.report('10.0.0.1')"
    done = run(START + script + "; terminate(); os._exit(3)", path)
    assert (done.returncode, done.stderr) == (3, "")
    assert arrived(path) == ["10.0.0.1"]


def test_a_handler_that_a_server_sets_later_sends_when_it_does_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    script = """
f2b = producer()
before = signal.signal(signal.SIGTERM, lambda *given: before(*given))
producer()  # another one, whose handler then calls the server's, which calls the first
f2b.report('10.0.0.1')
terminate()
wait_for_ever()
"""
    assert run(START + script, path).returncode == -signal.SIGTERM
    assert arrived(path) == ["10.0.0.1"]


def test_the_second_producer_adds_no_second_handler(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    script = """
first = producer(); handler = signal.getsignal(signal.SIGTERM)
second = producer(); print(signal.getsignal(signal.SIGTERM) is handler, flush=True)
first.report('10.0.0.1'); second.report('10.0.0.2')
terminate()
"""
    assert run(START + script, path).stdout == "True\n"
    assert arrived(path) == ["10.0.0.1", "10.0.0.2"]


def test_outside_of_the_main_thread_the_setting_is_refused_with_advice(tmp_path: Path) -> None:
    script = """
def make():
    try: producer()
    except ValueError as error: print(error)
thread = threading.Thread(target=make); thread.start(); thread.join()
"""
    said = run(START + script, tmp_path / "queue").stdout
    assert said.startswith("send_at_sigterm: make the producer in the main thread")


def test_a_handler_that_is_not_pythons_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _number: None)  # as under uWSGI
    with pytest.raises(ValueError, match="the server handles SIGTERM itself"):
        Producer("memory:", client=RecordingClient(), send_at_sigterm=True)


def test_what_sigterm_could_not_send_is_told_in_one_line(tmp_path: Path) -> None:
    script = "f2b = producer(Away()); f2b.report('10.0.0.1'); f2b.report('10.0.0.2'); terminate()"
    done = run(START + script, tmp_path / "queue")
    assert done.returncode == -signal.SIGTERM
    lines = [line for line in done.stderr.splitlines() if "unsent" in line]
    assert lines == ["stopping with 2 infractions unsent: ConnectionError: away"]


def test_ctrl_c_while_sigterm_sends_ends_the_process_at_once_and_says_what_it_leaves(tmp_path: Path) -> None:
    script = "f2b = producer(Hanging(), flush_timeout_s=3_599); f2b.report('10.0.0.1'); terminate()"
    code, err = signalled(script, tmp_path / "queue", signal.SIGINT)
    assert code == -signal.SIGTERM
    assert "stopping with 1 infractions unsent: out of time" in err


def test_a_second_sigterm_while_the_first_sends_neither_ends_nor_delays_it(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    script = """
class Slow(FileQueue):
    def send_message_batch(self, **call):
        for _ in range(5): terminate()  # as systemd and a server do, each to every process
        return super().send_message_batch(**call)
f2b = producer(Slow(sys.argv[1])); f2b.report('10.0.0.1'); terminate(); wait_for_ever()
"""
    assert run(START + script, path).returncode == -signal.SIGTERM
    assert arrived(path) == ["10.0.0.1"]


@pytest.mark.parametrize("where", ["close_all", "stop_all"])
def test_sigterm_in_the_middle_of_another_last_flush_ends_the_process_with_all_sent(
    tmp_path: Path, where: str
) -> None:
    path = tmp_path / "queue"
    script = f"""
from f2b_producer._lifetime import close_all, stop_all
class Slow(FileQueue):
    def send_message_batch(self, **call):
        terminate()  # by a parent that is in a hurry, while exit hooks or lifespan.shutdown send
        time.sleep(0.2)
        return super().send_message_batch(**call)
f2b = producer(Slow(sys.argv[1])); f2b.report('10.0.0.1'); {where}(); wait_for_ever()
"""
    assert run(START + script, path).returncode == -signal.SIGTERM
    assert arrived(path) == ["10.0.0.1"]


@pytest.mark.parametrize("lock", ["Lock", "RLock"])  # that of a `queue.Queue`, and that of every log handler
def test_sigterm_that_interrupts_a_log_handler_ends_in_time_and_what_it_leaves_is_told(
    tmp_path: Path, lock: str
) -> None:
    script = f"""
import logging
mutex = threading.{lock}()
class Locking(logging.StreamHandler):
    def emit(self, record):
        with mutex:
            if record.name == "application": terminate()
            super().emit(record)
logging.basicConfig(handlers=[Locking()])
f2b = producer(Away()); f2b.report('10.0.0.1')
logging.getLogger("application").warning("hello")
"""
    done = run(START + script, tmp_path / "queue")
    assert done.returncode == -signal.SIGTERM
    lines = [line for line in done.stderr.splitlines() if "unsent" in line]
    assert lines == ["f2b_producer: stopping with 1 infractions unsent: ConnectionError: away"]


def test_a_child_that_is_forked_while_sigterm_sends_is_ended_by_a_sigterm_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    script = """
class Forking(FileQueue):
    def send_message_batch(self, **call):
        child = os.fork()
        if not child:
            terminate()
            os._exit(3)
        print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
        return super().send_message_batch(**call)
f2b = producer(Forking(sys.argv[1])); f2b.report('10.0.0.1'); terminate(); wait_for_ever()
"""
    done = run(START + script, path)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, f"{int(signal.SIGTERM)}\n")
    assert arrived(path) == ["10.0.0.1"]


def test_sigterm_that_interrupts_a_flush_without_a_thread_ends_in_time(tmp_path: Path) -> None:
    script = """
def start(self): raise RuntimeError("can't start new thread")
threading.Thread.start = start
class Interrupted(RecordingClient):
    def send_message_batch(self, **call):
        terminate()
f2b = producer(Interrupted(), flush_timeout_s=0.2)
f2b.report('10.0.0.1')
f2b.flush(60)
"""
    done = run(START + script, tmp_path / "queue")
    assert done.returncode == -signal.SIGTERM
    assert "stopping with 1 infractions unsent: out of time" in done.stderr


def test_sigterm_that_interrupts_a_look_at_the_counts_ends_in_time(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    script = """
signal.signal(signal.SIGTERM, lambda *_: None)
f2b = producer(flush_timeout_s=0.2)
f2b.report('10.0.0.1')
def interrupt(frame, event, argument):  # at every line of the look
    if event == "line" and frame.f_code.co_name == "value": terminate()
    return interrupt
sys.settrace(interrupt)
f2b.stats()
"""
    assert run(START + script, path).returncode == 0
    assert arrived(path) == ["10.0.0.1"]


def test_ctrl_c_at_the_end_of__the_wait_and_every_producer_says_what_it_leaves(
    tmp_path: Path,
) -> None:
    script = """
settings = dict(flush_timeout_s=3_599, send_at_sigterm=False)
first, second = producer(Hanging(), **settings), producer(Away(), **settings)
first.report('10.0.0.1'); second.report('10.0.0.2'); second.report('10.0.0.3')
"""
    code, err = signalled(script, tmp_path / "queue", signal.SIGINT)
    assert code == 0
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if "unsent" in line]
    assert [line.split(":")[0] for line in lines] == [
        "closed with 1 infractions unsent",
        "closed with 2 infractions unsent",
    ]


def test_ctrl_c_while_the_end_says_what_it_leaves_has_it_said_all_the_same(tmp_path: Path) -> None:
    script = """
import logging
class Interrupted(logging.StreamHandler):
    def emit(self, record):
        if "unsent" in record.getMessage() and not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)  # from a parent that passes on what the terminal sent both
        super().emit(record)
interrupted = []
logging.basicConfig(handlers=[Interrupted()])
settings = dict(flush_timeout_s=3_599, send_at_sigterm=False)
first, second = producer(Hanging(), **settings), producer(Away(), **settings)
first.report('10.0.0.1'); second.report('10.0.0.2')
"""
    _, err = signalled(script, tmp_path / "queue", signal.SIGINT)
    assert err.count("closed with 1 infractions unsent") == 2


def test_ctrl_c_in_a_close_says_what_is_left_and_goes_on_its_way(tmp_path: Path) -> None:
    script = "with producer(Hanging(), flush_timeout_s=3_599) as f2b: f2b.report('10.0.0.1')"
    code, err = signalled(script, tmp_path / "queue", signal.SIGINT)
    assert code != 0
    assert "KeyboardInterrupt" in err
    assert err.count("closed with 1 infractions unsent: out of time") == 1


def test_the_queue_in_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert arrived(tmp_path / "nothing") == []
    done = run(START + "f2b = producer(); f2b.report('10.0.0.1')", tmp_path / "queue")
    assert isinstance(done, subprocess.CompletedProcess)
    assert arrived(tmp_path / "queue") == ["10.0.0.1"]
