"""docs/network.md names the hosts that are called, whatever the environment makes of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from f2b_worker.adapters import aws
from f2b_worker.adapters.sqs.direct import DirectCalls
from f2b_worker.errors import Rejected

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "network.md").read_text()
CALLS: dict[str, tuple[str, dict[str, str]]] = {
    "sqs": ("get_queue_url", {"QueueName": "f2b"}),
    "dynamodb": ("describe_table", {"TableName": "f2b"}),
    "wafv2": ("list_ip_sets", {"Scope": "REGIONAL"}),
    "sts": ("get_caller_identity", {}),
    "sns": ("list_topics", {}),
    "events": ("list_event_buses", {}),
}


class NotSentError(Exception):
    """Stands for the network."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ("", "_SQS", "_DYNAMODB", "_WAFV2", "_STS", "_SNS", "_EVENTBRIDGE"):
        monkeypatch.delenv(f"AWS_ENDPOINT_URL{service}", raising=False)
    for name in ("AWS_PROFILE", "AWS_ACCOUNT_ID", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")


def host_of(service: str) -> str:
    hosts: list[str] = []

    def note(request: Any, **_: object) -> None:
        hosts.append(request.url.split("/")[2])
        raise NotSentError

    call, given = CALLS[service]
    with closing(client_of(service)) as client:
        client.meta.events.register("before-send", note)
        with pytest.raises(NotSentError):
            getattr(client, call)(**given)
    return hosts[0]


def client_of(service: str) -> Any:
    if service == "sqs":
        return aws.sqs_client("f2b", connections=1)
    if service == "dynamodb":
        return aws.dynamodb_client(connections=1)
    if service in {"sns", "events"}:
        return aws.notices_client(service, None)
    return aws.wafv2_client(None) if service == "wafv2" else aws._session().client("sts")


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("variable", ["", "AWS_ACCOUNT_ID", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_the_page_names_the_host_that_is_called(
    service: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv(variable, "123456789012" if variable == "AWS_ACCOUNT_ID" else "true")
    host = host_of(service)
    assert f"`{host.replace('us-east-2', 'REGION').replace('123456789012', 'ACCOUNT')}`" in PAGE


@pytest.mark.parametrize("variable", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_the_shims_own_connections_go_to_the_same_host(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "true")
    with closing(client_of("sqs")) as client:
        assert DirectCalls(client, None)._authority == host_of("sqs")


def test_an_account_can_be_kept_out_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCOUNT_ID", "123456789012")
    assert host_of("dynamodb") == "123456789012.ddb.us-east-2.amazonaws.com"
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
    assert host_of("dynamodb") == "dynamodb.us-east-2.amazonaws.com"


@pytest.mark.parametrize(
    ("home", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_cloudfront_is_refused_in_a_partition_whose_credentials_do_not_count_there(
    home: str, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", home)
    with pytest.raises(Rejected, match=f"partition aws; Region {home} is in {partition}, .* leave out --scope"):
        aws.wafv2_client("us-east-1")
    aws.wafv2_client(None).close()


def test_cloudfront_is_reached_from_every_region_of_its_partition_and_from_an_emulators(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for home in ("eu-central-1", "us-east-1", "ap-southeast-7", "local"):
        monkeypatch.setenv("AWS_DEFAULT_REGION", home)
        client = aws.wafv2_client("us-east-1")
        assert client.meta.region_name == "us-east-1"
        client.close()
