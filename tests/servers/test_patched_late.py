"""gevent and eventlet patch a program in which the producer has been imported, made, warmed up or used before."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.file_queue import ROOT, arrived

PROGRAM = ROOT / "tests" / "servers" / "patched.py"
CASES = ["made", "warm", "used", "forked", "warm forked", "used forked", "used patched forked"]


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
@pytest.mark.parametrize("case", CASES)
def test_what_green_threads_report_arrives_once(kind: str, case: str, tmp_path: Path) -> None:
    queue = tmp_path / "queue"
    # Both warn of what is tested here; eventlet of itself, too.
    command: list[str | Path] = [sys.executable, "-W", "ignore", PROGRAM, kind, case, queue]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    expected = [f"10.0.0.{number}" for number in range(105)] + ["10.0.1.0"] * ("used" in case)
    assert arrived(queue) == sorted(expected)


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
def test_a_program_that_reports_nothing_after_the_patch_ends_at_once_and_without_a_word(
    kind: str, tmp_path: Path
) -> None:
    queue = tmp_path / "queue"
    command: list[str | Path] = [sys.executable, "-W", "ignore", PROGRAM, kind, "used quiet", queue]

    # The end of the process may take 20 s where it waits for a thread that never leaves.
    ended = subprocess.run(command, capture_output=True, text=True, timeout=19, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert arrived(queue) == ["10.0.1.0"]
