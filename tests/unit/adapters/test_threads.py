"""Threads that make calls to AWS, in processes of their own where it is about their end."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from f2b_worker.adapters.threads import Threads


def test_calls_are_made_side_by_side_and_answered_in_their_order() -> None:
    meeting = threading.Barrier(3)

    def meet(number: int) -> int:
        meeting.wait(30)
        return number

    with Threads(3, "calls") as threads:
        assert list(threads.map(meet, range(6))) == list(range(6))


def test_no_more_calls_are_under_way_at_once_than_there_may_be() -> None:
    both, goes_on = threading.Barrier(3), threading.Event()

    def wait() -> bool:
        both.wait(30)
        return goes_on.wait(30)

    with Threads(2, "calls") as threads:
        first, second, third = [threads.submit(wait), threads.submit(wait), threads.submit(int, "7")]
        both.wait(30)
        assert (first.running(), second.running(), third.running(), third.done()) == (True, True, False, False)
        goes_on.set()
        assert third.result(30) == 7


def test_an_error_reaches_who_waits_and_costs_no_thread() -> None:
    with Threads(1, "calls") as threads:
        failed = threads.submit(int, "seven")
        with pytest.raises(ValueError, match="seven"):
            failed.result(30)
        assert threads.submit(int, "7").result(30) == 7


def test_the_end_takes_no_further_call_and_cancels_those_that_have_not_begun_if_asked_to() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def wait() -> bool:
        begun.set()
        return goes_on.wait(30)

    threads = Threads(1, "calls")
    first, second = threads.submit(wait), threads.submit(wait)
    begun.wait(30)
    threads.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError, match="shut down"):
        threads.submit(wait)
    goes_on.set()
    assert first.result(30)
    assert second.cancelled()


def test_a_call_that_hangs_keeps_no_process_from_ending() -> None:
    script = """
import threading
from f2b_worker.adapters.threads import Threads
begun = threading.Event()
Threads(2, "calls").submit(lambda: (begun.set(), threading.Event().wait()))
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
