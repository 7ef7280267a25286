"""Which Region is asked, and what chose it."""

from __future__ import annotations

import pytest

from f2b_worker import errors
from f2b_worker.adapters.aws import asked_region, dynamodb_client, naming_region, sqs_client, wafv2_client


@pytest.mark.parametrize(
    ("names", "region"),
    [
        ({"AWS_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_region_may_stand_in_either_variable(
    names: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    for client in (
        dynamodb_client(connections=1),
        wafv2_client(None),
        sqs_client("http://127.0.0.1:4566/000000000000/f2b", connections=1),
    ):
        assert client.meta.region_name == region
        client.close()


def test_what_chose_a_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    url = "https://sqs.eu-central-1.amazonaws.com/000000000001/f2b"
    queue, name, edge = sqs_client(url, connections=1), sqs_client("f2b", connections=1), wafv2_client("us-east-1")
    assert asked_region(queue, url) == "Region eu-central-1 (of the queue's URL)"
    assert asked_region(name, "f2b") == "Region eu-west-1 (AWS_REGION)"
    assert asked_region(edge) == "Region us-east-1 (where WAF has all of scope CLOUDFRONT)"
    for client in (queue, name, edge):
        client.close()


def test_the_full_stop_of_awss_sentence_does_not_stand_before_the_region() -> None:
    client = sqs_client("https://sqs.eu-west-1.amazonaws.com/1/f2b", connections=1)
    with pytest.raises(errors.Missing, match=r"^no such queue; asked in Region eu-west-1 "), naming_region(client):
        raise errors.Missing("no such queue.")
