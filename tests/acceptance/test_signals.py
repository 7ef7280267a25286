"""A stop is a stop: whichever signals come, at whatever moment, to one process, a pool or all of a group."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, eventually
from tests.acceptance.attacks import report, send_bodies
from tests.acceptance.processes import as_pid_1, of_process

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

ENDS_WITHIN_S = 5.0
"""What docs/operations.md promises, doubled and more: this machine may be busy."""

ENDS_SOON_S = 3.0
"""An idle worker ended within 0.7 s on a quiet machine, and within 9 s when it waited for its polls."""

STOPS = (signal.SIGTERM, signal.SIGINT)


def started(fleet: Fleet, log: Path, *options: str, processes: int = 1) -> subprocess.Popen[bytes]:
    """Start a worker and wait until each of its processes works."""
    worker = fleet.start_worker("--processes", str(processes), *options, log=log)
    eventually(lambda: log.read_text().count('"working"') == processes, "all work", 60)
    return worker


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM,) * 2, STOPS, (signal.SIGHUP, *STOPS, signal.SIGHUP, *STOPS), STOPS * 100]
)
def test_signals_close_together_to_all_of_a_group_stop_it_with_code_0(
    fleet: Fleet, tmp_path: Path, processes: int, signals: tuple[int, ...]
) -> None:
    log = tmp_path / "worker.log"
    worker = started(fleet, log, processes=processes)

    for number in signals:
        os.killpg(worker.pid, number)

    assert worker.wait(ENDS_WITHIN_S) == 0
    assert "Traceback" not in log.read_text()
    assert "worker_died" not in log.read_text()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_at_any_moment_of_the_start_ends_it_at_once(fleet: Fleet, tmp_path: Path, processes: int) -> None:
    codes = set()
    for after_s in (0.02, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.1, 1.4, 1.8):
        log = tmp_path / f"{after_s}.log"
        worker = fleet.start_worker("--processes", str(processes), log=log)
        time.sleep(after_s)

        os.killpg(worker.pid, signal.SIGTERM)
        os.killpg(worker.pid, signal.SIGTERM)

        codes.add(worker.wait(ENDS_WITHIN_S))
        assert "Traceback" not in log.read_text(), after_s
    assert codes <= {0, -signal.SIGTERM}


@pytest.mark.parametrize("number", STOPS)
def test_as_pid_1_it_can_be_stopped_while_aws_is_away(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path, number: int
) -> None:
    log = tmp_path / "worker.log"
    local_aws.edge.fault("sqs:*", "error")
    outer = fleet.start_worker(log=log, program=as_pid_1([str(BIN / "f2b-worker")]))
    eventually(lambda: "trying_again" in log.read_text(), "it waits", 30)
    (inner,) = of_process(outer.pid, f"task/{outer.pid}/children").split()

    os.kill(int(inner), number)

    assert outer.wait(ENDS_WITHIN_S) == (130 if number == signal.SIGINT else 0)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_stop_soon_after_traffic_waits_for_no_poll_and_the_next_worker_has_what_comes_then(
    fleet: Fleet, tmp_path: Path, processes: int
) -> None:
    log = tmp_path / "worker.log"
    del fleet.environment["F2B_POLL_S"]  # which hides a poll that is waited for
    worker = started(fleet, log, processes=processes)
    send_bodies(fleet, report("203.0.113.9", 3))
    fleet.wait_until_judged()

    asked_s = time.monotonic()
    worker.terminate()

    assert worker.wait(ENDS_WITHIN_S) == 0
    assert time.monotonic() - asked_s < ENDS_SOON_S
    assert "stopped_late" not in log.read_text()
    send_bodies(fleet, report("203.0.113.10", 3))
    received = fleet.sqs.receive_message(QueueUrl=fleet.queue_url, WaitTimeSeconds=5)
    assert received.get("Messages"), "a poll that was left took the message with it"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_signals_to_every_process_of_a_shim_end_it_with_code_0(fleet: Fleet, tmp_path: Path, workers: str) -> None:
    log = tmp_path / "shim.log"
    fleet.start_shim("--workers", workers, log=log)
    shim = fleet.shim
    assert shim is not None

    for number in (*STOPS, *STOPS, signal.SIGTERM):
        os.killpg(shim.pid, number)

    assert shim.wait(ENDS_WITHIN_S) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("processes", [1, 2])
def test_as_pid_1_it_reaps_orphans_and_stops_with_code_0(fleet: Fleet, tmp_path: Path, processes: int) -> None:
    log = tmp_path / "worker.log"
    orphaning = ["sh", "-c", '(sleep 1 &); exec "$@"', "sh", str(BIN / "f2b-worker")]
    outer = fleet.start_worker("--processes", str(processes), log=log, program=as_pid_1(orphaning))
    eventually(lambda: log.read_text().count('"working"') == processes, "all work", 60)
    (inner,) = map(int, of_process(outer.pid, f"task/{outer.pid}/children").split())

    def dead() -> list[bytes]:
        children = of_process(inner, f"task/{inner}/children").split()
        return [each for each in children if b"(sleep) Z" in of_process(int(each), "stat")]

    eventually(lambda: not dead(), "the orphan is reaped", 10)

    os.kill(inner, signal.SIGTERM)
    assert outer.wait(ENDS_WITHIN_S) == 0
