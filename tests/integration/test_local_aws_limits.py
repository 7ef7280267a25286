"""A real client reads the edge's refusals of what is too much for a key as AWS's."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from localstack.table_limits import NEW_TABLE

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


def test_a_new_table_refuses_a_key_that_nobody_used_when_its_partition_is_used_up(
    edge: EdgeControl, dynamodb: Any, table: str
) -> None:
    edge.limit_tables(**asdict(NEW_TABLE))
    fresh = ({"pk": {"S": f"key{number}"}, "sk": {"S": "state"}} for number in count())

    def use_up_all_partitions() -> None:
        large = [{**next(fresh), "text": {"S": "x" * 180_000}} for _ in range(20)]
        puts = [{"Put": {"TableName": table, "Item": item}} for item in large]
        dynamodb.transact_write_items(TransactItems=puts)

    def write_on() -> None:
        for _ in range(100):  # the first time, unless a second ends between the calls
            use_up_all_partitions()
            for _ in range(5):
                dynamodb.put_item(TableName=table, Item=next(fresh))

    with pytest.raises(ClientError, match="ThrottlingException") as refused:
        write_on()
    (reason,) = refused.value.response["throttlingReasons"]  # type: ignore[typeddict-item]
    assert reason["reason"] == "TableWriteKeyRangeThroughputExceeded"


def test_a_real_client_gets_one_megabyte_of_a_partition_at_once_and_all_of_it_by_asking_again(
    edge: EdgeControl, dynamodb: Any, table: str
) -> None:
    keys = [{"pk": {"S": "log"}, "sk": {"S": str(number)}} for number in range(5)]
    for key in keys:
        dynamodb.put_item(TableName=table, Item={**key, "text": {"S": "x" * 300_000}})
    asked: dict[str, Any] = {table: {"Keys": keys}}
    pages: list[list[str]] = []
    while asked:
        answer = dynamodb.batch_get_item(RequestItems=asked)
        pages.append(sorted(item["sk"]["S"] for item in answer["Responses"][table]))
        asked = answer["UnprocessedKeys"]
    assert [len(page) for page in pages] == [3, 2]
    assert sorted(chain.from_iterable(pages)) == list("01234")
