"""SQS shows a new queue after a second, and its attributes within a minute: nobody has to run anything twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import structlog

from f2b_worker.adapters.sqs import attributes
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.errors import StartError
from f2b_worker.process.assembly import open_inbox
from f2b_worker.process.opening import patiently
from tests.integration.provisioning import NAMES, Cloud, provisioned

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = WorkerSettings(queue="bans", table="ledger")


@pytest.fixture
def slow(cloud: Cloud) -> Iterator[Cloud]:
    """An AWS that shows a queue after a second, and a redrive policy after more than two."""
    cloud.aws.edge.hide_new(queue_s=1.0, attributes_s=2.5)
    yield cloud
    cloud.aws.edge.hide_new()


def queue_with_redrive(cloud: Cloud) -> None:
    """Make both queues as another tool does, without waiting for anything."""
    cloud.queue("bans-dead")
    arn = f"arn:aws:sqs:us-east-1:{cloud.account}:bans-dead"
    cloud.queue("bans", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 20}))


def test_provision_ends_when_a_worker_can_start(slow: Cloud) -> None:
    lines = provisioned(*NAMES[:4])
    assert lines[-1].endswith(": made")
    assert any("redrive of bans: made; waiting until AWS shows it, 60 s at most" in line for line in lines)
    assert open_inbox(SETTINGS).visibility_s == 60
    assert provisioned(*NAMES[:4])[2] == "redrive of bans to its dead-letter queue: there"


def test_a_queue_is_made_with_its_redrive_policy_in_one_call(cloud: Cloud) -> None:
    cloud.aws.edge.reset_calls()
    provisioned(*NAMES[:4])
    assert "sqs:SetQueueAttributes" not in cloud.aws.edge.calls()


def test_a_worker_waits_for_what_a_new_queue_does_not_show_yet_and_says_so_once(slow: Cloud) -> None:
    queue_with_redrive(slow)
    with structlog.testing.capture_logs() as logged:
        assert patiently(SETTINGS, lambda: open_inbox(SETTINGS)).visibility_s == 30
    (line,) = [each for each in logged if each["event"] == "waiting_for_what_is_new"]
    assert "/bans has no dead-letter queue" in line["reason"]


def test_a_queue_that_stays_without_a_dead_letter_queue_is_named_when_the_minute_is_over(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attributes, "ATTRIBUTES_SHOWN_WITHIN_S", 1.5)
    cloud.queue("bans")
    with pytest.raises(StartError, match="/bans has no dead-letter queue; make it with: f2b provision"):
        patiently(SETTINGS, lambda: open_inbox(SETTINGS))


def test_an_old_queue_without_a_dead_letter_queue_is_named_at_once(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attributes, "ATTRIBUTES_ARE_NEW_S", 0.0)
    cloud.queue("bans")
    cloud.aws.edge.reset_calls()
    with pytest.raises(StartError, match="/bans has no dead-letter queue"):
        patiently(SETTINGS, lambda: open_inbox(SETTINGS))
    assert cloud.aws.edge.calls()["sqs:GetQueueAttributes"] == 1
