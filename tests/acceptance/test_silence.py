"""A queue that says nothing: the probes say so in time, and without a flip."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from demo.fleet import Fleet, eventually, free_port, get
from tests.acceptance.attacks import report, send_bodies
from tests.acceptance.odd_sqs import odd_sqs

if TYPE_CHECKING:
    from pathlib import Path

    from localstack.local_aws import LocalAws

NAMED_WITHIN_S = 20
WATCHED_S = 20


def test_a_queue_that_answers_nothing_is_named_within_20_seconds_and_said_once(
    fleet: Fleet, aws_in_process: LocalAws, tmp_path: Path
) -> None:
    log, port = tmp_path / "worker.log", free_port()
    fleet.start_worker("--metrics-port", str(port), log=log)

    def ready() -> tuple[int, str]:
        return get(f"http://127.0.0.1:{port}/readyz")

    eventually(lambda: ready()[0] == 200, "the worker is ready", 30)
    aws_in_process.edge.fault("sqs:ReceiveMessage", "delay", delay_s=300)

    eventually(lambda: ready()[0] == 503, "its silence is noticed", NAMED_WITHIN_S, 0.2)
    assert "receiving infractions" in ready()[1]
    ends_s = time.monotonic() + WATCHED_S
    while time.monotonic() < ends_s:
        assert ready()[0] == 503
        time.sleep(0.2)

    aws_in_process.edge.clear_faults()
    send_bodies(fleet, report("203.0.113.9", 10))
    eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "the address is banned", 40)
    eventually(lambda: ready()[0] == 200, "the worker is ready again", 20)
    fleet.stop()
    said = log.read_text()
    assert said.count("trying_again") == 1
    assert said.count("works_again") == 1


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("text/html", b"<html>please log in</html>"),
        ("text/plain", b""),
        ("application/x-amz-json-1.0", b'{"Messages": [{'),
    ],
)
def test_a_page_with_200_instead_of_an_answer_is_no_empty_queue(
    fleet: Fleet, aws_in_process: LocalAws, kind: str, page: bytes
) -> None:
    port = free_port()
    with odd_sqs(aws_in_process.endpoint_url) as sqs:
        fleet.environment["AWS_ENDPOINT_URL_SQS"] = sqs.url
        worker = fleet.start_worker("--metrics-port", str(port))

        def ready() -> tuple[int, str]:
            return get(f"http://127.0.0.1:{port}/readyz")

        eventually(lambda: ready()[0] == 200, "the worker is ready", 30)
        sqs.page = (kind, page)
        eventually(lambda: ready()[0] == 503, "it is noticed", NAMED_WITHIN_S, 0.2)
        assert "is it a proxy that answers?" in ready()[1]

        sqs.page = None
        send_bodies(fleet, report("203.0.113.9", 10))
        eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "the address is banned", 40)
        worker.terminate()
        assert worker.wait(12) == 0


@pytest.mark.parametrize("service", ["SQS", "DYNAMODB", "WAFV2"])
def test_an_answer_that_trickles_is_given_up_and_asked_for_again(
    fleet: Fleet, aws_in_process: LocalAws, service: str
) -> None:
    with odd_sqs(aws_in_process.endpoint_url) as odd:
        fleet.environment[f"AWS_ENDPOINT_URL_{service}"] = odd.url
        port = free_port()
        worker = fleet.start_worker("--metrics-port", str(port))
        eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "the worker is ready", 30)

        odd.trickles = lambda _action: True
        send_bodies(fleet, report("203.0.113.9", 10))
        eventually(lambda: odd.trickled > 0, "an answer trickles", 20)
        odd.trickles = lambda _action: False

        eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "the address is banned", 60)
        worker.terminate()
        assert worker.wait(12) == 0
