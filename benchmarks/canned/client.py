"""A client of a canned DynamoDB in this process: it has the methods and the errors of boto3's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from benchmarks.canned.tally import CannedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from benchmarks.canned.dynamodb import CannedDynamoDB

    Call = Callable[[str, dict[str, Any]], dict[str, Any]]


class ConditionFailedError(ClientError):
    """As botocore makes one for each client."""


class CancelledError(ClientError):
    """Of a transaction, likewise."""


_KINDS = {
    "ConditionalCheckFailedException": ConditionFailedError,
    "TransactionCanceledException": CancelledError,
}


class _Client:
    class exceptions:  # noqa: N801 - as botocore has it
        ConditionalCheckFailedException = ConditionFailedError
        TransactionCanceledException = CancelledError

    def __init__(self, call: Call) -> None:
        self._call = call

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        operation = "".join(word.capitalize() for word in method.split("_"))
        return lambda **request: self._call(operation, request)


def client_of(call: Call) -> DynamoDBClient:
    """Make a client whose calls are answered by *call*, which is given the operation's name and the request."""
    return cast("DynamoDBClient", _Client(call))


def client_to(dynamodb: CannedDynamoDB) -> DynamoDBClient:
    """Make a client for any number of threads; each call is tried once."""
    one_at_a_time = threading.Lock()

    def call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            with one_at_a_time:
                return dynamodb.operations[operation](request)
        except CannedError as error:
            raise client_error(error, operation) from error

    return client_of(call)


def client_error(error: CannedError, operation: str) -> ClientError:
    """Make the error that botocore would raise."""
    kind = _KINDS.get(error.code, ClientError)
    answer: Any = {"Error": {"Code": error.code, "Message": str(error)}, **error.more}
    return kind(answer, operation)
