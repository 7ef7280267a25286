"""A program that reports from green threads: ``KIND CASE FILE``, where CASE says what went before the patch."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from f2b_producer import Producer, _sender
from f2b_producer._aws import connect
from tests.file_queue import FileQueue

REPORTS = 100
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"


def patch(kind: str) -> Any:
    """Patch, and return the module with `spawn` and `sleep`."""
    if kind == "gevent":
        importlib.import_module("gevent.monkey").patch_all()
    else:
        importlib.import_module("eventlet").monkey_patch()
    return importlib.import_module(kind)


def report(f2b: Producer, kind: str) -> None:
    """Report from a green thread. A thread that holds the others while it lingers holds them for an hour."""
    green = patch(kind)
    for number in range(REPORTS):
        f2b.report(f"10.0.0.{number}")
        green.sleep(0.002)
    if not f2b.flush(20):
        sys.exit("flush")
    for number in range(REPORTS, REPORTS + 5):
        f2b.report(f"10.0.0.{number}")  # the exit sends them
    green.sleep(0.01)


def main(kind: str, case: str, path: str) -> None:
    """Do what *case* says, then patch and report."""

    def connect_and_forget(*call: Any) -> FileQueue:
        connect(*call)
        return FileQueue(path)

    setattr(_sender, "connect", connect_and_forget)  # noqa: B010 - mypy knows the module
    f2b = Producer(URL, linger_s=3_599, flush_timeout_s=20)
    if "warm" in case:
        f2b.warm_up()
    if "used" in case:
        f2b.report("10.0.1.0")
        f2b.flush()
    if "patched" in case:
        patch(kind)
    if "forked" in case and (pid := os.fork()):
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    if "quiet" in case:
        patch(kind)
    else:
        report(f2b, kind)


if __name__ == "__main__":
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    main(*sys.argv[1:])
