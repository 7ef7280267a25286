from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, eventually
from tests.acceptance.attacks import (
    REPLAY,
    hang_in_judging,
    now_ms,
    real_attack,
    report,
    send_bodies,
    send_in_small_messages,
    wrongs,
)

if TYPE_CHECKING:
    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

pytestmark = pytest.mark.own_policies


@pytest.mark.localstack
def test_a_worker_killed_in_the_middle_of_a_replay_loses_nothing(
    fleet: Fleet, local_aws: LocalAws, oracle: Path
) -> None:
    infractions = real_attack(oracle, "elasticssh")
    fleet.set_visibility_timeout(3)
    local_aws.edge.fault("dynamodb:UpdateItem", "delay", delay_s=0.03)  # so that there is a middle
    send_in_small_messages(fleet, infractions, size=5)
    total = fleet.queued()

    doomed = fleet.start_worker(*REPLAY)
    eventually(lambda: 0 < fleet.queued() < total, "some messages are judged", 30, 0.01)
    doomed.kill()
    doomed.wait()
    assert fleet.queued() > 0, "nothing was left to lose"
    fleet.start_worker(*REPLAY)
    fleet.wait_until_judged(90)

    assert wrongs(fleet, infractions) == []


@pytest.mark.localstack
def test_sigterm_ends_a_busy_worker_with_code_0_within_ten_seconds_and_the_next_one_goes_on(
    fleet: Fleet, local_aws: LocalAws, oracle: Path
) -> None:
    infractions = real_attack(oracle, "elasticssh")
    local_aws.edge.fault("dynamodb:UpdateItem", "delay", delay_s=0.03)
    send_in_small_messages(fleet, infractions, size=5)
    total = fleet.queued()
    worker = fleet.start_worker(*REPLAY)
    eventually(lambda: fleet.queued() < total, "some messages are judged", 30, 0.01)

    asked_s = time.monotonic()
    worker.terminate()

    assert worker.wait(10) == 0
    assert time.monotonic() - asked_s < 10
    fleet.start_worker(*REPLAY)
    fleet.wait_until_judged(90)
    assert wrongs(fleet, infractions) == []


def test_sigterm_ends_a_worker_in_time_while_dynamodb_is_away_and_nothing_is_deleted(
    fleet: Fleet, local_aws: LocalAws
) -> None:
    worker = fleet.start_worker()
    eventually(lambda: "sqs:ReceiveMessage" in local_aws.edge.calls(), "the worker works", 30)
    local_aws.edge.fault("dynamodb:*", "error")
    send_bodies(fleet, report("203.0.113.9", 2))  # too few for a ban, so that they are recorded first
    eventually(lambda: bool(local_aws.edge.refused().get("dynamodb:UpdateItem")), "the ledger fails", 20)

    worker.terminate()

    assert worker.wait(10) == 0
    assert fleet.queued() == 2


def test_sigterm_releases_what_a_worker_has_in_hand_although_dynamodb_does_not_answer(
    fleet: Fleet, local_aws: LocalAws
) -> None:
    worker = fleet.start_worker()
    hang_in_judging(fleet, local_aws, report("203.0.113.9", 3))

    worker.terminate()

    assert worker.wait(10) == 0
    received = fleet.sqs.receive_message(QueueUrl=fleet.queue_url, WaitTimeSeconds=2)
    assert received.get("Messages"), "whoever comes next has to wait for the visibility timeout"


