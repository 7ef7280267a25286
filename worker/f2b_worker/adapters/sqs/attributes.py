"""What SQS tells of a queue: its URL, its dead-letter queue, and how it is set."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.aws import naming_region
from f2b_worker.errors import Missing, Rejected
from f2b_worker.ports import QueueSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUEUE_SHOWN_WITHIN_S = 3.0
"""A queue can be used a second after it was made; somebody whose queue is missing has not long to wait for that.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""

ATTRIBUTES_SHOWN_WITHIN_S = 60.0
"""So long SQS may answer with attributes as they were.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""

ATTRIBUTES_ARE_NEW_S = 120.0
"""Only a queue that was made or changed so short a time ago is waited for, so that an old one is named at once."""


def is_url(queue: str) -> bool:
    """Tell a queue's URL from its name."""
    return queue.startswith(("http://", "https://"))


def queue_url_of(client: SQSClient, queue: str) -> str:
    """Find the URL of a queue given by URL or by name.

    Raises:
        Missing: If there is no such queue.
    """
    try:
        with naming_region(client, queue), aws_errors(f"queue {queue}"):
            if is_url(queue):
                answer = client.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
                part_of(answer, "Attributes", f"queue {queue}", dict)
                return queue
            return str(part_of(client.get_queue_url(QueueName=queue), "QueueUrl", f"queue {queue}"))
    except Missing as error:
        raise Missing(str(error), shown_within_s=QUEUE_SHOWN_WITHIN_S) from error


def dead_letter_url_of(client: SQSClient, queue_url: str) -> str:
    """Find the queue that the redrive policy of *queue_url* names.

    Raises:
        Missing: If it has no redrive policy, or names a queue that is not there.
    """
    doing = f"queue {queue_url}"
    with aws_errors(doing):
        answer = client.get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=["RedrivePolicy", "LastModifiedTimestamp"]
        )
    attributes = answer.get("Attributes", {})
    policy = attributes.get("RedrivePolicy")
    if not policy:
        with odd_answers(doing):
            changed_s = float(attributes.get("LastModifiedTimestamp", 0))
        is_new = abs(time.time() - changed_s) < ATTRIBUTES_ARE_NEW_S
        raise Missing(
            f"{doing} has no dead-letter queue",
            shown_within_s=ATTRIBUTES_SHOWN_WITHIN_S if is_new else 0,
        )
    with odd_answers(doing):
        _, _, _, _, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
    if name.endswith(".fifo"):
        raise Rejected(f"{doing}: its dead-letter queue {name} is a FIFO queue: give it a standard one")
    with aws_errors(f"dead-letter queue {name}"):
        found = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
        return str(part_of(found, "QueueUrl", f"dead-letter queue {name}"))


def visibility_s_of(client: SQSClient, queue_url: str) -> int:
    """Ask how long a received message of *queue_url* stays hidden."""
    with aws_errors(f"queue {queue_url}"):
        answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["VisibilityTimeout"])
    with odd_answers(f"queue {queue_url}"):
        return int(answer.get("Attributes", {}).get("VisibilityTimeout", 30))


def queue_settings_of(client: SQSClient, queue_url: str) -> QueueSettings:
    """Ask how *queue_url* is set; what the answer leaves out is as SQS has it by default.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """
    with aws_errors(f"queue {queue_url}"):
        answer = client.get_queue_attributes(
            QueueUrl=queue_url,
            AttributeNames=["VisibilityTimeout", "RedrivePolicy", "MessageRetentionPeriod", "DelaySeconds"],
        )
    with odd_answers(f"queue {queue_url}"):
        found = answer.get("Attributes", {})
        policy = json.loads(found.get("RedrivePolicy") or "{}")
        return QueueSettings(
            url=queue_url,
            visibility_s=int(found.get("VisibilityTimeout", 30)),
            dead_letters=str(policy.get("deadLetterTargetArn", "")),
            receives_max=int(policy.get("maxReceiveCount", 0)),
            retention_s=int(found.get("MessageRetentionPeriod", 345_600)),
            delay_s=int(found.get("DelaySeconds", 0)),
        )
