"""A real client reads the edge's refusals of what is too much for a key as AWS's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from localstack.control import EdgeControl

pytest_plugins = ("tests.integration.strict_aws",)

KEY = {"pk": {"S": "offender"}, "sk": {"S": "state"}}
OTHER = {**KEY, "pk": {"S": "other"}}


def insert(table: str, key: dict[str, Any]) -> dict[str, Any]:
    return {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': ?, 'sk': ?}}", "Parameters": list(key.values())}


def test_each_way_of_writing_and_reading_is_refused_in_its_own_shape(
    edge: EdgeControl, dynamodb: Any, table: str
) -> None:
    edge.limit_tables(key_writes=0, key_reads=0)
    with pytest.raises(ClientError, match="ThrottlingException"):
        dynamodb.put_item(TableName=table, Item=KEY)
    with pytest.raises(ClientError, match="ThrottlingException"):
        dynamodb.get_item(TableName=table, Key=KEY)
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": KEY}}])
    assert [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]] == ["ThrottlingError"]
    (answer,) = dynamodb.batch_execute_statement(Statements=[insert(table, KEY)])["Responses"]
    assert answer["Error"]["Code"] == "ThrottlingError"
    assert sum(edge.table_units()["throttled"].values()) == 4


def test_without_limits_units_are_counted_and_all_is_carried_out(
    edge: EdgeControl, dynamodb: Any, table: str
) -> None:
    edge.count_units()
    dynamodb.put_item(TableName=table, Item=KEY)
    insert = {
        "Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': ?, 'sk': ?}}",
        "Parameters": [{"S": "other"}, KEY["sk"]],
    }
    assert "Error" not in dynamodb.batch_execute_statement(Statements=[insert])["Responses"][0]
    wanted = {table: {"Keys": [KEY, {**KEY, "pk": {"S": "other"}}]}}
    assert len(dynamodb.batch_get_item(RequestItems=wanted)["Responses"][table]) == 2
    units, key = edge.table_units()["peak_key_writes"]
    assert units >= 1
    assert key in {"offender", "other"}
