"""Events of SQS in the shape that AWS documents."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from f2b_worker.adapters.sqs.events import EventInbox, read_event
from f2b_worker.errors import F2bError
from f2b_worker.ports import Message

NOW_MS = 1_700_000_000_000
ARN = "arn:aws:sqs:us-east-2:123456789012:my-queue"


def record(name: str = "059f36b4-87a3-44ab-83d2-661975830a7d", body: str = "Test message.", **more: Any) -> Any:
    """A record of https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, and a fair queue's attribute."""
    return {
        "messageId": name,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
            "MessageGroupId": "tenant-7",
        },
        "messageAttributes": {
            "myAttribute": {
                "stringValue": "myValue",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            }
        },
        "md5OfBody": hashlib.md5(body.encode()).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN,
        "awsRegion": "us-east-2",
        **more,
    }


def test_the_documented_event_is_read() -> None:
    event = read_event({"Records": [record(), record("2e1424d4-f796-459a-8184-9c92662be6da")]}, now_ms=NOW_MS)

    assert event.queue_arn == ARN
    assert event.ids == ("059f36b4-87a3-44ab-83d2-661975830a7d", "2e1424d4-f796-459a-8184-9c92662be6da")
    assert event.messages[0] == Message(
        "059f36b4-87a3-44ab-83d2-661975830a7d",
        "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "Test message.",
        1_545_082_649_183,
    )


def test_the_documented_digest_is_that_of_the_documented_body() -> None:
    assert record()["md5OfBody"] == "e4e68fb7bd0e697a0ae8f1bb342846b3"


def test_a_message_that_came_damaged_is_not_judged_and_comes_again() -> None:
    event = read_event({"Records": [record("a"), record("b", md5OfBody="0" * 32)]}, now_ms=NOW_MS)

    assert event.ids == ("a", "b")
    assert [each.id for each in event.messages] == ["a"]


def test_a_message_that_is_delivered_twice_in_one_event_is_named_once() -> None:
    event = read_event({"Records": [record("a"), record("a", receiptHandle="other")]}, now_ms=NOW_MS)

    assert event.ids == ("a",)
    assert len(event.messages) == 2


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"Records": []},
        {"Records": {}},
        {"Records": ["a"]},
        {"Records": [record(eventSource="aws:sns")]},
        {"Records": [record(), record(eventSource="aws:kinesis")]},
        {"Records": [record(messageId="")]},
        {"Records": [record(messageId=None)]},
        {"Records": [record(eventSourceARN="my-queue")]},
        {"Records": [record(eventSourceARN=f"{ARN}.fifo")]},
        {"Records": [record(), record(eventSourceARN=f"{ARN}-2")]},
        {"Records": [record(receiptHandle=None)]},
        {"warmup": True},
    ],
)
def test_what_is_no_event_of_one_sqs_queue_is_refused_as_a_whole_in_one_line(raw: Any) -> None:
    with pytest.raises(F2bError) as refused:
        read_event(raw, now_ms=NOW_MS)
    assert str(refused.value).startswith("reading the event: ")
    assert "\n" not in str(refused.value)


def test_the_inbox_of_an_event_tells_what_is_judged_and_what_comes_again() -> None:
    inbox, message = EventInbox(), Message("a", "r", "", NOW_MS)
    other = Message("b", "r", "", NOW_MS)
    inbox.begin(lambda letters: [None] * len(letters))

    assert inbox.receive(wait_s=20) == []
    inbox.delete([message])
    inbox.postpone([other])
    inbox.keep([other])
    inbox.release([other])
    assert (inbox.judged, inbox.left) == ({"a"}, {"b"})
    inbox.begin(inbox.bury)
    assert (inbox.judged, inbox.left) == (set(), set())
