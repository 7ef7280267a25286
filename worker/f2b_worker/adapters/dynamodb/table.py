"""Is the ledger's table there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import aws_errors, part_of
from f2b_worker.adapters.aws import naming_region
from f2b_worker.errors import Rejected

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def check_table(client: DynamoDBClient, table: str) -> None:
    """See that the ledger's table is there, and that it is one.

    Raises:
        Missing: If it is not there.
        Rejected: If it is some other table.
    """
    with naming_region(client), aws_errors(f"table {table}"):
        answer = client.describe_table(TableName=table)
    found = part_of(answer, "Table", f"table {table}", dict)
    keys = [each.get("AttributeName") for each in found.get("KeySchema", [])]
    if keys != ["pk", "sk"]:
        raise Rejected(
            f"table {table} has not the keys pk and sk, so it is not a table of f2b; choose another name"
        )
