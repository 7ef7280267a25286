"""A strict local AWS for the tests of the local AWS itself; a pytest plugin."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localstack.control import EdgeControl
from localstack.local_aws import LocalAws
from tests.integration.aws_calls import ONCE


@pytest.fixture(scope="session")
def strict_aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def edge(strict_aws: LocalAws) -> EdgeControl:
    control = strict_aws.edge
    control.reset()
    return control


@pytest.fixture(scope="session")
def clients(strict_aws: LocalAws) -> Iterator[Callable[..., Any]]:
    """Clients that do not retry, made once for each service, account and region."""
    made: dict[tuple[str, ...], Any] = {}

    def client(service: str, account: str = "000000000001", region: str = "us-east-1") -> Any:
        key = (service, account, region)
        if key not in made:
            made[key] = strict_aws.client(service, account=account, region=region, config=ONCE)
        return made[key]

    yield client
    for each in made.values():
        each.close()


@pytest.fixture
def sqs(edge: EdgeControl, clients: Callable[..., Any]) -> Any:
    return clients("sqs")


@pytest.fixture
def dynamodb(edge: EdgeControl, clients: Callable[..., Any]) -> Any:
    return clients("dynamodb")


@pytest.fixture
def waf(edge: EdgeControl, clients: Callable[..., Any]) -> Any:
    """AWS WAF with its request quotas as they are."""
    return clients("wafv2")


@pytest.fixture
def eager_waf(waf: Any, edge: EdgeControl) -> Any:
    """AWS WAF without request quotas."""
    edge.set_waf_rate(None)
    edge.set_waf_read_rate(None)
    return waf


@pytest.fixture
def queue(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="f2b")["QueueUrl"])


@pytest.fixture
def table(dynamodb: Any) -> str:
    dynamodb.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "by")],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "by-time",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "by", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return "ledger"
