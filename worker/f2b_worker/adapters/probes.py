"""Calls that change nothing, and tell whether they might: each is refused for a reason of its own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from f2b_worker.adapters.answers import aws_errors, error_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from f2b_worker.adapters.waf.ip_set import WafIpSet

_KEY: dict[str, Any] = {"pk": {"S": "probe"}, "sk": {"S": "probe"}}
_NEVER = "attribute_exists(pk)"
"""Nobody writes this item, so a write on this condition is refused, if it is not forbidden before."""

_REFUSED = {
    "ConditionalCheckFailedException",
    "WAFOptimisticLockException",
    "ReceiptHandleIsInvalid",
    "InvalidParameterValue",
    "InvalidParameterValueException",
}


def table_probes(client: DynamoDBClient, table: str) -> Mapping[str, Callable[[], None]]:
    """Try to write to a table, by each action that workers and operators use."""
    on: dict[str, Any] = {"TableName": table, "ConditionExpression": _NEVER}
    return {
        "dynamodb:PutItem": lambda: _refused(lambda: client.put_item(Item=_KEY, **on)),
        "dynamodb:UpdateItem": lambda: _refused(
            lambda: client.update_item(Key=_KEY, UpdateExpression="REMOVE nothing", **on)
        ),
        "dynamodb:DeleteItem": lambda: _refused(lambda: client.delete_item(Key=_KEY, **on)),
    }


def queue_probes(client: SQSClient, queue_url: str) -> Mapping[str, Callable[[], None]]:
    """Try to take from a queue what is not there."""
    nothing: dict[str, Any] = {"QueueUrl": queue_url, "ReceiptHandle": "none"}
    return {
        "sqs:ChangeMessageVisibility": lambda: _refused(
            lambda: client.change_message_visibility(VisibilityTimeout=0, **nothing)
        ),
        "sqs:DeleteMessage": lambda: _refused(lambda: client.delete_message(**nothing)),
    }


def probe_ip_set(ip_set: WafIpSet) -> None:
    """Try to write what an IP set holds already, with a token that nobody was given."""
    _refused(lambda: ip_set.write(ip_set.read().entries, str(uuid.UUID(int=0))))


def _refused(call: Callable[[], object]) -> None:
    """Make a call that is to be refused.

    Raises:
        AccessDenied: If it is not allowed.
    """
    with aws_errors("trying it"):
        try:
            call()
        except ClientError as error:
            if error_code(error) not in _REFUSED:
                raise
