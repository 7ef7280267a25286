"""How the ledger's table says in which layout its items are.

    pk      sk        what
    meta    schema    version, and readable_from: the oldest version whose workers may work with the table

`f2b provision` writes it, and the first worker of a newer version writes it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors
from f2b_worker.domain.schema import Known, Schema, schema_of
from f2b_worker.errors import Rejected

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KNOWN = Known(Schema(version=2, readable_from=2), oldest=2)

_KEY = {"pk": {"S": "meta"}, "sk": {"S": "schema"}}


class DynamoSchema:
    """The mark of one table; all answers are strongly consistent.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.

    Attributes:
        what: The table, for people.
        known: What this f2b knows of its layout.
    """

    known = KNOWN

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table
        self.what = f"table {table}"

    def read(self) -> Schema | None:
        """Read how it is marked; None if it is not.

        Raises:
            Rejected: If the mark cannot be read.
        """
        with aws_errors(f"reading the format of {self.what}"):
            item: dict[str, Any] | None = self._client.get_item(
                TableName=self._table, Key=_KEY, ConsistentRead=True
            ).get("Item")
        if item is None:
            return None
        found = schema_of(_number(item.get("version")), _number(item.get("readable_from")))
        if found is None:
            raise Rejected(
                f"{self.what}: the item pk=meta sk=schema, which says its format, cannot be read: version and "
                "readable_from must be numbers from 1 on. If no newer f2b has used the table, delete the item"
            )
        return found

    def mark(self, schema: Schema) -> None:
        """Mark it, unless it is marked with this version or a later one."""
        numbers = {name: {"N": str(value)} for name, value in schema._asdict().items()}
        with aws_errors(f"marking the format of {self.what}"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_KEY | numbers,
                    ConditionExpression="attribute_not_exists(pk) OR #version < :version",
                    ExpressionAttributeNames={"#version": "version"},
                    ExpressionAttributeValues={":version": numbers["version"]},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return  # somebody was here before


def _number(value: object) -> int | None:
    text = value.get("N") if isinstance(value, dict) else None
    return int(text) if isinstance(text, str) and text.isdecimal() else None
