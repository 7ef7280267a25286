"""How many messages wait in a queue, and in its dead-letter queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.ports.fleet import QueueDepth

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_NUMBERS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def depth_of(client: SQSClient, queue_url: str, dead_letter_url: str) -> QueueDepth:
    """Ask how many messages wait."""
    waiting, in_flight, delayed = _numbers(client, queue_url)
    return QueueDepth(waiting, in_flight, delayed, sum(_numbers(client, dead_letter_url)))


def _numbers(client: SQSClient, queue_url: str) -> list[int]:
    doing = f"queue {queue_url}"
    with aws_errors(doing):
        answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
    with odd_answers(doing):
        attributes = part_of(answer, "Attributes", doing, dict)
        return [int(attributes.get(name, 0)) for name in _NUMBERS]
