"""Calls that change nothing, and tell whether they might: each is refused for a reason of its own.

AWS asks its policies first. So a refusal for any other reason, or a batch that is answered part by part, says that
the action is allowed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from f2b_worker.adapters.answers import aws_errors, error_code, error_of, odd_answers
from f2b_worker.adapters.dynamodb.statements import Statement, insert, update
from f2b_worker.adapters.waf.ip_set import scope_name

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from f2b_worker.adapters.waf.ip_set import WafIpSet
    from f2b_worker.adapters.waf.listing import WafListing
    from f2b_worker.domain.blocklists import Scope

Probes = Mapping[str, Callable[[], None]]
"""What tries an action, by IAM's name of it; it raises `AccessDenied` if that is not allowed."""

_TRYING = "trying it"
_KEY: dict[str, Any] = {"pk": {"S": "probe"}, "sk": {"S": "probe"}}
_NEVER = "attribute_exists(pk)"
"""Nobody writes this item, so a write on this condition is refused, if it is not forbidden before."""

_NOBODY = "probe"
_NO_ID = str(uuid.UUID(int=0))
_TOO_MANY = 11
"""SQS hands out ten messages at most: whoever asks for more is refused, and receives none."""

_TOO_LATE_S = 901
"""SQS delays a message by 900 s at most: one that is to come later is not taken."""

_REFUSED = {
    "ConditionalCheckFailedException",
    "ConditionalCheckFailed",
    "ValidationException",
    "ValidationError",
    "WAFOptimisticLockException",
    "WAFNonexistentItemException",
    "ReceiptHandleIsInvalid",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "ReadCountOutOfRange",
}


def table_probes(client: DynamoDBClient, table: str) -> Probes:
    """Try what workers and operators do to a table."""
    on: dict[str, Any] = {"TableName": table, "ConditionExpression": _NEVER}
    query: dict[str, Any] = {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": _KEY["pk"]},
    }
    without_key = insert(table, {"sk": _KEY["sk"]})
    of_nobody = update(table, _KEY, {"nothing": {"N": "0"}}, unless_changed={"nothing": {"N": "1"}})
    return {
        "dynamodb:GetItem": lambda: _refused(lambda: client.get_item(TableName=table, Key=_KEY)),
        "dynamodb:BatchGetItem": lambda: _refused(
            lambda: client.batch_get_item(RequestItems={table: {"Keys": [_KEY]}})
        ),
        "dynamodb:Query": lambda: _refused(lambda: client.query(TableName=table, **query)),
        "dynamodb:PutItem": lambda: _refused(lambda: client.put_item(Item=_KEY, **on)),
        "dynamodb:UpdateItem": lambda: _refused(
            lambda: client.update_item(Key=_KEY, UpdateExpression="REMOVE nothing", **on)
        ),
        "dynamodb:DeleteItem": lambda: _refused(lambda: client.delete_item(Key=_KEY, **on)),
        "dynamodb:PartiQLInsert": lambda: _statement_refused(client, without_key),
        "dynamodb:PartiQLUpdate": lambda: _statement_refused(client, of_nobody),
    }


def queue_probes(client: SQSClient, queue_url: str) -> Probes:
    """Try what workers, producers and operators do to a queue, with no message of anybody's."""
    on: dict[str, Any] = {"QueueUrl": queue_url}
    nothing: Any = {"Id": _NOBODY, "ReceiptHandle": "none"}
    shown: Any = {**nothing, "VisibilityTimeout": 0}
    late: Any = {"Id": _NOBODY, "MessageBody": _NOBODY, "DelaySeconds": _TOO_LATE_S}
    return {
        "sqs:ReceiveMessage": lambda: _refused(
            lambda: client.receive_message(MaxNumberOfMessages=_TOO_MANY, **on)
        ),
        "sqs:DeleteMessage": lambda: _refused(lambda: client.delete_message_batch(Entries=[nothing], **on)),
        "sqs:ChangeMessageVisibility": lambda: _refused(
            lambda: client.change_message_visibility_batch(Entries=[shown], **on)
        ),
        "sqs:SendMessage": lambda: _refused(lambda: client.send_message_batch(Entries=[late], **on)),
        "sqs:GetQueueAttributes": lambda: _refused(
            lambda: client.get_queue_attributes(AttributeNames=["QueueArn"], **on)
        ),
    }


def waf_probes(listing: WafListing, scope: Scope, ip_set: str) -> Probes:
    """Try what workers and operators read of WAF.

    Args:
        listing: Paces the calls.
        scope: Where.
        ip_set: The beginning of the names of IP sets that may be read.
    """
    client, where = listing.client, scope_name(scope)

    def paced(call: Callable[[], object]) -> Callable[[], None]:
        def probe() -> None:
            listing.pace.wait()
            _refused(call)

        return probe

    return {
        "wafv2:ListIPSets": paced(lambda: client.list_ip_sets(Scope=where, Limit=1)),
        "wafv2:GetIPSet": paced(lambda: client.get_ip_set(Name=ip_set, Scope=where, Id=_NO_ID)),
        "wafv2:ListWebACLs": paced(lambda: client.list_web_acls(Scope=where, Limit=1)),
        "wafv2:GetWebACL": paced(lambda: client.get_web_acl(Name=_NOBODY, Scope=where, Id=_NO_ID)),
        "wafv2:GetRuleGroup": paced(lambda: client.get_rule_group(Name=_NOBODY, Scope=where, Id=_NO_ID)),
    }


def probe_ip_set(ip_set: WafIpSet) -> None:
    """Try to write what an IP set holds already, with a token that nobody was given."""
    _refused(lambda: ip_set.write(ip_set.read().entries, _NO_ID))


def _refused(call: Callable[[], object]) -> None:
    """Make a call that changes nothing, since it is to be refused.

    Raises:
        AccessDenied: If it is not allowed.
    """
    with aws_errors(_TRYING):
        try:
            call()
        except ClientError as error:
            if error_code(error) not in _REFUSED:
                raise


def _statement_refused(client: DynamoDBClient, statement: Statement) -> None:
    """Run a statement that is to be refused: DynamoDB may say in its place that it is not allowed."""
    asked: Any = [{"Statement": statement.text, "Parameters": list(statement.parameters)}]
    with aws_errors(_TRYING):
        answer: Any = client.batch_execute_statement(Statements=asked)
    with odd_answers(_TRYING):
        error = answer["Responses"][0].get("Error", {})
        code = str(error.get("Code", ""))
    if code and code not in _REFUSED:
        raise error_of(code, f"{_TRYING}: {error.get('Message') or code}")
