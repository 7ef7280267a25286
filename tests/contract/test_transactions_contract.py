"""What acts need of DynamoDB's transactions: the same of the emulator, and of the canned one in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.acts.transactions import Transactions
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems, Entry
from f2b_worker.adapters.dynamodb.ban_log.packing import pack, unpack
from f2b_worker.testing import FakeClock
from tests.canned_dynamodb import Caller, CannedTable
from tests.contract.ledgers import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EPOCH = "e1"
KEY = {"pk": {"S": "ip#203.0.113.7/32"}, "sk": {"S": "s#login"}}
CONTENT = pack((), ("allow",))
ADD: dict[str, Any] = {
    "TableName": TABLE,
    "Key": KEY,
    "UpdateExpression": "SET seen = :one ADD n :one",
    "ExpressionAttributeValues": {":one": {"N": "1"}},
}
UNLESS_SEEN = {**ADD, "ConditionExpression": "attribute_not_exists(seen)"}


@pytest.fixture(params=["emulator", "canned"])
def client(request: pytest.FixtureRequest) -> DynamoDBClient:
    if request.param == "canned":
        return Caller(CannedTable()).client
    found: DynamoDBClient = request.getfixturevalue("dynamodb")
    return found


@pytest.fixture
def log(client: DynamoDBClient) -> BanLogItems:
    items = BanLogItems(client, TABLE, FakeClock())
    items.begin(EPOCH)
    return items


@pytest.fixture
def transactions(client: DynamoDBClient, log: BanLogItems) -> Transactions:
    return Transactions(client, log, FakeClock())


def counted(client: DynamoDBClient) -> int:
    item: Any = client.get_item(TableName=TABLE, Key=KEY, ConsistentRead=True).get("Item", {})
    return int(item.get("n", {"N": "0"})["N"])


def test_all_of_it_is_done_and_told(client: DynamoDBClient, log: BanLogItems, transactions: Transactions) -> None:
    assert transactions.write([{"Update": UNLESS_SEEN}], CONTENT, "testing")
    assert counted(client) == 1
    assert unpack(log.read(EPOCH, [1])[1].content).looks == {"allow"}


def test_where_a_condition_does_not_hold_nothing_is_done_and_the_number_is_used_later(
    client: DynamoDBClient, log: BanLogItems, transactions: Transactions
) -> None:
    transactions.write([{"Update": UNLESS_SEEN}], None, "testing")
    for _ in range(2):
        assert not transactions.write([{"Update": UNLESS_SEEN}], CONTENT, "testing")
    assert counted(client) == 1
    assert log.read(EPOCH, [1]) == {}
    assert transactions.write([{"Update": ADD}], CONTENT, "testing")
    assert log.read(EPOCH, [1, 2]).keys() == {1}


def test_a_number_that_somebody_filled_is_no_reason_to_give_up(
    client: DynamoDBClient, log: BanLogItems, transactions: Transactions
) -> None:
    transactions.write([{"Update": UNLESS_SEEN}], None, "testing")
    transactions.write([{"Update": UNLESS_SEEN}], CONTENT, "testing")  # it takes a number, and is refused
    log.put(EPOCH, 1, Entry())
    assert transactions.write([{"Update": ADD}], CONTENT, "testing")
    assert counted(client) == 2
    assert unpack(log.read(EPOCH, [2])[2].content).looks == {"allow"}


def test_what_is_asked_for_again_with_its_token_is_done_once(client: DynamoDBClient) -> None:
    writes: Any = [{"Update": ADD}]
    for _ in range(2):
        client.transact_write_items(TransactItems=writes, ClientRequestToken="a" * 36)
    assert counted(client) == 1


def test_a_refusal_names_each_condition_and_shows_what_is_there(
    client: DynamoDBClient, transactions: Transactions
) -> None:
    transactions.write([{"Update": ADD}], None, "testing")
    shown = {**UNLESS_SEEN, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    other = {"TableName": TABLE, "Item": {"pk": {"S": "other"}, "sk": {"S": "other"}}}
    writes: Any = [{"Put": other}, {"Update": shown}]
    with pytest.raises(client.exceptions.TransactionCanceledException) as refused:
        client.transact_write_items(TransactItems=writes)
    reasons: Any = refused.value.response["CancellationReasons"]
    assert [reason["Code"].removesuffix("Exception") for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"] == {**KEY, "seen": {"N": "1"}, "n": {"N": "1"}}


def test_an_item_is_deleted_in_a_transaction(client: DynamoDBClient, transactions: Transactions) -> None:
    transactions.write([{"Update": ADD}], None, "testing")
    assert transactions.write([{"Delete": {"TableName": TABLE, "Key": KEY}}], CONTENT, "testing")
    assert counted(client) == 0


def test_items_are_read_between_two_keys_and_backwards(client: DynamoDBClient) -> None:
    for name in ("a", "b", "c", "d"):
        client.put_item(TableName=TABLE, Item={"pk": {"S": "p"}, "sk": {"S": name}})
    answer = client.query(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk AND sk BETWEEN :from AND :to",
        ExpressionAttributeValues={":pk": {"S": "p"}, ":from": {"S": "b"}, ":to": {"S": "c~"}},
        ScanIndexForward=False,
        ConsistentRead=True,
    )
    assert [item["sk"]["S"] for item in answer["Items"]] == ["c", "b"]
