"""Signs of life of the workers, in the ledger's table.

pk      sk           what
fleet   <worker>     its last sign of life
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors
from f2b_worker.adapters.dynamodb.items import as_count, number, ttl
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.ports.fleet import WorkerSign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

_PK = {"S": "fleet"}


class DynamoFleet:
    """The signs of life in one table.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def sign(self, sign: WorkerSign) -> None:
        """Store a sign in the place of the one before it."""
        item: dict[str, Any] = {
            "pk": _PK,
            "sk": {"S": sign.name},
            "at_ms": number(sign.at_ms),
            "started_ms": number(sign.started_ms),
            "version": {"S": sign.version},
            "remark": {"S": sign.remark},
            "ttl": ttl(sign.at_ms + DAY_MS),
        }
        if sign.generation is not None:
            item["generation"] = number(sign.generation)
        if not sign.judges:
            item["judges"] = {"BOOL": False}
        if sign.oldest_ms is not None:
            item["oldest_ms"] = number(sign.oldest_ms)
        with aws_errors("giving a sign of life"):
            self._client.put_item(TableName=self._table, Item=item)

    def leave(self, name: str) -> None:
        """Forget a worker that stops."""
        with aws_errors("taking back the sign of life"):
            self._client.delete_item(TableName=self._table, Key={"pk": _PK, "sk": {"S": name}})

    def signs(self) -> list[WorkerSign]:
        """Read the last sign of every worker that has not left."""
        return [sign for item in self._items() if (sign := _as_sign(item))]

    def _items(self) -> Iterator[dict[str, Any]]:
        with aws_errors("reading the signs of life"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                ConsistentRead=True,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": _PK},
            )
            for page in pages:
                yield from page.get("Items", [])


def _as_sign(item: dict[str, Any]) -> WorkerSign | None:
    """Read a sign; who cannot be read gives another one within a minute."""
    try:
        return WorkerSign(
            item["sk"]["S"],
            as_count(item["at_ms"]),
            as_count(item["started_ms"]),
            item["version"]["S"],
            item["remark"]["S"],
            as_count(item["generation"]) if "generation" in item else None,
            judges=item.get("judges") != {"BOOL": False},
            oldest_ms=as_count(item["oldest_ms"]) if "oldest_ms" in item else None,
        )
    except MISSHAPEN:
        return None
