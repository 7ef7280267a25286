"""Each platform's own way to stop a worker: it is gone in time, and another has everything at once."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from benchmarks.processes import Canned, Process, aws_environment
from benchmarks.stops import FULL_HAND, WAITING, fill_hand
from demo.fleet import BIN, eventually
from tests.acceptance.attacks import report, send_bodies
from tests.acceptance.processes import as_pid_1, children_of, of_process
from tests.acceptance.test_signals import started
from tests.acceptance.test_start import credentials_from, from_endpoint
from tests.log_lines import logged

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

DOCKER_WAITS_S = 10.0
"""https://docs.docker.com/reference/cli/docker/container/stop/"""
KUBERNETES_WAITS_S = ECS_WAITS_S = 30.0
"""https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and ECS's stopTimeout"""
SYSTEMD_WAITS_S = 90.0
"""systemd's own DefaultTimeoutStopSec; a worker ends long before."""
ORPHANS_END_WITHIN_S = 12.0
"""They hear of it when they next tell how they do, each second."""

ADDRESSES = [f"203.0.113.{number}" for number in range(1, 21)]
NEVER_VISIBLE_AGAIN_S = 600
"""Longer than a test: what is judged by another worker was released, and did not wait for its timeout."""


def fill(fleet: Fleet, local_aws: LocalAws) -> None:
    """Let the worker hold messages that it cannot judge; a later worker can."""
    fleet.set_visibility_timeout(NEVER_VISIBLE_AGAIN_S)
    local_aws.edge.fault("dynamodb:*", "error")
    send_bodies(fleet, [body for address in ADDRESSES for body in report(address, 3)])
    eventually(lambda: in_flight(fleet) > 0, "it has some in hand", 20)


def in_flight(fleet: Fleet) -> int:
    """Count the messages that a worker has in hand."""
    name = "ApproximateNumberOfMessagesNotVisible"
    answer = fleet.sqs.get_queue_attributes(QueueUrl=fleet.queue_url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def another_bans_all(fleet: Fleet, local_aws: LocalAws) -> None:
    """See that a second worker bans every address, from what the first one released."""
    assert in_flight(fleet) == 0
    local_aws.edge.clear_faults()
    fleet.start_worker()
    fleet.wait_until_judged(30)
    assert {ban.key for ban in fleet.bans()} == set(ADDRESSES)


def pid_1_of(outer: subprocess.Popen[bytes]) -> int:
    (inner,) = of_process(outer.pid, f"task/{outer.pid}/children").split()
    return int(inner)


@pytest.mark.parametrize(
    ("waits_s", "processes"), [(DOCKER_WAITS_S, 1), (KUBERNETES_WAITS_S, 2)], ids=["docker", "kubectl"]
)
def test_a_container_that_is_stopped_ends_with_0_in_time_and_another_worker_has_its_messages_at_once(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path, waits_s: float, processes: int
) -> None:
    log = tmp_path / "worker.log"
    program = as_pid_1([str(BIN / "f2b-worker")])
    outer = fleet.start_worker("--processes", str(processes), log=log, program=program)
    eventually(lambda: log.read_text().count('"working"') == processes, "all work", 60)
    fill(fleet, local_aws)

    os.kill(pid_1_of(outer), signal.SIGTERM)

    assert outer.wait(waits_s) == 0
    another_bans_all(fleet, local_aws)


def test_an_ecs_task_that_is_stopped_ends_with_0_in_time_while_its_credentials_endpoint_is_there(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path, account: str
) -> None:
    with credentials_from(account, failures=0) as url:
        from_endpoint(fleet, url)
        worker = started(fleet, tmp_path / "worker.log")
        fill(fleet, local_aws)

        worker.terminate()

        assert worker.wait(ECS_WAITS_S) == 0
        another_bans_all(fleet, local_aws)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_systemd_unit_whose_whole_control_group_is_signalled_ends_with_0_in_time_and_loses_nothing(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path, processes: int
) -> None:
    worker = started(fleet, tmp_path / "worker.log", processes=processes)
    fill(fleet, local_aws)

    os.killpg(worker.pid, signal.SIGTERM)

    assert worker.wait(SYSTEMD_WAITS_S) == 0
    another_bans_all(fleet, local_aws)


def test_what_a_pool_has_in_hand_whose_parent_is_killed_is_judged_at_once_by_another_worker(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    pool = started(fleet, log, processes=2)
    orphans = children_of(pool.pid)
    fill(fleet, local_aws)

    pool.kill()

    eventually(lambda: not any(of_process(each, "cmdline") for each in orphans), "they end", ORPHANS_END_WITHIN_S)
    assert [line["code"] for line in logged(log, "stopped")] == [0, 0]
    another_bans_all(fleet, local_aws)


def test_a_full_hand_is_released_within_the_shortest_patience(tmp_path: Path) -> None:
    """The queue and the ledger are canned: no emulator delivers so many messages so fast."""
    log = tmp_path / "worker.log"
    arguments = ["f2b_worker", "--queue", "f2b", "--table", "f2b", "--processes", "1", *WAITING]
    with Canned(tmp_path) as canned, Process(arguments, aws_environment(canned.url), log) as worker:
        canned.wait_until_received(worker, 1)
        canned.feed("botnet", 5)
        fill_hand(canned, worker, FULL_HAND)

        worker.popen.send_signal(signal.SIGTERM)

        assert worker.popen.wait(DOCKER_WAITS_S) == 0
        canned.feed(None)
        assert canned.counters()["in_flight"] == 0, "messages wait for their visibility timeout"
        assert "stopped_late" not in log.read_text()
