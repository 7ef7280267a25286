"""The Region of a queue is the one that its URL names, for whoever sends or receives."""

from __future__ import annotations

import contextlib

import pytest
from botocore.credentials import Credentials

from f2b_producer._aws import connect
from f2b_worker.adapters.aws import queue_region, sqs_client
from f2b_worker.adapters.sqs.direct import DirectCalls
from tests.queue_urls import QUEUE_URLS

HOME = "sa-east-1"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a Region of which no queue is."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_DEFAULT_REGION", HOME)


@pytest.mark.parametrize(("url", "region"), QUEUE_URLS.items())
def test_a_url_names_its_region_or_none(url: str, region: str | None) -> None:
    assert queue_region(url) == region


SOME = {url: region for url, region in QUEUE_URLS.items() if "vpce" in url or "queue" in url or ".eu/" in url}


@pytest.mark.parametrize(("url", "region"), SOME.items())
def test_worker_shim_and_producer_call_the_region_of_the_queue_and_sign_for_it(
    url: str, region: str | None
) -> None:
    client = sqs_client(url, connections=1)
    with contextlib.closing(client):
        direct = DirectCalls(client, None)
        signed = direct._signed("SendMessageBatch", b"{}", Credentials("AKID", "secret").get_frozen_credentials())
    expected = region or HOME
    assert client.meta.region_name == expected
    assert f"/{expected}/sqs/aws4_request".encode() in signed
    assert direct._authority == client.meta.endpoint_url.removeprefix("https://")
    assert expected in direct._authority
    producers = connect(url)
    assert producers.meta.region_name == expected  # type: ignore[attr-defined]
    producers.close()  # type: ignore[attr-defined]
