"""The AWS that benchmarks run against is canned, but its verdicts on conditions and its bill are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from benchmarks.attacks import PREPARED, Bodies, infractions, packs
from benchmarks.canned.dynamodb import CannedDynamoDB
from benchmarks.canned.shares import Shares
from benchmarks.canned.sqs import CannedSqs
from benchmarks.canned.tally import CannedError, Tally, dollars
from f2b_worker.wire import read_body
from localstack.units import size_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = {"pk": {"S": "offender#login#203.0.113.7/32"}, "sk": {"S": "state"}}
UPDATE = 'UPDATE "f2b" SET "hits" = ? SET "v" = ? WHERE "pk" = ? AND "sk" = ? AND "v" = ?'
QUEUE_URL = "http://127.0.0.1/000000000001/f2b"


@pytest.fixture(scope="module", autouse=True)
def few_prepared() -> Iterator[None]:
    """A benchmark prepares millions of infractions; what they are like shows in fewer."""
    with pytest.MonkeyPatch.context() as patch:
        for attack in PREPARED:
            patch.setitem(PREPARED, attack, 100_000)
        packs.cache_clear()
        yield
    packs.cache_clear()


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def dynamodb(tally: Tally) -> CannedDynamoDB:
    return CannedDynamoDB(tally, ["f2b"])


@pytest.fixture
def sqs(tally: Tally) -> CannedSqs:
    return CannedSqs(tally, "http://127.0.0.1")


def ask(dynamodb: CannedDynamoDB, operation: str, **request: Any) -> dict[str, Any]:
    return dynamodb.operations[operation]({"TableName": "f2b", **request})


def put(dynamodb: CannedDynamoDB, **attributes: Any) -> None:
    ask(dynamodb, "PutItem", Item=KEY | attributes)


def got(dynamodb: CannedDynamoDB) -> dict[str, Any] | None:
    return ask(dynamodb, "GetItem", Key=KEY, ConsistentRead=True).get("Item")


def run(dynamodb: CannedDynamoDB, statement: str, *parameters: Any) -> dict[str, Any]:
    one = {
        "Statement": statement,
        "Parameters": list(parameters),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    (answer,) = ask(dynamodb, "BatchExecuteStatement", Statements=[one])["Responses"]
    return cast("dict[str, Any]", answer)


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def receive(sqs: CannedSqs, most: int = 10) -> list[dict[str, Any]]:
    answer = json.loads(sqs.receive({"MaxNumberOfMessages": most}))
    return cast("list[dict[str, Any]]", answer.get("Messages", []))


def delete(sqs: CannedSqs, messages: list[dict[str, Any]]) -> None:
    entries = [{"Id": str(place), "ReceiptHandle": each["ReceiptHandle"]} for place, each in enumerate(messages)]
    sqs.operations["DeleteMessageBatch"]({"QueueUrl": QUEUE_URL, "Entries": entries})


class TestDynamoDb:
    def test_an_add_is_a_union_and_answers_the_whole_item(self, dynamodb: CannedDynamoDB) -> None:
        for hits in (["1:a", "2:b"], ["2:b", "3:c"]):
            answer = ask(
                dynamodb,
                "UpdateItem",
                Key=KEY,
                UpdateExpression="ADD hits :hits SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":hits": {"SS": hits}, ":ttl": number(9)},
                ReturnValues="ALL_NEW",
            )
        assert answer["Attributes"] == KEY | {"hits": {"SS": ["1:a", "2:b", "3:c"]}, "ttl": number(9)}

    def test_a_set_that_loses_its_last_element_is_no_attribute_any_more(self, dynamodb: CannedDynamoDB) -> None:
        put(dynamodb, hits={"SS": ["1:a"]})
        values = {":spent": {"SS": ["1:a", "2:b"]}}
        ask(
            dynamodb,
            "UpdateItem",
            Key=KEY,
            UpdateExpression="DELETE hits :spent",
            ExpressionAttributeValues=values,
        )
        assert got(dynamodb) == KEY

    def test_a_condition_that_fails_writes_nothing_and_shows_the_item_on_demand(
        self, dynamodb: CannedDynamoDB
    ) -> None:
        put(dynamodb, v=number(1))
        with pytest.raises(CannedError) as refused:
            ask(
                dynamodb,
                "PutItem",
                Item=KEY | {"v": number(9)},
                ConditionExpression="attribute_not_exists(pk) OR v = :v",
                ExpressionAttributeValues={":v": number(2)},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        assert refused.value.code == "ConditionalCheckFailedException"
        assert refused.value.more == {"Item": KEY | {"v": number(1)}}
        assert got(dynamodb) == KEY | {"v": number(1)}

    def test_an_insert_of_what_is_there_is_a_duplicate(self, dynamodb: CannedDynamoDB) -> None:
        insert = """INSERT INTO "f2b" VALUE {'pk': ?, 'sk': ?, 'v': ?}"""
        assert run(dynamodb, insert, *KEY.values(), number(1)) == {"TableName": "f2b"}
        assert run(dynamodb, insert, *KEY.values(), number(2))["Error"]["Code"] == "DuplicateItem"
        assert got(dynamodb) == KEY | {"v": number(1)}

    def test_an_update_of_what_is_not_there_is_no_insert(self, dynamodb: CannedDynamoDB) -> None:
        answer = run(dynamodb, UPDATE, {"SS": ["1:a"]}, number(1), *KEY.values(), number(0))
        assert answer["Error"]["Code"] == "ConditionalCheckFailed"
        assert got(dynamodb) is None

    def test_of_two_updates_from_one_version_one_is_written_and_the_other_sees_it(
        self, dynamodb: CannedDynamoDB
    ) -> None:
        put(dynamodb, v=number(1))
        assert "Error" not in run(dynamodb, UPDATE, {"SS": ["1:a"]}, number(2), *KEY.values(), number(1))
        error = run(dynamodb, UPDATE, {"SS": ["2:b"]}, number(2), *KEY.values(), number(1))["Error"]
        assert error["Code"] == "ConditionalCheckFailed"
        assert error["Item"] == got(dynamodb) == KEY | {"hits": {"SS": ["1:a"]}, "v": number(2)}

    @pytest.mark.parametrize(("until_ms", "is_written"), [(99, True), (100, False), (101, False)])
    def test_a_statement_may_ask_for_less_and_remove(
        self, dynamodb: CannedDynamoDB, until_ms: int, is_written: bool
    ) -> None:
        put(dynamodb, v=number(1), until_ms=number(until_ms), old={"S": "x"})
        statement = "UPDATE f2b SET v = ? REMOVE old WHERE pk = ? AND sk = ? AND v = ? AND until_ms < ?"
        answer = run(dynamodb, statement, number(2), *KEY.values(), number(1), number(100))
        assert ("Error" not in answer) is is_written
        assert ("old" not in (got(dynamodb) or {})) is is_written

    def test_one_statements_failure_is_its_own(self, dynamodb: CannedDynamoDB) -> None:
        insert = """INSERT INTO "f2b" VALUE {'pk': ?, 'sk': ?}"""
        statements = [
            {"Statement": "DROP TABLE f2b", "Parameters": []},
            {"Statement": insert, "Parameters": list(KEY.values())},
        ]
        wrong, right = ask(dynamodb, "BatchExecuteStatement", Statements=statements)["Responses"]
        assert wrong["Error"]["Code"] == "ValidationError"
        assert right == {"TableName": "f2b"}
        assert got(dynamodb) == KEY

    @pytest.mark.parametrize(
        ("operation", "request_"),
        [
            ("BatchExecuteStatement", {"Statements": [{}] * 26}),
            ("BatchGetItem", {"RequestItems": {"f2b": {"Keys": [KEY, KEY]}}}),
            ("BatchWriteItem", {"RequestItems": {"f2b": [{"PutRequest": {"Item": KEY}}] * 26}}),
            ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "f2b", "Item": KEY}}] * 2}),
            ("UpdateItem", {"Key": KEY, "UpdateExpression": "SET a.b = :c"}),
        ],
    )
    def test_what_aws_refuses_or_nobody_canned_is_refused(
        self, dynamodb: CannedDynamoDB, operation: str, request_: dict[str, Any]
    ) -> None:
        with pytest.raises(CannedError, match="not taken"):
            ask(dynamodb, operation, **request_)

    def test_a_transaction_is_all_or_nothing_and_says_whose_fault_it_was(self, dynamodb: CannedDynamoDB) -> None:
        other = KEY | {"sk": {"S": "other"}}
        failing = {
            "TableName": "f2b",
            "Key": KEY,
            "UpdateExpression": "SET v = :v",
            "ConditionExpression": "v = :v",
            "ExpressionAttributeValues": {":v": number(1)},
        }
        writes = [{"Put": {"TableName": "f2b", "Item": other}}, {"Update": failing}]
        with pytest.raises(CannedError) as refused:
            ask(dynamodb, "TransactWriteItems", TransactItems=writes)
        codes = [reason["Code"] for reason in refused.value.more["CancellationReasons"]]
        assert codes == ["None", "ConditionalCheckFailed"]
        assert ask(dynamodb, "GetItem", Key=other) == {}

    def test_a_transaction_that_is_asked_for_again_with_its_token_is_done_once(
        self, dynamodb: CannedDynamoDB
    ) -> None:
        add = {
            "TableName": "f2b",
            "Key": KEY,
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": number(1)},
        }
        for _ in range(2):
            ask(dynamodb, "TransactWriteItems", TransactItems=[{"Update": add}], ClientRequestToken="t")
        assert ask(dynamodb, "GetItem", Key=KEY)["Item"]["n"] == number(1)
        other = [{"Put": {"TableName": "f2b", "Item": KEY}}]
        with pytest.raises(CannedError, match="another transaction"):
            ask(dynamodb, "TransactWriteItems", TransactItems=other, ClientRequestToken="t")

    def test_a_partition_is_read_backwards_and_between_two_keys(self, dynamodb: CannedDynamoDB) -> None:
        for name in ("a", "b", "c", "d"):
            ask(dynamodb, "PutItem", Item={"pk": {"S": "p"}, "sk": {"S": name}})
        values = {":pk": {"S": "p"}, ":from": {"S": "b"}, ":to": {"S": "c~"}}
        answer = ask(
            dynamodb,
            "Query",
            KeyConditionExpression="pk = :pk AND sk BETWEEN :from AND :to",
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
        )
        assert [item["sk"]["S"] for item in answer["Items"]] == ["c", "b"]

    def test_many_items_are_read_at_once_and_strangers_are_left_out(self, dynamodb: CannedDynamoDB) -> None:
        put(dynamodb)
        stranger = KEY | {"sk": {"S": "nobody"}}
        answer = ask(dynamodb, "BatchGetItem", RequestItems={"f2b": {"Keys": [stranger, KEY]}})
        assert answer == {"Responses": {"f2b": [KEY]}, "UnprocessedKeys": {}}

    def test_a_table_has_no_index(self, dynamodb: CannedDynamoDB) -> None:
        condition = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "log"}}}
        with pytest.raises(CannedError):
            ask(dynamodb, "Query", IndexName="changes", **condition)

    def test_a_counter_counts_under_its_condition_and_answers_what_it_is_then(
        self, dynamodb: CannedDynamoDB
    ) -> None:
        put(dynamodb, epoch={"S": "a"}, n=number(7))
        count = {
            "Key": KEY,
            "UpdateExpression": "ADD n :one",
            "ConditionExpression": "epoch = :epoch",
            "ReturnValues": "UPDATED_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        answer = ask(
            dynamodb,
            "UpdateItem",
            ExpressionAttributeValues={":one": number(1), ":epoch": {"S": "a"}},
            **count,
        )
        assert answer == {"Attributes": {"n": number(8)}}
        with pytest.raises(CannedError) as refused:
            ask(
                dynamodb,
                "UpdateItem",
                ExpressionAttributeValues={":one": number(1), ":epoch": {"S": "b"}},
                **count,
            )
        assert refused.value.more == {"Item": KEY | {"epoch": {"S": "a"}, "n": number(8)}}

    def test_a_long_partition_is_answered_page_by_page(self, dynamodb: CannedDynamoDB) -> None:
        for place in range(5):
            item = {"pk": {"S": "p"}, "sk": {"S": f"ban#{place}"}, "what": {"S": "x" * 300_000}}
            ask(dynamodb, "PutItem", Item=item)
        query = {
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": {":pk": {"S": "p"}, ":prefix": {"S": "ban#"}},
        }
        first = ask(dynamodb, "Query", **query)
        rest = ask(dynamodb, "Query", **query, ExclusiveStartKey=first["LastEvaluatedKey"])
        assert [len(first["Items"]), len(rest["Items"])] == [3, 2]
        assert "LastEvaluatedKey" not in rest


class TestTheBill:
    def test_a_write_is_charged_by_the_larger_of_before_and_after(
        self, dynamodb: CannedDynamoDB, tally: Tally
    ) -> None:
        put(dynamodb, what={"S": "x" * 1500})
        put(dynamodb)
        assert tally.write_units == 2 + 2
        put(dynamodb)
        assert tally.write_units == 2 + 2 + 1

    def test_a_failed_statement_is_charged_too(self, dynamodb: CannedDynamoDB, tally: Tally) -> None:
        run(dynamodb, UPDATE, {"SS": ["1:a"]}, number(1), *KEY.values(), number(0))
        assert tally.write_units == 1

    def test_a_transaction_is_charged_twice(self, dynamodb: CannedDynamoDB, tally: Tally) -> None:
        ask(dynamodb, "TransactWriteItems", TransactItems=[{"Put": {"TableName": "f2b", "Item": KEY}}])
        assert tally.write_units == 2

    def test_units_are_told_apart_by_what_they_are_for(self, dynamodb: CannedDynamoDB, tally: Tally) -> None:
        ban = {"ban": {"M": {}}, "v": number(1)}
        for pk, sk, written in (
            ("ip#a", "s#login", {"hits": {"SS": ["1:a"]}}),
            ("ip#a", "s#login", ban | {"evidence": {"L": []}}),
            ("ip#a", "s#login", ban),
            ("ip#a", "h#login#1", ban | {"evidence": {"L": []}}),
            ("log", "seq", {}),
            ("log#e#1", "log", {}),
            ("log", "snapshot", {}),
            ("part#a#0", "part", {"c": {"B": "x" * 4096}}),
            ("lease#scribe", "lease", {}),
        ):
            ask(dynamodb, "PutItem", Item={"pk": {"S": pk}, "sk": {"S": sk}, **written})
        units = {"hits": 1, "ban": 1, "extension": 1, "history": 1, "log": 2, "snapshot": 1 + 4, "other": 1}
        assert tally.units_by_kind == units
        assert tally.writes == units | {"snapshot": 2}

    def test_a_statement_an_update_and_a_put_of_one_kind_are_counted_alike(
        self, dynamodb: CannedDynamoDB, tally: Tally
    ) -> None:
        state = {"pk": {"S": "ip#a"}, "sk": {"S": "s#login"}}
        ask(dynamodb, "PutItem", Item=state | {"v": number(1)})
        ban = 'UPDATE "f2b" SET "ban" = ? SET "evidence" = ? WHERE "pk" = ? AND "sk" = ? AND "v" = ?'
        for version in (1, 2):
            run(dynamodb, ban, {"M": {}}, {"L": []}, *state.values(), number(version))
        values = {":ban": {"M": {}}, ":evidence": {"L": []}}
        change = {"UpdateExpression": "SET ban = :ban", "ExpressionAttributeValues": values}
        ask(dynamodb, "UpdateItem", Key=state, **change)
        change["UpdateExpression"] = "SET ban = :ban, evidence = :evidence"
        ask(dynamodb, "UpdateItem", Key=state, **change)
        assert tally.writes == {"hits": 1, "ban": 2, "extension": 1}
        assert tally.refused == {"ban": 1}
        assert tally.units_by_kind == {"hits": 1, "ban": 3, "extension": 1}

    def test_a_new_ban_and_an_extension_pay_for_their_refusals_and_share_the_log(self) -> None:
        before = {"units_by_kind": {"ban": 5}, "writes": {"ban": 5}}
        after = {
            "units_by_kind": {"ban": 15, "hits": 20, "history": 5, "extension": 12, "log": 4, "snapshot": 9},
            "writes": {"ban": 15, "hits": 20, "history": 5, "extension": 10, "log": 4, "snapshot": 2},
        }
        shares = Shares.between(before, after)
        assert (shares.new_bans, shares.extensions) == (10, 10)
        assert shares.of_a_new_ban == pytest.approx((10 + 5) / 10 + 4 / 20)
        assert shares.hits_of_a_new_ban == 2
        assert shares.of_an_extension == pytest.approx(12 / 10 + 4 / 20)
        assert shares.of_snapshots == pytest.approx(9 / 60)

    def test_what_does_not_happen_costs_nothing(self) -> None:
        nothing = Shares({}, {})
        assert (nothing.of_a_new_ban, nothing.of_an_extension, nothing.of_snapshots) == (0, 0, 0)

    def test_an_eventually_consistent_read_costs_half(self, dynamodb: CannedDynamoDB, tally: Tally) -> None:
        put(dynamodb, what={"S": "x" * 5000})
        ask(dynamodb, "GetItem", Key=KEY, ConsistentRead=True)
        ask(dynamodb, "GetItem", Key=KEY)
        assert tally.read_units == 2 + 1

    def test_a_receive_is_charged_for_each_64_kib(self, sqs: CannedSqs, tally: Tally) -> None:
        sqs.operations["SendMessage"]({"QueueUrl": QUEUE_URL, "MessageBody": "x" * 150_000})
        receive(sqs)
        assert tally.sqs_requests == 3 + 3

    def test_list_prices_make_the_known_sum_of_one_message_and_one_write_each(self) -> None:
        assert round(dollars(sqs_requests=3e6, write_units=1e6, read_units=0), 3) == 1.825

    def test_a_size_is_that_of_names_and_values(self) -> None:
        assert (
            size_bytes({"pk": {"S": "abc"}, "hits": {"SS": ["12", "345"]}, "on": {"BOOL": True}}) == 8 + 3 + 5 + 1
        )
        assert size_bytes({"c": {"B": "eHh4eHh4"}}) == size_bytes({"c": {"B": b"xxxxxx"}}) == 1 + 6


class TestSqs:
    def test_an_attack_goes_on_until_it_is_ended(self, sqs: CannedSqs) -> None:
        sqs.feed(Bodies("zipf", 1))
        assert len(receive(sqs)) == len(receive(sqs)) == 10
        sqs.feed(None)
        assert receive(sqs) == []

    def test_what_is_released_comes_again_as_it_was(self, sqs: CannedSqs) -> None:
        sqs.feed(Bodies("zipf", 1), messages=1)
        (first,) = receive(sqs)
        entries = [{"Id": "0", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0}]
        sqs.operations["ChangeMessageVisibilityBatch"]({"QueueUrl": QUEUE_URL, "Entries": entries})
        (again,) = receive(sqs)
        assert (again["MessageId"], again["Body"]) == (first["MessageId"], first["Body"])
        assert again["Attributes"]["ApproximateReceiveCount"] == "2"

    def test_what_is_deleted_after_its_release_does_not_come_again(self, sqs: CannedSqs) -> None:
        sqs.feed(Bodies("zipf", 1), messages=1)
        (first,) = receive(sqs)
        entries = [{"Id": "0", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0}]
        sqs.operations["ChangeMessageVisibilityBatch"]({"QueueUrl": QUEUE_URL, "Entries": entries})
        delete(sqs, [first])
        assert receive(sqs) == []
        assert (sqs.in_flight, sqs.deleted) == (0, 1)

    def test_deleting_twice_is_counted_once(self, sqs: CannedSqs) -> None:
        sqs.feed(Bodies("zipf", 1), messages=3)
        messages = receive(sqs)
        delete(sqs, messages)
        delete(sqs, messages)
        assert (sqs.deleted, sqs.in_flight) == (3, 0)

    def test_what_is_sent_is_received_letter_for_letter(self, sqs: CannedSqs) -> None:
        sent = '{"ip": "2001:db8::1", "note": "ünïcode \\"quoted\\""}'
        sqs.operations["SendMessageBatch"]({"QueueUrl": QUEUE_URL, "Entries": [{"Id": "0", "MessageBody": sent}]})
        assert [message["Body"] for message in receive(sqs)] == [sent]

    def test_a_dead_letter_is_kept_apart(self, sqs: CannedSqs) -> None:
        sqs.operations["SendMessage"]({"QueueUrl": f"{QUEUE_URL}-dead", "MessageBody": "{}"})
        assert receive(sqs) == []
        assert sqs.figures()["dead"] == 1

    @pytest.mark.parametrize("size", [1, 100])
    def test_the_worker_reads_in_a_body_what_the_replay_is_told(self, sqs: CannedSqs, size: int) -> None:
        sqs.feed(Bodies("zipf", size))
        receive(sqs, 1)
        (second,) = receive(sqs, 1)
        read = read_body(second["Body"], message_id=second["MessageId"], sent_at_ms=0)
        assert read.refused == []
        found = [(one.ip, one.at_ms) for one in read.infractions]
        assert found == list(infractions("zipf", size, 1, sqs.sent_ms[1]))
