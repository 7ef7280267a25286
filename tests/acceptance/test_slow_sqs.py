"""`f2b-shim` before an SQS that is slow, loses answers, or is silent: what is answered, and what is counted."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from f2b_worker.wire import read_body

if TYPE_CHECKING:
    from demo.fleet import Fleet
    from f2b_worker.domain.judge.infractions import Infraction
    from localstack.local_aws import LocalAws

SEND = "sqs:SendMessageBatch"
CLIENTS = 60


def received(fleet: Fleet) -> set[Infraction]:
    """Take every infraction out of the queue; two of one name, address, jail and time are one, as for a worker."""
    found: set[Infraction] = set()
    while True:
        answer = fleet.sqs.receive_message(
            QueueUrl=fleet.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=600, WaitTimeSeconds=1
        )
        if not answer.get("Messages"):
            return found
        for message in answer["Messages"]:
            found.update(read_body(message["Body"], message_id="m", sent_at_ms=0).infractions)


def insist(fleet: Fleet, path: str, *, tries_max: int) -> list[int]:
    """Report as a client does that comes again after `Retry-After`; answer every status that it heard."""
    heard: list[int] = []
    while len(heard) < tries_max and 200 not in heard:
        try:
            with urllib.request.urlopen(fleet.shim_url + path, timeout=10) as answer:
                heard.append(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                heard.append(error.code)
                time.sleep(int(error.headers["Retry-After"]))
    return heard


def insist_together(fleet: Fleet, *, tries_max: int = 4) -> list[list[int]]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = (f"/infraction/198.51.100.{number}" for number in range(CLIENTS))
        return list(clients.map(lambda path: insist(fleet, path, tries_max=tries_max), asked))


@pytest.mark.parametrize("delay_s", [0.9, 1.3])
def test_behind_a_slow_sqs_every_report_is_answered_200_and_stored_once(
    fleet: Fleet, local_aws: LocalAws, delay_s: float
) -> None:
    fleet.start_shim()
    local_aws.edge.fault(SEND, "delay", delay_s=delay_s)
    assert insist_together(fleet) == [[200]] * CLIENTS
    local_aws.edge.clear_faults()
    assert len(received(fleet)) == CLIENTS


@pytest.mark.parametrize("delay_s", [2.0, 3.5])
def test_a_client_that_comes_again_after_its_503_is_counted_once(
    fleet: Fleet, local_aws: LocalAws, delay_s: float
) -> None:
    fleet.start_shim()
    local_aws.edge.fault(SEND, "delay", delay_s=delay_s)
    heard = insist_together(fleet)
    assert {each[-1] for each in heard} == {200}
    assert any(503 in each for each in heard)
    local_aws.edge.clear_faults()
    assert len(received(fleet)) == CLIENTS


def test_a_client_that_comes_again_is_counted_once_if_sqs_stored_its_report_and_the_answer_was_lost(
    fleet: Fleet, local_aws: LocalAws
) -> None:
    fleet.start_shim()
    local_aws.edge.fault(SEND, "reset_after")
    assert insist_together(fleet, tries_max=1) == [[503]] * CLIENTS
    local_aws.edge.clear_faults()
    assert insist_together(fleet) == [[200]] * CLIENTS
    assert len(received(fleet)) == CLIENTS


def test_the_worker_counts_once_what_was_stored_twice(fleet: Fleet, local_aws: LocalAws) -> None:
    fleet.start_worker()
    fleet.start_shim()
    report = "/infraction/203.0.113.7"
    for _ in range(2):  # a ban is three infractions: sent four times, these are two
        local_aws.edge.fault(SEND, "reset_after")
        assert insist(fleet, report, tries_max=1) == [503]
        local_aws.edge.clear_faults()
        assert insist(fleet, report, tries_max=1) == [200]
    fleet.wait_until_judged()
    assert fleet.bans() == []
    assert insist(fleet, report, tries_max=1) == [200]
    fleet.wait_until_judged()
    assert [ban.key for ban in fleet.bans()] == ["203.0.113.7"]


def test_a_stop_waits_for_no_send_that_nobody_waits_for(fleet: Fleet, local_aws: LocalAws) -> None:
    fleet.start_shim()
    assert fleet.shim
    local_aws.edge.fault(SEND, "delay", delay_s=20)
    assert insist(fleet, "/infraction/203.0.113.7", tries_max=1) == [503]
    began_s = time.monotonic()
    fleet.shim.terminate()
    assert fleet.shim.wait(10) == 0
    assert time.monotonic() - began_s < 5
