"""Short words for what the tests of the local AWS do."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=30)
UUID = "00000000-0000-4000-8000-000000000000"
NAMES = (f"name-{number}" for number in itertools.count())


@contextlib.contextmanager
def refused(code: str) -> Iterator[dict[str, Any]]:
    """Expect an error of this code; what is yielded holds its whole answer afterwards."""
    answer: dict[str, Any] = {}
    with pytest.raises(ClientError) as caught:
        yield answer
    answer.update(caught.value.response)
    assert answer["Error"]["Code"] == code


def send(sqs: Any, queue: str, count: int) -> list[str]:
    bodies = [f"body {number}" for number in range(count)]
    for start in range(0, count, 10):
        batch = bodies[start : start + 10]
        entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(batch)]
        assert not sqs.send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")
    return bodies


def receive(sqs: Any, queue: str, **how: Any) -> list[Any]:
    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, **how)
    return list(answer.get("Messages", []))


def drain(sqs: Any, queue: str) -> list[Any]:
    """Receive and delete until nothing comes."""
    drained = []
    while messages := receive(sqs, queue):
        drained += messages
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return drained


def make_set(waf: Any, addresses: list[str], version: str = "IPV4", **more: Any) -> dict[str, Any]:
    """Make an IP set; the answer holds what names it."""
    wanted = {"Name": next(NAMES), "Scope": "REGIONAL", **more}
    summary = waf.create_ip_set(IPAddressVersion=version, Addresses=addresses, **wanted)["Summary"]
    return {"Name": wanted["Name"], "Scope": wanted["Scope"], "Id": summary["Id"]}


def token_of(waf: Any, name: dict[str, Any]) -> str:
    return str(waf.get_ip_set(**name)["LockToken"])


def arn_of(waf: Any, name: dict[str, Any]) -> str:
    return str(waf.get_ip_set(**name)["IPSet"]["ARN"])


def tags_of(waf: Any, arn: str) -> dict[str, str]:
    answer = waf.list_tags_for_resource(ResourceARN=arn)["TagInfoForResource"]
    assert answer["ResourceARN"] == arn
    return {each["Key"]: each["Value"] for each in answer["TagList"]}
