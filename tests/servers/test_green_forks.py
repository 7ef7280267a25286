"""Green threads live on in a forked child, also the one that was sending for the parent."""

from pathlib import Path

import pytest

from tests.file_queue import arrived, run

PROGRAM = """
import importlib, sys, time
kind = sys.argv[2]
if kind == "gevent":
    importlib.import_module("gevent.monkey").patch_all()
else:
    importlib.import_module("eventlet").monkey_patch()
import os
from f2b_producer import Producer
from tests.file_queue import FileQueue

class Slow(FileQueue):
    inside = 0
    def send_message_batch(self, **call):
        parent = os.getpid()
        Slow.inside += 1
        time.sleep(0.3)
        if os.getpid() != parent:
            return {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]]}  # what the parent hears
        return super().send_message_batch(**call)

f2b = Producer("memory:", client=Slow(sys.argv[1]), linger_s=0)
f2b.report("10.0.0.1")
while not Slow.inside:
    time.sleep(0.001)
pid = os.fork()
if pid == 0:
    time.sleep(0.5)  # the parent's sending has ended in here, too
    f2b.report("10.0.0.2")
    ok = f2b.flush(20)
    stats = f2b.stats()
    os._exit(0 if ok and (stats.accepted, stats.sent, stats.buffered) == (1, 1, 0) else 1)
status = os.waitpid(pid, 0)[1]
sys.exit(0 if f2b.close(20) and status == 0 else 1)
"""


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
def test_a_child_that_is_forked_in_the_middle_of_a_send_counts_only_its_own(kind: str, tmp_path: Path) -> None:
    queue = tmp_path / "queue"

    ended = run("import warnings; warnings.simplefilter('ignore')\n" + PROGRAM, queue, kind)

    assert ended.returncode == 0, ended.stderr
    assert arrived(queue) == ["10.0.0.1", "10.0.0.2"]
