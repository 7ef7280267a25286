"""Makes what a fleet needs in AWS, one idempotent step each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.adapters.aws import aws_errors, dynamodb_client, naming_region, part_of, sqs_client
from f2b_worker.adapters.sqs.inbox import dead_letter_url_of, queue_url_of
from f2b_worker.errors import Missing, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from f2b_worker.config.settings import WorkerSettings

VISIBILITY_TIMEOUT_S = 60
RETENTION_S = 14 * 24 * 3600

MAX_RECEIVE_COUNT = 20
"""A worker holds on to what it received through an outage, so only what kills workers comes back so often."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that must be there.

    Attributes:
        what: Its name for people.
        is_there: Looks for it.
        make: Makes it.
    """

    what: str
    is_there: Callable[[], bool]
    make: Callable[[], None]


def steps(settings: WorkerSettings) -> Iterator[Step]:
    """List what a worker with *settings* needs of SQS and DynamoDB, in the order in which it can be made."""
    sqs = sqs_client(settings.required_queue, connections=1)
    queue = settings.required_queue.rstrip("/").rsplit("/", maxsplit=1)[-1]
    dead = f"{queue}-dead"
    yield Step(
        f"dead-letter queue {dead}",
        lambda: _finds(_redrive_of, sqs, queue) or _finds(queue_url_of, sqs, dead),
        lambda: _make_queue(sqs, dead),
    )
    yield Step(f"queue {queue}", lambda: _finds(queue_url_of, sqs, queue), lambda: _make_queue(sqs, queue))
    yield Step(
        f"redrive of {queue} to its dead-letter queue",
        lambda: _finds(_redrive_of, sqs, queue),
        lambda: _set_redrive(sqs, queue, dead),
    )
    dynamodb = dynamodb_client(connections=1)
    yield Step(
        f"table {settings.table}",
        lambda: _finds(check_table, dynamodb, settings.table),
        lambda: _make_table(dynamodb, settings.table),
    )
    yield Step(
        f"time to live of table {settings.table}",
        lambda: _has_ttl(dynamodb, settings.table),
        lambda: _set_ttl(dynamodb, settings.table),
    )


def _finds(look: Callable[..., object], *args: object, **kwargs: object) -> bool:
    try:
        look(*args, **kwargs)
    except Missing:
        return False
    return True


def _make_queue(client: SQSClient, name: str) -> None:
    with aws_errors(f"making queue {name}"):
        client.create_queue(
            QueueName=name,
            Attributes={
                "MessageRetentionPeriod": str(RETENTION_S),
                "VisibilityTimeout": str(VISIBILITY_TIMEOUT_S),
                "ReceiveMessageWaitTimeSeconds": "20",
            },
        )


def _redrive_of(client: SQSClient, queue: str) -> str:
    return dead_letter_url_of(client, queue_url_of(client, queue))


def _set_redrive(client: SQSClient, queue: str, dead: str) -> None:
    dead_url = queue_url_of(client, dead)
    queue_url = queue_url_of(client, queue)
    with aws_errors(f"setting the redrive policy of {queue}"):
        answer = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])
        arn = answer["Attributes"]["QueueArn"]
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE_COUNT}
        client.set_queue_attributes(QueueUrl=queue_url, Attributes={"RedrivePolicy": json.dumps(policy)})


def check_table(client: DynamoDBClient, table: str) -> None:
    """See that the ledger's table is there and has its index.

    Raises:
        Missing: If it is not there.
        Rejected: If it is some other table.
    """
    with naming_region(client), aws_errors(f"table {table}"):
        answer = client.describe_table(TableName=table)
    found = part_of(answer, "Table", f"table {table}", dict)
    if "changes" not in {index.get("IndexName") for index in found.get("LocalSecondaryIndexes", [])}:
        raise Rejected(
            f"table {table} has no local index 'changes', so it is not a table of f2b; choose another name"
        )


def _make_table(client: DynamoDBClient, table: str) -> None:
    with aws_errors(f"making table {table}"):
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
                {"AttributeName": "changed_ms", "AttributeType": "N"},
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            LocalSecondaryIndexes=[
                {
                    "IndexName": "changes",
                    "KeySchema": [
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "changed_ms", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def _has_ttl(client: DynamoDBClient, table: str) -> bool:
    try:
        with aws_errors(f"table {table}"):
            found = client.describe_time_to_live(TableName=table)
    except Missing:  # a dry run: the table itself would be made
        return False
    return found["TimeToLiveDescription"].get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}


def _set_ttl(client: DynamoDBClient, table: str) -> None:
    with aws_errors(f"setting the time to live of table {table}"):
        client.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
        )
