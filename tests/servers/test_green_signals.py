"""A signal may come while our green thread runs, which is one of the main thread: it stops the server."""

import signal
from pathlib import Path

import pytest

from tests.file_queue import arrived, run

PROGRAM = """
import importlib, logging, signal, sys, time, warnings
warnings.simplefilter("ignore")
queue, kind, number, where = sys.argv[1:]
if kind == "gevent":
    importlib.import_module("gevent.monkey").patch_all()
else:
    importlib.import_module("eventlet").monkey_patch()
from f2b_producer import Producer
from tests.file_queue import FileQueue

def interrupt(here):
    global where
    if here == where:
        where = ""
        signal.raise_signal(signal.Signals(int(number)))

class Interrupted(FileQueue):
    def send_message_batch(self, **call):
        interrupt("send")
        if where == "log":
            raise ConnectionError("away")
        return super().send_message_batch(**call)

class Interrupting(logging.Handler):
    def emit(self, record):
        interrupt("log")

logging.getLogger("f2b_producer").addHandler(Interrupting())
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
f2b = Producer("memory:", client=Interrupted(queue), linger_s=0, send_at_sigterm=where == "handler")
f2b.report("10.0.0.1")
if where == "handler":
    interrupt("handler")
time.sleep(20)  # as the loop of a server
print("it goes on serving")
"""


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
@pytest.mark.parametrize(
    ("number", "where", "status"),
    [
        (signal.SIGINT, "send", -signal.SIGINT),
        (signal.SIGTERM, "send", 7),
        (signal.SIGINT, "log", -signal.SIGINT),
        (signal.SIGTERM, "log", 7),
        (signal.SIGTERM, "handler", 7),
    ],
)
def test_what_a_signal_raises_in_the_sending_greenlet_ends_the_program_and_the_exit_sends_the_rest(
    kind: str, number: signal.Signals, where: str, status: int, tmp_path: Path
) -> None:
    queue = tmp_path / "queue"

    ended = run(PROGRAM, queue, kind, int(number), where)

    assert (ended.returncode, ended.stdout) == (status, ""), ended.stderr
    assert arrived(queue) == ["10.0.0.1"]
    assert "the sending thread has ended" not in ended.stderr
