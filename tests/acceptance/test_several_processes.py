"""`f2b-shim --workers`: a process that dies, hangs or cannot start, and what its parent makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from demo.fleet import eventually, free_port
from f2b_worker.shim.serve import STOP_WITHIN_S
from f2b_worker.shim.several import LAST_WORDS_S
from tests.acceptance.processes import children_of
from tests.acceptance.stops import ENDS_WITHIN_S, start_all
from tests.log_lines import logged

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet


def test_a_stop_ends_in_time_although_a_process_hangs_and_says_so(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shim = start_all(fleet, "2", log=log)
    hanging, _ = children_of(shim.pid)
    os.kill(hanging, signal.SIGSTOP)
    began_s = time.monotonic()
    shim.terminate()
    assert shim.wait(STOP_WITHIN_S + LAST_WORDS_S + 3) == 0
    assert time.monotonic() - began_s >= STOP_WITHIN_S, "whoever still answers had no time"
    (line,) = logged(log, "stopped_late")
    assert line["parts"] in (["shim-0"], ["shim-1"])
    assert not os.path.exists(f"/proc/{hanging}")  # noqa: PTH110


def test_a_second_ctrl_c_ends_a_long_drain_although_a_process_hangs(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shim = start_all(fleet, "2", "--drain-s", "600", log=log)
    hanging, _ = children_of(shim.pid)
    os.kill(hanging, signal.SIGSTOP)
    shim.send_signal(signal.SIGINT)
    eventually(lambda: len(logged(log, "draining")) == 1, "the other one drains", 30)
    shim.send_signal(signal.SIGINT)
    assert shim.wait(STOP_WITHIN_S + LAST_WORDS_S + 3) == 0
    assert logged(log, "stopped_late")


def test_a_process_that_is_killed_is_told_with_its_exit_code_and_replaced(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shim = start_all(fleet, "2", log=log)
    before = children_of(shim.pid)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: bool(logged(log, "worker_died")), "it is told", 10)
    (line,) = logged(log, "worker_died")
    assert (line["exit_code"], line["restart_in_s"]) == (-signal.SIGKILL, 1)
    eventually(lambda: len({*children_of(shim.pid)} - {*before}) == 1, "it is replaced", 30)
    shim.terminate()
    assert shim.wait(ENDS_WITHIN_S) == 0
    assert len(logged(log, "worker_died")) == 1


def test_processes_that_cannot_start_end_the_shim_with_one_line_and_the_code_of_a_start_error() -> None:
    command = [sys.executable, "-m", "tests.acceptance.failing_outboxes", str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 5
    assert ended.stdout.splitlines()[-1] == "AWS credentials: none were found"
    assert "Traceback" not in ended.stdout + ended.stderr
