"""The yardstick: a worker as one would write it first.

A message holds one infraction, and each costs one UpdateItem that counts it, one verdict on the answer, and one
delete; a ban is one more put. boto3 as it comes. It counts in fixed windows, which is less than the real worker
promises, and the cheapest that can be asked of DynamoDB: the comparison is in its favour.

    AWS_ENDPOINT_URL=… python -m benchmarks.worker.naive
"""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

QUEUE = TABLE = "f2b"
MAXRETRY = 5
FINDTIME_S = 600
BANTIME_S = 600


def judge(dynamodb: DynamoDBClient, infraction: dict[str, Any]) -> None:
    """Count one infraction; ban its address when it is one too many."""
    window = int(infraction["at"]) // FINDTIME_S
    answer = dynamodb.update_item(
        TableName=TABLE,
        Key={"pk": {"S": f"offender#{infraction['jail']}#{infraction['ip']}"}, "sk": {"S": f"window#{window}"}},
        UpdateExpression="ADD hits :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )
    if int(answer["Attributes"]["hits"]["N"]) == MAXRETRY:
        until_s = infraction["at"] + BANTIME_S
        dynamodb.put_item(
            TableName=TABLE,
            Item={"pk": {"S": "bans"}, "sk": {"S": infraction["ip"]}, "until_s": {"N": str(until_s)}},
        )


def work(sqs: SQSClient, dynamodb: DynamoDBClient) -> None:
    """Judge messages one by one, for ever."""
    queue_url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    while True:
        received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        for message in received.get("Messages", []):
            judge(dynamodb, json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    work(boto3.client("sqs"), boto3.client("dynamodb"))
