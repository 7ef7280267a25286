from __future__ import annotations

import signal
import subprocess
import sys

SPAWNS_THE_FIRST_OF_ALL = """
import signal, subprocess
from multiprocessing import get_context
from f2b_worker.signals import STOPS, blocked

if __name__ == "__main__":
    with blocked(*STOPS):
        of_mask = ["grep", "SigBlk", "/proc/self/status"]
        child = get_context("spawn").Process(target=subprocess.run, args=(of_mask,))
        child.start()
    child.join()
"""

TAKES_WHAT_CAME = """
import signal
from f2b_worker.signals import Signals

signals = Signals()
print(signals.take_now())
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM):
    signal.raise_signal(number)
print(signals.take_now() == {signal.SIGTERM, signal.SIGUSR1}, signals.take_now())
"""


def test_signals_that_came_are_taken_once_and_nobody_waits_for_more() -> None:
    done = subprocess.run([sys.executable, "-c", TAKES_WHAT_CAME], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\nTrue set()\n"


def test_the_first_process_that_multiprocessing_spawns_has_the_signals_blocked_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPAWNS_THE_FIRST_OF_ALL], capture_output=True, text=True, check=True
    )

    mask = int(done.stdout.removeprefix("SigBlk:"), 16)
    assert all(mask & 1 << number - 1 for number in (signal.SIGTERM, signal.SIGINT))
