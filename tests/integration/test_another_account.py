"""A queue of another account: a worker may receive from it, and nobody can make it from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.config.settings import WorkerSettings
from f2b_worker.process.assembly import open_inbox
from tests.integration.provisioning import NAMES, Cloud, provisioned, refusal, run

if TYPE_CHECKING:
    import pytest

URL = "https://sqs.us-east-1.amazonaws.com/210987654321/bans"


def test_provision_refuses_it_before_anything_is_made(cloud: Cloud) -> None:
    cloud.aws.edge.reset_calls()
    told = refusal(run("provision", "--queue", URL, *NAMES[2:]))
    assert f"is in account 210987654321, and the credentials are of account {cloud.account}" in told
    assert cloud.writes() == {}


def test_provision_makes_one_of_its_own_account(cloud: Cloud) -> None:
    url = f"https://sqs.us-east-1.amazonaws.com/{cloud.account}/bans"
    assert provisioned("--queue", url, *NAMES[2:4])[1] == "queue bans: made"


def test_a_worker_receives_from_it_and_uses_its_dead_letter_queue(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    provisioned(*NAMES[:4])
    url = cloud.sqs.get_queue_url(QueueName="bans")["QueueUrl"]
    cloud.sqs.send_message(QueueUrl=url, MessageBody="{}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "210987654321")
    inbox = open_inbox(WorkerSettings(queue=url, table="ledger"))
    (message,) = inbox.receive(wait_s=1)
    inbox.delete([message])
    assert inbox._dead_letter_url.endswith(f"/{cloud.account}/bans-dead")
