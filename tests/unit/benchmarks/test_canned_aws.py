"""The AWS that benchmarks run against is canned, but its verdicts on conditions and its bill are not."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest

from benchmarks.attacks import PREPARED, Bodies, infractions, packs, times_ms
from benchmarks.canned.aws import CannedAws, Connection
from benchmarks.canned.dynamodb import CannedDynamoDB
from benchmarks.canned.shares import Shares
from benchmarks.canned.sqs import CannedSqs
from benchmarks.canned.tally import CannedError, Tally, dollars
from benchmarks.worker.report import NAIVE, Contender, Run, against_one, compare, figures
from f2b_worker.adapters.dynamodb.schema import DynamoSchema
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


class TestAttacks:
    def test_a_thousand_addresses_make_nine_tenths_of_a_concentrated_attack(self) -> None:
        counts = Counter(ip for pack in packs("zipf", 100)[:1000] for ip in pack)
        assert 0.88 < sum(number for _, number in counts.most_common(1000)) / counts.total() < 0.92

    def test_in_a_pure_zipf_attack_the_same_thousand_make_nine_tenths_of_all(self) -> None:
        counts = Counter(ip for pack in packs("pure-zipf", 100)[:1000] for ip in pack)
        assert 0.88 < sum(number for _, number in counts.most_common(1000)) / counts.total() < 0.92
        assert len(counts) <= 2_300

    def test_a_botnets_addresses_hardly_repeat(self) -> None:
        drawn = [ip for pack in packs("botnet", 100)[:100] for ip in pack]
        assert len(set(drawn)) > 0.98 * len(drawn)

    @pytest.mark.parametrize("size", [1, 100, 1000])
    def test_the_times_of_a_pack_lie_in_the_second_before_it(self, size: int) -> None:
        times = times_ms(size, 10_000)
        assert len(times) == size
        assert 9_000 <= min(times) <= max(times) < 10_000


class TestTheReport:
    @staticmethod
    def run(cpu_s: float, wall_s: float) -> Run:
        return Run(
            infractions=100_000,
            cpu_s=cpu_s,
            wall_s=wall_s,
            canned_cpu_s=0.5,
            requests=800,
            sqs_requests=200,
            write_units=10_000,
            read_units=0,
            calls={"ReceiveMessage": 100},
            bans=7,
        )

    def test_figures_are_for_the_cpu_second_and_for_round_numbers_of_infractions(self) -> None:
        worker = Contender("worker", 100, ())
        found = figures(worker, [self.run(cpu_s, 4.0) for cpu_s in (1.0, 2.0, 5.0)])
        assert found["infractions_per_cpu_s"] == {"median": 50_000, "min": 20_000, "max": 100_000}
        assert found["requests_per_1000"]["median"] == 8
        assert found["dollars_per_million"]["median"] == round((2_000 * 0.4 + 100_000 * 0.625) / 1e6, 4)
        assert found["calls_per_million"] == {"ReceiveMessage": 1000}

    def test_the_naive_worker_is_compared_by_cpu_and_several_processes_by_the_wall(self) -> None:
        pool = Contender("pool", 100, (), processes=4)
        slow, fast = self.run(100.0, 100.0), self.run(2.0, 1.0)
        found = {
            "zipf": {
                "worker": figures(Contender("worker", 100, ()), [self.run(1.0, 2.0)]),
                NAIVE.name: figures(NAIVE, [slow]),
                "pool": figures(pool, [fast]),
            }
        }
        ratios = compare(found, ["worker", NAIVE.name, "pool"])["zipf"]
        assert ratios["times_the_naive_worker"] == 100
        assert ratios["wall_rate_of_4_processes_against_1"]["median"] == 2
        assert ratios["cpu_rate_of_4_processes_against_1"] == 0.5

    def test_what_the_cores_allow_counts_the_canned_aws_as_a_user_of_them(self) -> None:
        one = {"wall_rates": [100], "infractions_per_cpu_s": {"median": 100}}
        four = one | {"processes": 4, "cores": 1.0, "canned_cores": 0.5, "wall_rates": [150]}
        assert against_one(one, four, 2)["most_that_2_cores_allow_beside_this_aws"] == 2.0


class Wire(asyncio.Transport):
    """A connection's way back that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)


class TestHttp:
    def test_requests_are_answered_however_the_network_cuts_them(self) -> None:
        wire, connection = Wire(), Connection(CannedAws())
        connection.connection_made(wire)
        body = json.dumps({"TableName": "f2b", "Key": KEY}).encode()
        head = f"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\nContent-Length: {len(body)}\r\n\r\n"
        sent = (head.encode() + body) * 2
        for place in range(0, len(sent), 7):
            connection.data_received(sent[place : place + 7])
        assert wire.written.count(b"HTTP/1.1 200 OK") == 2
        assert wire.written.endswith(b"\r\n\r\n{}")

    def test_a_worker_finds_the_counter_of_the_log_and_the_format_after_a_reset_unbilled(
        self,
    ) -> None:
        aws = CannedAws()
        wire, connection = Wire(), Connection(aws)
        aws.reset()
        assert aws.tally.write_units == 0
        connection.connection_made(wire)
        for pk, sk in (("log", "seq"), ("meta", "schema")):
            body = json.dumps({"TableName": "f2b", "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}).encode()
            head = f"X-Amz-Target: DynamoDB_20120810.GetItem\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.data_received(b"POST / HTTP/1.1\r\n" + head.encode() + body)
        counter, mark = (json.loads(part.split(b"HTTP/1.1")[0]) for part in wire.written.split(b"\r\n\r\n")[1:])
        assert counter["Item"]["n"] == number(0)
        assert mark["Item"]["version"] == number(DynamoSchema.known.written.version)

    def test_an_error_is_answered_as_aws_writes_it(self) -> None:
        wire, connection = Wire(), Connection(CannedAws())
        connection.connection_made(wire)
        head = b"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.ExportTableToPointInTime\r\nContent-Length: 2\r\n\r\n{}"
        connection.data_received(head)
        status, _, rest = wire.written.partition(b"\r\n")
        assert status == b"HTTP/1.1 400 Bad Request"
        error = json.loads(rest.partition(b"\r\n\r\n")[2])
        assert error["__type"] == "com.amazonaws.dynamodb.v20120810#UnknownOperationException"

    def test_a_message_does_not_go_to_a_long_poll_that_nobody_waits_for_any_more(self) -> None:
        aws = CannedAws()
        head = b"X-Amz-Target: AmazonSQS.%s\r\nContent-Length: %d\r\n\r\n%s"

        def call(connection: Connection, operation: bytes, **request: Any) -> None:
            body = json.dumps(request).encode()
            connection.data_received(b"POST / HTTP/1.1\r\n" + head % (operation, len(body), body))

        async def scene() -> tuple[bytes, bytes]:
            gone, waiting, sender = Wire(), Wire(), Connection(aws)
            for wire in (gone, waiting):
                connection = Connection(aws)
                connection.connection_made(wire)
                call(connection, b"ReceiveMessage", QueueUrl=QUEUE_URL, WaitTimeSeconds=20)
                if wire is gone:
                    connection.connection_lost(None)
            call(sender, b"SendMessage", QueueUrl=QUEUE_URL, MessageBody="hello")
            return gone.written, waiting.written

        gone, waiting = asyncio.run(scene())
        assert gone == b""
        assert b"hello" in waiting