@pytest.mark.parametrize("code", ["AccessDenied", "InternalFailure"])
def test_sigterm_ends_a_worker_with_code_0_also_if_it_may_release_nothing_and_says_when_the_messages_come_again(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path, code: str
) -> None:
    worker = fleet.start_worker(log=tmp_path / "log")
    eventually(lambda: "sqs:ReceiveMessage" in local_aws.edge.calls(), "the worker works", 30)
    local_aws.edge.fault("dynamodb:*", "error")
    local_aws.edge.fault("sqs:ChangeMessageVisibility*", "throttle", code=code)
    send_bodies(fleet, [body for number in range(4) for body in report(f"203.0.113.{number}", 2)])
    eventually(lambda: bool(local_aws.edge.refused().get("dynamodb:UpdateItem")), "the ledger fails", 20)

    worker.terminate()

    assert worker.wait(10) == 0
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if "release_failed" in line]
    assert lines
    assert all("come again after the visibility timeout" in line for line in lines)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_sigterm_ends_a_worker_in_time_while_calls_that_nobody_waits_for_are_not_answered(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path, processes: str
) -> None:
    worker = fleet.start_worker("--processes", processes, log=tmp_path / "log")
    eventually(lambda: "sqs:ReceiveMessage" in local_aws.edge.calls(), "the worker works", 30)
    local_aws.edge.fault("sqs:DeleteMessageBatch", "delay", delay_s=60)
    send_bodies(fleet, report("203.0.113.9", 3))
    eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "the address is banned", 30)

    worker.terminate()

    assert worker.wait(8) == 0
    assert "not_settled" in (tmp_path / "log").read_text()


def test_a_worker_outlives_who_started_it(fleet: Fleet) -> None:
    command = [str(BIN / "f2b-worker"), "--queue", NAME, "--table", NAME, "--ip-set", NAME, "--processes", "1"]
    starter = 'nohup "$@" >/dev/null 2>&1 & echo $!'
    started = subprocess.run(
        ["sh", "-c", starter, "sh", *command], env=fleet.environment, capture_output=True, text=True, check=True
    )
    worker = int(started.stdout)
    try:
        send_bodies(fleet, report("203.0.113.9", 5))
        eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "the first address is banned", 30, 0.5)
        # It looked once a second for a starter that is gone.
        time.sleep(3)
        send_bodies(fleet, report("203.0.113.10", 5))
        eventually(lambda: "203.0.113.10/32" in fleet.ip_set_entries(), "another address is banned", 30, 0.5)
    finally:
        os.kill(worker, signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{worker}").exists(), "it ends when it is told to", 15)


def test_another_worker_enforces_within_15_s_after_the_enforcer_was_killed(fleet: Fleet) -> None:
    fleet.set_visibility_timeout(2)  # SQS may hand messages to the connection of the dead
    first = fleet.start_worker()
    send_bodies(fleet, report("203.0.113.1", 3))
    eventually(lambda: "203.0.113.1/32" in fleet.ip_set_entries(), "the first worker enforces", 30, 0.6)
    fleet.start_worker()
    time.sleep(3)  # the second one has asked for the lease, and must be the one that waits

    first.kill()
    send_bodies(fleet, report("203.0.113.2", 3))

    killed_s = time.monotonic()
    eventually(lambda: "203.0.113.2/32" in fleet.ip_set_entries(), "the second one enforces", 30, 0.6)
    assert time.monotonic() - killed_s < 15


def test_stopping_a_worker_lifts_no_ban_and_starting_one_writes_nothing(fleet: Fleet, local_aws: LocalAws) -> None:
    worker = fleet.start_worker()
    send_bodies(fleet, report("203.0.113.3", 3))
    eventually(lambda: "203.0.113.3/32" in fleet.ip_set_entries(), "the ban is enforced", 30, 0.6)
    worker.terminate()
    worker.wait(10)
    assert "203.0.113.3/32" in fleet.ip_set_entries()
    writes = local_aws.edge.calls()["wafv2:UpdateIPSet"]
    reads = local_aws.edge.calls()["wafv2:GetIPSet"]

    fleet.start_worker()
    eventually(lambda: local_aws.edge.calls()["wafv2:GetIPSet"] >= reads + 2, "it compares", 30, 0.6)
    time.sleep(2)  # longer than its first update could be paced

    assert local_aws.edge.calls()["wafv2:UpdateIPSet"] == writes
    assert "203.0.113.3/32" in fleet.ip_set_entries()
    assert [ban.key for ban in fleet.bans() if ban.until_ms > now_ms()] == ["203.0.113.3"]
