"""The canned DynamoDB throttles as AWS does: by key and by table, writes and reads apart."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_core import to_json

from benchmarks.canned.aws import CannedAws, Connection, LostAnswer
from benchmarks.canned.dynamodb import CannedDynamoDB
from benchmarks.canned.mishaps import Mishaps, Odds
from benchmarks.canned.tally import CannedError, Tally, Throttled
from localstack.table_limits import NEW_TABLE, Limits, Rates
from tests.unit.benchmarks.test_canned_aws import ask

if TYPE_CHECKING:
    from collections.abc import Callable

PUT = "INSERT INTO \"f2b\" VALUE {'pk': ?, 'sk': ?}"


class Scene:
    """A table with few units a second, and a clock that stands still."""

    def __init__(self, **rates: Any) -> None:
        self.now_s = 0.0
        self.limits = Limits(Rates(**rates), lambda: self.now_s)
        self.dynamodb = CannedDynamoDB(Tally(), ["f2b"], self.limits)

    def put(self, pk: str, sk: str = "state", text: str = "") -> None:
        ask(self.dynamodb, "PutItem", Item={**key(pk, sk), "text": {"S": text}})

    def get(self, pk: str, sk: str = "state") -> dict[str, Any]:
        return ask(self.dynamodb, "GetItem", Key=key(pk, sk), ConsistentRead=True)

    def has(self, pk: str) -> bool:
        return "Item" in self.get(pk)


def key(pk: str, sk: str = "state") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def is_throttled(call: Callable[[str], object], pk: str) -> bool:
    try:
        call(pk)
    except Throttled:
        return True
    return False


def test_a_key_has_so_many_write_units_a_second_and_all_of_them_again_in_the_next() -> None:
    scene = Scene(key_writes=3)
    for _ in range(3):
        scene.put("a")
    with pytest.raises(Throttled) as refused:
        scene.put("a")
    assert refused.value.more["throttlingReasons"][0]["reason"] == "TableWriteKeyRangeThroughputExceeded"
    scene.put("b")
    scene.now_s = 1.0
    scene.put("a")


def test_a_table_has_a_limit_of_its_own_over_all_keys() -> None:
    scene = Scene(table_writes=2)
    scene.put("a")
    scene.put("b")
    with pytest.raises(Throttled) as refused:
        scene.put("c")
    assert refused.value.more["throttlingReasons"][0]["reason"] == "TableWriteAccountLimitExceeded"


def test_a_new_table_has_4000_writes_and_12000_reads_a_second_on_four_partitions_that_its_keys_share() -> None:
    scene = Scene(**asdict(NEW_TABLE))
    keys = [str(number) for number in range(5_000)]
    written = [pk for pk in keys if not is_throttled(scene.put, pk)]
    read = [pk for pk in keys * 4 if not is_throttled(scene.get, pk)]
    assert (len(written), len(read)) == (4_000, 12_000)
    reasons = {"TableWriteKeyRangeThroughputExceeded": 1_000, "TableReadKeyRangeThroughputExceeded": 8_000}
    assert scene.limits.figures()["throttled"] == reasons
    assert scene.limits.figures()["peak_key_writes"][0] == 1


def test_a_table_that_has_grown_serves_as_many_keys_as_its_quota_allows() -> None:
    scene = Scene()
    assert not any(is_throttled(scene.put, str(number)) for number in range(5_000))


def test_reads_and_writes_are_limited_apart() -> None:
    scene = Scene(key_writes=1, key_reads=1)
    scene.put("a")
    assert scene.has("a")
    with pytest.raises(Throttled):
        scene.get("a")


def test_what_is_throttled_changes_nothing_and_costs_nothing() -> None:
    scene = Scene(key_writes=1)
    scene.put("a", text="first")
    with pytest.raises(Throttled):
        scene.put("a", text="second")
    assert scene.get("a")["Item"]["text"] == {"S": "first"}
    assert scene.limits.figures()["peak_key_writes"] == [1, "a"]


def test_large_items_and_failed_conditions_use_up_a_key_too() -> None:
    scene = Scene(key_writes=10)
    scene.put("large", text="x" * 5_000)
    scene.put("failed")
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    with pytest.raises(CannedError):
        ask(scene.dynamodb, "PutItem", Item=key("failed"), **condition)
    used = dict.fromkeys(("large", "failed"), 0)
    for pk in used:
        while True:
            try:
                scene.put(pk)
            except Throttled:
                break
            used[pk] += 1
    assert used == {"large": 1, "failed": 8}


def test_one_throttled_statement_leaves_the_others_of_its_batch_alone() -> None:
    scene = Scene(key_writes=1)
    scene.put("hot")
    statements = [{"Statement": PUT, "Parameters": [{"S": pk}, {"S": "new"}]} for pk in ("hot", "cold")]
    hot, cold = ask(scene.dynamodb, "BatchExecuteStatement", Statements=statements)["Responses"]
    assert hot["Error"]["Code"] == "ThrottlingError"
    assert "Error" not in cold


def test_one_throttled_item_cancels_its_whole_transaction_and_is_named() -> None:
    scene = Scene(key_writes=1)
    scene.put("hot")
    items = [{"Put": {"TableName": "f2b", "Item": key(pk, "new")}} for pk in ("cold", "hot")]
    with pytest.raises(CannedError) as refused:
        ask(scene.dynamodb, "TransactWriteItems", TransactItems=items)
    assert refused.value.code == "TransactionCanceledException"
    assert [reason["Code"] for reason in refused.value.more["CancellationReasons"]] == ["None", "ThrottlingError"]
    assert "Item" not in scene.get("cold", "new")


def test_throttled_keys_of_a_batch_come_back_unprocessed_and_a_batch_of_them_alone_is_refused() -> None:
    scene = Scene(key_reads=1)
    scene.put("hot")
    scene.put("cold")
    scene.get("hot")
    wanted = {"f2b": {"Keys": [key("hot"), key("cold")], "ConsistentRead": True}}
    answer = ask(scene.dynamodb, "BatchGetItem", RequestItems=wanted)
    assert [item["pk"] for item in answer["Responses"]["f2b"]] == [{"S": "cold"}]
    assert answer["UnprocessedKeys"] == {"f2b": {"Keys": [key("hot")], "ConsistentRead": True}}
    with pytest.raises(Throttled):
        ask(scene.dynamodb, "BatchGetItem", RequestItems={"f2b": {"Keys": [key("hot")]}})


def test_a_batch_reads_one_megabyte_of_a_partition() -> None:
    scene = Scene(key_writes=10_000)
    for place in range(5):
        scene.put("log", str(place), "x" * 300_000)
    scene.put("other", text="x" * 300_000)
    keys = [key("log", str(place)) for place in range(5)] + [key("other")]
    answer = ask(scene.dynamodb, "BatchGetItem", RequestItems={"f2b": {"Keys": keys}})
    assert [item["pk"]["S"] for item in answer["Responses"]["f2b"]] == ["log", "log", "log", "other"]
    assert answer["UnprocessedKeys"]["f2b"]["Keys"] == keys[3:5]


def test_keys_that_share_a_partition_share_its_megabyte() -> None:
    scene = Scene(partitions=1)
    for place in range(5):
        scene.put(f"part#{place}", text="x" * 300_000)
        scene.now_s += 1
    keys = [key(f"part#{place}") for place in range(5)]
    answer = ask(scene.dynamodb, "BatchGetItem", RequestItems={"f2b": {"Keys": keys}})
    assert answer["UnprocessedKeys"]["f2b"]["Keys"] == keys[3:]


def test_throttled_writes_of_a_batch_come_back_unprocessed() -> None:
    scene = Scene(key_writes=1)
    scene.put("hot")
    asked = [{"PutRequest": {"Item": key(pk, "new")}} for pk in ("hot", "cold")]
    answer = ask(scene.dynamodb, "BatchWriteItem", RequestItems={"f2b": asked})
    assert answer == {"UnprocessedItems": {"f2b": asked[:1]}}
    with pytest.raises(Throttled):
        ask(scene.dynamodb, "BatchWriteItem", RequestItems={"f2b": asked[:1]})


def test_the_peak_is_the_most_that_one_key_had_in_one_second() -> None:
    scene = Scene()
    for second, pk in product((0, 1, 2), ("a", "b", "b")):
        scene.now_s = second
        scene.put(pk)
    scene.now_s = 9
    scene.put("a")
    assert scene.limits.figures()["peak_key_writes"] == [2, "b"]


def call(aws: CannedAws, operation: str, **request: Any) -> bytes | None:
    return aws.aws("DynamoDB_20120810", operation, to_json({"TableName": "f2b", **request}), Connection(aws))


def test_a_lost_answer_is_of_a_write_that_took_effect() -> None:
    aws = CannedAws()
    aws.control(b"POST /mishaps", b'{"lost": 1.0}')
    with pytest.raises(LostAnswer):
        call(aws, "PutItem", Item=key("a"))
    assert call(aws, "GetItem", Key=key("a")) != b"{}"


def test_a_late_write_takes_effect_after_its_caller_was_left() -> None:
    aws = CannedAws()
    aws.control(b"POST /mishaps", b'{"late": 1.0, "late_s": 0.0}')

    async def scene() -> tuple[bytes | None, bytes | None]:
        with pytest.raises(LostAnswer):
            call(aws, "PutItem", Item=key("a"))
        before = call(aws, "GetItem", Key=key("a"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return before, call(aws, "GetItem", Key=key("a"))

    before, after = asyncio.run(scene())
    assert before == b"{}"
    assert after != b"{}"


def test_as_many_writes_have_a_mishap_as_was_asked_for_and_reads_have_none() -> None:
    mishaps = Mishaps(Odds(lost=0.1, late=0.2))
    drawn = [mishaps.of("PutItem") for _ in range(10_000)]
    assert 900 < drawn.count("lost") < 1_100
    assert 1_850 < drawn.count("late") < 2_150
    assert {mishaps.of(each) for each in ("GetItem", "Query", "BatchGetItem")} == {""}


def test_limits_and_mishaps_outlive_a_reset() -> None:
    aws = CannedAws()
    aws.control(b"POST /limits", b'{"key_writes": 1}')
    aws.control(b"POST /reset", b"null")
    call(aws, "PutItem", Item=key("a"))
    with pytest.raises(Throttled):
        call(aws, "PutItem", Item=key("a"))
    assert b'"TableWriteKeyRangeThroughputExceeded":1' in aws.control(b"GET /counters", b"")
    aws.control(b"POST /limits", b"null")
    call(aws, "PutItem", Item=key("a"))
    call(aws, "PutItem", Item=key("a"))
