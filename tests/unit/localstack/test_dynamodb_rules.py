"""The edge's limits of DynamoDB: what is too much for one key is refused, as AWS refuses it, and nothing else."""

import asyncio
from typing import Any

import pytest

from localstack.dynamodb_rules import DynamoDB
from localstack.edge_http import Request, Response, json_response
from localstack.faults import ApiError
from localstack.table_limits import Rates
from tests.unit.localstack.test_edge_rules import call

UPDATE = 'UPDATE "f2b" SET "v" = ? WHERE "pk" = ? AND "sk" = ?'
INSERT = "INSERT INTO \"f2b\" VALUE {'sk': ?, 'pk': ?}"


class Scene:
    """An emulator that notes what it is asked for, behind limits that are reached by one unit a key."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.items: list[dict[str, Any]] = []
        self.left: dict[str, Any] = {}
        self.dynamodb = DynamoDB(self._forward, lambda: 0.0)
        self.dynamodb.limit(Rates(key_writes=1, key_reads=1))
        self.make_hot()

    async def _forward(self, request: Request) -> Response:
        data = request.json()
        self.sent.append(data)
        answers: dict[str, dict[str, Any]] = {
            "BatchExecuteStatement": {"Responses": [{"ran": one} for one in data.get("Statements", ())]},
            "BatchGetItem": {"Responses": {"f2b": self.items}, "UnprocessedKeys": self.left},
        }
        return json_response(answers.get(request.action, {"done": True}))

    def make_hot(self) -> None:
        """Use up what the key `hot` has in this second."""
        self.ask("PutItem", TableName="f2b", Item=key("hot"))
        self.ask("GetItem", TableName="f2b", Key=key("hot"))
        self.sent.clear()

    def ask(self, action: str, **data: Any) -> dict[str, Any]:
        return asyncio.run(self.dynamodb.answer(call("dynamodb", action, **data))).json()


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "state"}}


def statement(text: str, *values: str) -> dict[str, Any]:
    return {"Statement": text, "Parameters": [{"S": value} for value in values]}


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("PutItem", {"TableName": "f2b", "Item": key("hot")}),
        ("UpdateItem", {"TableName": "f2b", "Key": key("hot")}),
        ("GetItem", {"TableName": "f2b", "Key": key("hot")}),
        (
            "Query",
            {
                "TableName": "f2b",
                "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": {":pk": {"S": "hot"}},
            },
        ),
        ("BatchGetItem", {"RequestItems": {"f2b": {"Keys": [key("hot")]}}}),
        ("BatchWriteItem", {"RequestItems": {"f2b": [{"DeleteRequest": {"Key": key("hot")}}]}}),
    ],
)
def test_a_call_that_is_too_much_for_its_key_is_throttled_and_not_sent_on(
    action: str, data: dict[str, Any]
) -> None:
    scene = Scene()
    with pytest.raises(ApiError) as refused:
        scene.ask(action, **data)
    assert refused.value.code == "ThrottlingException"
    (reason,) = refused.value.response().json()["throttlingReasons"]
    assert reason["reason"].endswith("KeyRangeThroughputExceeded")
    assert reason["resource"].endswith(":table/f2b")
    assert scene.sent == []


def test_a_throttled_statement_is_left_out_and_the_answers_keep_their_order() -> None:
    scene = Scene()
    asked = [
        statement(UPDATE, "1", "cold", "state"),
        statement(UPDATE, "1", "hot", "state"),
        statement(INSERT, "state", "new"),
    ]
    first, second, third = scene.ask("BatchExecuteStatement", Statements=asked)["Responses"]
    assert second["Error"]["Code"] == "ThrottlingError"
    assert [first, third] == [{"ran": asked[0]}, {"ran": asked[2]}]


def test_a_batch_of_throttled_statements_alone_is_answered_one_by_one() -> None:
    scene = Scene()
    asked = [statement(UPDATE, "1", "hot", "state")] * 2
    answers = scene.ask("BatchExecuteStatement", Statements=asked)["Responses"]
    assert [answer["Error"]["Code"] for answer in answers] == ["ThrottlingError"] * 2
    assert scene.sent == []


def test_a_transaction_with_a_throttled_item_is_cancelled_and_names_it() -> None:
    scene = Scene()
    asked = [("Put", {"Item": key("cold")}), ("Update", {"Key": key("hot")})]
    items = [{kind: {"TableName": "f2b", **one}} for kind, one in asked]
    answer = scene.ask("TransactWriteItems", TransactItems=items)
    assert [reason["Code"] for reason in answer["CancellationReasons"]] == ["None", "ThrottlingError"]
    assert scene.sent == []


def test_throttled_keys_of_a_batch_come_back_unprocessed() -> None:
    scene = Scene()
    wanted = {"f2b": {"Keys": [key("hot"), key("cold")], "ConsistentRead": True}}
    answer = scene.ask("BatchGetItem", RequestItems=wanted)
    assert answer["UnprocessedKeys"] == {"f2b": {"Keys": [key("hot")], "ConsistentRead": True}}
    assert scene.sent == [{"RequestItems": {"f2b": {"Keys": [key("cold")], "ConsistentRead": True}}}]


def test_throttled_writes_of_a_batch_come_back_unprocessed() -> None:
    scene = Scene()
    asked = [{"PutRequest": {"Item": key(pk)}} for pk in ("hot", "cold")]
    answer = scene.ask("BatchWriteItem", RequestItems={"f2b": asked})
    assert answer["UnprocessedItems"] == {"f2b": asked[:1]}


def test_units_are_counted_without_limits_too() -> None:
    scene = Scene()
    scene.dynamodb.limit(None)
    for _ in range(3):
        scene.ask("PutItem", Item=key("often"))
    scene.ask("PutItem", Item=key("seldom"))
    told = scene.dynamodb.describe()
    assert (told["peak_key_writes"], told["throttled"]) == ([3, "often"], {})


def test_a_table_of_the_same_keys_has_limits_of_its_own() -> None:
    scene = Scene()
    scene.ask("PutItem", TableName="f2b-other", Item=key("hot"))
    scene.ask(
        "BatchExecuteStatement", Statements=[statement(UPDATE.replace("f2b", "f2b-third"), "1", "hot", "state")]
    )
    assert len(scene.sent) == 2


def test_the_limits_are_told_beside_what_was_used() -> None:
    scene = Scene()
    told = scene.dynamodb.describe()
    assert (told["limits"]["key_writes"], told["peak_key_writes"]) == (1, [1, "hot"])
    scene.dynamodb.limit(None)
    assert scene.dynamodb.describe()["limits"] is None
    scene.dynamodb.reset()
    assert scene.dynamodb.describe()["limits"] is None


@pytest.mark.parametrize("rates", [None, Rates()])
def test_a_batch_answers_one_megabyte_of_a_partition_and_leaves_the_other_keys_with_limits_and_without(
    rates: Rates | None,
) -> None:
    scene = Scene()
    scene.dynamodb.limit(rates)
    if rates is None:
        scene.dynamodb.reset()
    keys = [
        {**key(pk), "sk": {"S": sk}} for pk, sk in (*(("log", str(place)) for place in range(5)), ("other", ""))
    ]
    scene.items = [{**each, "text": {"S": "x" * 300_000}} for each in keys]
    answer = scene.ask("BatchGetItem", RequestItems={"f2b": {"Keys": keys, "ConsistentRead": True}})
    assert answer["Responses"]["f2b"] == [*scene.items[:3], scene.items[5]]
    assert answer["UnprocessedKeys"] == {"f2b": {"Keys": keys[3:5], "ConsistentRead": True}}


def test_what_a_batch_reads_counts_by_its_size() -> None:
    scene = Scene()
    scene.dynamodb.limit(None)
    scene.items = [{**key("large"), "text": {"S": "x" * 40_000}}, key("small")]
    scene.ask("BatchGetItem", RequestItems={"f2b": {"Keys": [key("large"), key("small")]}})
    assert scene.dynamodb.describe()["peak_key_reads"] == [10, "large"]


def test_what_the_emulator_leaves_of_a_batch_comes_back_beside_what_was_throttled() -> None:
    scene = Scene()
    scene.left = {"f2b": {"Keys": [key("cold")]}}
    answer = scene.ask("BatchGetItem", RequestItems={"f2b": {"Keys": [key("hot"), key("cold")]}})
    assert answer["UnprocessedKeys"] == {"f2b": {"Keys": [key("hot"), key("cold")]}}
