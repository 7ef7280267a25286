"""An emulator that checks signatures and IAM policies by itself: each role of docs/iam works with its policy.

ministack has an IAM of its own, and five actions that AWS has not: it asks for the batch itself, where AWS asks
for what is in it. They are added here, and stand in no file.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.credentials import Credentials

from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.adapters.sqs.direct import DirectCalls
from f2b_worker.adapters.sqs.queue import SqsQueue
from f2b_worker.adapters.waf import finder, listing
from f2b_worker.errors import AccessDenied
from f2b_worker.process import regions
from localstack.local_aws import LocalAws, LocalAwsError
from tests.aws import point_this_process_at
from tests.conftest import skip_or_fail
from tests.integration import roles
from tests.integration.provisioning import Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import boto3

ACCOUNT = "000000000000"
ONLY_THE_EMULATORS = {
    "sqs:SendMessage": "sqs:SendMessageBatch",
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
    "dynamodb:PartiQLInsert": "dynamodb:BatchExecuteStatement",
    "dynamodb:PutItem": "dynamodb:TransactWriteItems",
}


@pytest.fixture(scope="module")
def strict_aws() -> Iterator[LocalAws]:
    try:
        with LocalAws(ACCOUNT, authorization=True) as aws:
            yield aws
    except LocalAwsError as error:
        skip_or_fail(f"the local AWS does not start: {error}")


@pytest.fixture(scope="module")
def iam(strict_aws: LocalAws) -> Any:
    """Makes users; botocore's client."""
    return strict_aws.client("iam")


@pytest.fixture
def cloud(
    strict_aws: LocalAws, quick_sessions: Callable[[], boto3.Session], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    strict_aws.edge.reset()
    point_this_process_at(strict_aws, ACCOUNT, monkeypatch)
    monkeypatch.setattr(provision_waf, "WRITE_EVERY_S", 0.0)
    for place, name in (
        (listing, "READS_PER_S"),
        (finder, "READS_BESIDE_PER_S"),
        (regions, "READS_OF_A_COMMAND_PER_S"),
    ):
        monkeypatch.setattr(place, name, 1000.0)
    strict_aws.edge.set_waf_rate(None)
    strict_aws.edge.set_waf_read_rate(None)
    clients: list[Any] = [quick_sessions().client(name) for name in ("sqs", "dynamodb", "wafv2")]
    yield Cloud(strict_aws, ACCOUNT, *clients)
    for each in clients:
        each.close()


def become(role: str, iam: Any, monkeypatch: pytest.MonkeyPatch) -> Credentials:
    """Make a user with a role's policy, and call as this user from now on."""
    policy = roles.policy(role, ACCOUNT)
    own = [ONLY_THE_EMULATORS[each] for _, each in roles.actions_of(role) if each in ONLY_THE_EMULATORS]
    if own:
        policy["Statement"].append({"Effect": "Allow", "Action": own, "Resource": "*"})
    iam.create_user(UserName=role)
    iam.put_user_policy(UserName=role, PolicyName="f2b", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=role)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


@pytest.mark.parametrize("role", roles.ROLES)
def test_a_role_does_its_work_with_its_policy(
    role: str, cloud: Cloud, iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles.set_up(role, cloud)
    become(role, iam, monkeypatch)
    assert roles.play(role, cloud) == []


def test_a_role_without_a_policy_is_refused_in_one_line(
    cloud: Cloud, iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles.set_up("explain", cloud)
    become("producer", iam, monkeypatch)
    (line,) = roles.play("explain", cloud)
    assert "not authorized to perform: dynamodb:DescribeTable" in line
    assert line.strip().endswith("docs/iam/explain.json has the policy that is needed")


class TestTheShimsOwnSignature:
    def sent(self, cloud: Cloud, credentials: Credentials, body: str = "{}") -> Any:
        url = cloud.sqs.get_queue_url(QueueName="bans")["QueueUrl"]

        async def send() -> Any:
            outbox = SqsQueue(DirectCalls(cloud.sqs, credentials), queue_url=url)
            outcomes = await outbox.send([body], within_s=2.0)
            await outbox.close()
            return outcomes[0]

        return asyncio.run(send())

    def test_it_is_taken_whatever_the_body_is(
        self, cloud: Cloud, iam: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cloud.queue("bans")
        credentials = become("shim", iam, monkeypatch)
        assert self.sent(cloud, credentials, 'ü😀"\\\t') is None

    def test_a_wrong_secret_is_refused_and_named(
        self, cloud: Cloud, iam: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cloud.queue("bans")
        credentials = become("shim", iam, monkeypatch)
        refusal = self.sent(cloud, Credentials(credentials.access_key, "another"))
        assert isinstance(refusal, AccessDenied)
        assert not refusal.by_policy
        assert "signature" in str(refusal)

    def test_an_unknown_key_is_refused_and_named(self, cloud: Cloud) -> None:
        cloud.queue("bans")
        refusal = self.sent(cloud, Credentials("AKIAIOSFODNN7EXAMPLE", "another"))
        assert isinstance(refusal, AccessDenied)
        assert not refusal.by_policy
