"""Reading many items at once, strongly consistent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.errors import Throttled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item

READ_MAX = 100
"""So many items one BatchGetItem reads."""

_READS = 5


def read_items(
    client: DynamoDBClient, table: str, keys: Iterable[Item], doing: str
) -> dict[tuple[str, str], Item]:
    """Read up to `READ_MAX` items; answer those that are there, by their keys.

    Raises:
        Throttled: If DynamoDB leaves some of them unread.
    """
    found: dict[tuple[str, str], Item] = {}
    asked: Any = {table: {"Keys": list(keys), "ConsistentRead": True}}
    for _ in range(_READS):
        if not asked:
            return found
        with aws_errors(doing):
            answer = client.batch_get_item(RequestItems=asked)
        with odd_answers(doing):
            responses = part_of(answer, "Responses", doing)
            found.update(((item["pk"]["S"], item["sk"]["S"]), item) for item in responses.get(table, []))
        asked = answer.get("UnprocessedKeys", {})
    if asked:
        raise Throttled(f"{doing}: DynamoDB leaves keys unread")
    return found
