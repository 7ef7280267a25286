"""The demo says which part was refused a call under its own policy, and which made none."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from demo.own_policies import OwnPolicies
from localstack.policies import Names
from tests.integration.aws_calls import refused

if TYPE_CHECKING:
    from tests.integration.provisioning import Cloud


def policies_of(cloud: Cloud) -> OwnPolicies:
    return OwnPolicies(cloud.aws.edge, Names(account=cloud.account))


def test_what_a_part_may_do_is_counted_and_no_fault(cloud: Cloud) -> None:
    url, policies = cloud.queue("f2b"), policies_of(cloud)
    token = policies.token("producer")
    with closing(cloud.aws.client("sqs", account=cloud.account, session_token=token)) as sqs:
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        sqs.send_message(QueueUrl=url, MessageBody="{}")
    assert policies.faults() == []
    assert policies.told() == "each part had only its own policy: 2 calls, 0 refused"


def test_what_a_part_may_not_do_is_refused_and_named(cloud: Cloud) -> None:
    cloud.queue("f2b")
    policies = policies_of(cloud)
    token = policies.token("producer")
    with closing(cloud.aws.client("sqs", account=cloud.account, session_token=token)) as sqs:
        for _ in range(2):
            with refused("AccessDenied"):
                sqs.get_queue_url(QueueName="f2b")
    queue = f"arn:aws:sqs:us-east-1:{cloud.account}:f2b"
    assert policies.faults() == [f"producer: refused 2 times: sqs:GetQueueUrl on {queue}"]
    assert policies.told() == "each part had only its own policy: 2 calls, 2 refused"


def test_a_part_that_calls_under_another_token_is_named(cloud: Cloud) -> None:
    policies = policies_of(cloud)
    policies.token("worker")
    cloud.queue("f2b")
    assert policies.faults() == ["worker: it made no call under its policy"]


def test_each_account_has_policies_of_its_own(cloud: Cloud) -> None:
    policies = policies_of(cloud)
    other = OwnPolicies(cloud.aws.edge, Names(account="000000000009"))
    assert policies.token("worker") != other.token("worker")
    policies.take_back()
    other.take_back()
