"""Lines on their way to standard error, over real pipes, and a process of its own that logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from f2b_worker.observe.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINE = b"0123456789abcde\n"
PIPE_BYTES = 65_536

LOGS = """
import logging, os, sys, threading, warnings
import structlog
from f2b_worker.observe import log as log_lines
log_lines.configure("info")
log = structlog.get_logger()
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)  # who writes is a daemon: it finds nobody, and tries on


def lines_to(file: int, on_drop: Callable[[], None] = lambda: None) -> Lines:
    return Lines(file, on_drop=on_drop, tell=lambda n, why: f"{n} lost: {why}\n".encode(), held_bytes_max=1600)


def read_until(reader: int, end: bytes) -> list[bytes]:
    read = b""
    while not read.endswith(end):
        read += os.read(reader, PIPE_BYTES)
    return read.splitlines(keepends=True)


def logged(script: str, **streams: int) -> subprocess.CompletedProcess[str]:
    streams = streams or {"stderr": subprocess.PIPE}
    return subprocess.run([sys.executable, "-c", LOGS + script], text=True, check=False, **streams)  # type: ignore[call-overload, no-any-return]


def test_lines_of_several_threads_all_come_each_whole_and_those_of_one_in_order(pipe: tuple[int, int]) -> None:
    lines = Lines(pipe[1], on_drop=lambda: None, tell=lambda *_: b"")

    def write(me: int) -> None:
        for number in range(500):
            lines.put(f"{me} {number}\n".encode())

    threads = [threading.Thread(target=write, args=(me,)) for me in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    lines.put(b"end\n")

    *read, _ = read_until(pipe[0], b"end\n")
    for me in range(4):
        assert [line for line in read if line.startswith(b"%d " % me)] == [
            b"%d %d\n" % (me, n) for n in range(500)
        ]


def test_what_finds_no_room_is_counted_and_said_where_it_is_missing(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    os.write(pipe[1], LINE * (PIPE_BYTES // len(LINE)))
    dropped: list[None] = []
    lines = lines_to(pipe[1], on_drop=lambda: dropped.append(None))

    for number in range(150):  # none of these calls returns before the pipe is read, if one waits for it
        lines.put(f"{number:15}\n".encode())

    assert len(dropped) == 50
    read = read_until(pipe[0], b"in time\n")
    ours = read[PIPE_BYTES // len(LINE) :]
    assert [int(line) for line in ours[:-1]] == list(range(100))
    assert ours[-1] == b"50 lost: nobody read them in time\n"
    lines.put(b"again\n")
    assert read_until(pipe[0], b"again\n") == [b"again\n"]


def test_who_waits_for_the_end_waits_no_longer_than_told(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    os.write(pipe[1], LINE * (PIPE_BYTES // len(LINE)))
    lines = lines_to(pipe[1])
    lines.put(LINE)
    assert not lines.drain(0.0)


def test_everything_that_a_process_writes_to_standard_error_is_there_when_it_has_ended() -> None:
    done = logged("""
for number in range(3000):
    log.info("banned", number=number)  # of other events some would be left out
logging.getLogger("botocore").warning("of a library")
warnings.warn("a warning")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
print("half a line", end="", file=sys.stderr)
""")
    lines = done.stderr.splitlines()
    assert [json.loads(line)["number"] for line in lines[:3000]] == list(range(3000))
    rest = "\n".join(lines[3000:])
    assert rest.startswith("of a library\n")
    for said in ("UserWarning: a warning", "ZeroDivisionError: division by zero"):
        assert said in rest
    assert rest.endswith("half a line")


@pytest.mark.parametrize("way_out", ["log_lines.finish(); os._exit(7)", "sys.exit(7)", "os.kill(os.getpid(), 15)"])
def test_the_last_line_is_written_however_the_process_ends(way_out: str) -> None:
    ends = 'import signal; signal.signal(15, lambda *_: sys.exit(7)); log.error("last");' + way_out
    done = logged(ends)
    assert done.returncode == 7
    assert json.loads(done.stderr)["event"] == "last"


def test_a_traceback_that_ends_a_process_is_shown() -> None:
    done = logged('log.info("first"); 1 / 0')
    assert done.returncode == 1
    assert "first" in done.stderr.splitlines()[0]
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_what_cannot_be_shown_is_named_and_raises_nothing() -> None:
    done = logged("""
class Odd:
    def __repr__(self): raise ValueError
log.info("odd", what=Odd())
log.info("next")
""")
    odd, after = map(json.loads, done.stderr.splitlines())
    assert (odd["event"], odd["about"], odd["reason"]) == ("log_line_failed", "'odd'", "ValueError")
    assert after["event"] == "next"


def test_what_a_process_says_in_each_line_is_in_those_of_all_its_threads() -> None:
    done = logged("""
log_lines.configure("info", worker=3)
log.info("first")
thread = threading.Thread(target=lambda: log.info("second"))
thread.start()
thread.join()
""")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["first", "second"]
    assert [line["worker"] for line in lines] == [3, 3]


def test_a_forked_process_logs_its_own_lines_and_repeats_none() -> None:
    done = logged("""
log.info("parent")
if not (child := os.fork()):
    log.info("child")
    log_lines.finish()
    os._exit(0)
os.waitpid(child, 0)
""")
    assert sorted(json.loads(line)["event"] for line in done.stderr.splitlines()) == ["child", "parent"]


def test_a_process_whose_disk_is_full_logs_on_and_counts_what_it_dropped(tmp_path: Path) -> None:
    script = """
for number in range(30000):
    log.info("banned", padding="x" * 200)
from prometheus_client import REGISTRY
print(REGISTRY.get_sample_value("f2b_log_lines_dropped_total"))
"""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = logged(script, stdout=subprocess.PIPE, stderr=full.fileno())
    assert done.returncode == 0
    assert float(done.stdout) > 0
