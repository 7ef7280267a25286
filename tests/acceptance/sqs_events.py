"""Events of SQS as AWS Lambda makes them, and what an event source mapping does with the answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from demo.fleet import Fleet


class Context:
    """What Lambda tells of an invocation."""

    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def __init__(self, left_s: float = 30.0) -> None:
        self._ends_s = time.monotonic() + left_s

    def get_remaining_time_in_millis(self) -> int:
        """Tell how much time is left."""
        return max(0, round(1000 * (self._ends_s - time.monotonic())))


def record_of(message: Any, arn: str) -> dict[str, Any]:
    """Make a record of a message as SQS hands it out, all attributes asked for.

    The shape is that of https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
    """
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {
                "stringValue": each.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": each["DataType"],
            }
            for name, each in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }


def received(fleet: Fleet, most: int = 10_000) -> dict[str, Any]:
    """Receive what waits in the queue, as one event."""
    attributes = fleet.sqs.get_queue_attributes(QueueUrl=fleet.queue_url, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    records: list[dict[str, Any]] = []
    while len(records) < most:
        answer = fleet.sqs.receive_message(
            QueueUrl=fleet.queue_url,
            MaxNumberOfMessages=min(10, most - len(records)),
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=0,
        )
        if not answer.get("Messages"):
            break
        records += [record_of(each, arn) for each in answer["Messages"]]
    return {"Records": records}


def failures(answer: dict[str, Any]) -> list[str]:
    """Name the messages that are to come again."""
    assert answer.keys() == {"batchItemFailures"}
    assert all(each.keys() == {"itemIdentifier"} for each in answer["batchItemFailures"])
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def settle(fleet: Fleet, event: dict[str, Any], failed: Iterable[str]) -> None:
    """Do what an event source mapping with ReportBatchItemFailures does: delete all but the failed.

    Those are visible again at once here, in AWS when their visibility timeout ends.
    """
    again = set(failed)
    for each in event["Records"]:
        receipt = each["receiptHandle"]
        if each["messageId"] in again:
            fleet.sqs.change_message_visibility(
                QueueUrl=fleet.queue_url, ReceiptHandle=receipt, VisibilityTimeout=0
            )
        else:
            fleet.sqs.delete_message(QueueUrl=fleet.queue_url, ReceiptHandle=receipt)


def map_events(
    fleet: Fleet, function: Callable[[Any, Any], dict[str, Any]], most: int, left_s: float = 30.0
) -> None:
    """Be an event source mapping until the queue is empty."""
    while (event := received(fleet, most))["Records"]:
        settle(fleet, event, failures(function(event, Context(left_s))))
