"""Each try of a call to AWS is told with what became of it; in a worker DynamoDB is asked for its units."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from prometheus_client import REGISTRY

from f2b_worker.adapters.aws import dynamodb_client, sqs_client, wafv2_client
from f2b_worker.adapters.aws_calls import CALLS, Call, Units
from f2b_worker.observe.spending import HOUR_S, MINUTE_S, Spending
from f2b_worker.process.aws_metrics import AwsMetrics
from f2b_worker.testing import FakeClock
from tests.observed import Since

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: dict[str, Any] = {"pk": {"S": "a"}, "sk": {"S": "b"}}


class Server(ThreadingHTTPServer):
    """Answers every call with the status and the body that were given last, and keeps what it was asked.

    Attributes:
        answers: The next ones, each of which is given once; the last one stays.
        asked: The bodies of the calls.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: list[tuple[int, dict[str, Any]]] = [(200, {})]
        self.asked: list[dict[str, Any]] = []


class _Answering(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(json.loads(asked))
        answers = self.server.answers
        status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"x-amzn-requestid": "1", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    served = Server()
    threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{served.server_port}",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    yield served
    served.shutdown()
    served.server_close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    told: list[Call] = []
    monkeypatch.setattr(CALLS, "listener", told.append)
    return told


def error(code: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}


@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        ((200, {}), ["ok"]),
        (error("ConditionalCheckFailedException"), ["condition"]),
        (error("ProvisionedThroughputExceededException"), ["throttled"] * 4),
        (error("ThrottlingException"), ["throttled"] * 4),
        (error("AccessDeniedException"), ["refused"]),
        (error("ResourceNotFoundException"), ["refused"]),
        (error("InternalServerError", 500), ["error"] * 4),
    ],
)
def test_each_try_is_told_with_what_became_of_it(
    server: Server,
    calls: list[Call],
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, dict[str, Any]],
    outcomes: list[str],
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # botocore's pauses between tries
    client = dynamodb_client(connections=1)
    server.answers = [answer]
    with suppress(ClientError):
        client.update_item(TableName="f2b", Key=KEY)
    client.close()
    assert [(each.service, each.operation, each.outcome) for each in calls] == [
        ("dynamodb", "UpdateItem", outcome) for outcome in outcomes
    ]
    assert all(0 < each.took_s < 60 for each in calls)


def test_a_call_without_an_answer_is_unreachable(
    server: Server, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = wafv2_client(None)
    server.shutdown()
    server.server_close()
    with pytest.raises(BotoCoreError):
        client.list_ip_sets(Scope="REGIONAL")
    client.close()
    assert [each[:3] for each in calls] == [("wafv2", "ListIPSets", "unreachable")]


def test_units_are_asked_for_and_told_by_table_and_kind(server: Server, calls: list[Call]) -> None:
    client = dynamodb_client(connections=1, plain_queries=True)
    units = [{"TableName": "f2b", "CapacityUnits": number} for number in (1.0, 2.5)]
    server.answers = [
        (200, {"Attributes": {}, "ConsumedCapacity": units[0]}),
        (200, {"Responses": [{}, {"Error": {"Code": "ConditionalCheckFailed"}}], "ConsumedCapacity": units}),
        (200, {"Responses": {"f2b": []}, "UnprocessedKeys": {}, "ConsumedCapacity": units[1:]}),
        (200, {"Items": [], "ConsumedCapacity": units[1]}),
        (200, {"Item": {}}),
        (200, {"Table": {"TableStatus": "ACTIVE"}}),
    ]
    client.update_item(TableName="f2b", Key=KEY)
    answer = client.batch_execute_statement(Statements=[{"Statement": 'UPDATE "f2b" SET a = 1'}] * 2)
    client.batch_get_item(RequestItems={"f2b": {"Keys": [KEY]}})
    client.query(TableName="f2b", KeyConditionExpression="pk = :pk")
    client.get_item(TableName="f2b", Key=KEY)
    client.describe_table(TableName="f2b")
    client.close()
    told = [[(units.kind, units.number) for units in each.units] for each in calls]
    assert told == [[("write", 1.0)], [("write", 3.5)], [("read", 2.5)], [("read", 2.5)], [], []]
    assert calls[0].units == (Units("f2b", "write", 1.0),)
    assert [each.get("ReturnConsumedCapacity") for each in server.asked] == ["TOTAL"] * 5 + [None]
    assert [each.get("Error", {}).get("Code") for each in answer["Responses"]] == [None, "ConditionalCheckFailed"]


@pytest.mark.parametrize("told", [5, "much", [5], [{"TableName": "f2b"}], {"TableName": 5, "CapacityUnits": 1}])
def test_units_in_a_form_that_nobody_knows_are_none(server: Server, calls: list[Call], told: object) -> None:
    client = dynamodb_client(connections=1, plain_queries=True)
    server.answers = [(200, {"Items": [], "ConsumedCapacity": told})]
    client.query(TableName="f2b", KeyConditionExpression="pk = :pk")
    client.close()
    assert [each.units for each in calls] == [()]


def test_a_command_asks_for_no_units_and_tells_nobody(server: Server) -> None:
    assert CALLS.listener is None
    client = dynamodb_client(connections=1)
    client.get_item(TableName="f2b", Key=KEY)
    client.close()
    assert "ReturnConsumedCapacity" not in server.asked[0]


def test_a_worker_shows_times_units_and_dollars(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    clock = FakeClock()
    listener = AwsMetrics(clock)
    monkeypatch.setattr(CALLS, "listener", listener)
    name, labels = "f2b_aws_request_seconds", {"service": "dynamodb", "operation": "PutItem", "outcome": "ok"}
    since = Since(name, **labels)
    before = value("f2b_aws_capacity_units_total", table="ledger", kind="write")
    server.answers = [(200, {"ConsumedCapacity": {"TableName": "ledger", "CapacityUnits": 800.0}})]
    table, queue = dynamodb_client(connections=1), sqs_client("http://127.0.0.1/1/f2b", connections=1)
    table.put_item(TableName="ledger", Item=KEY)
    server.answers = [(200, {})]
    for _ in range(10):
        queue.receive_message(QueueUrl="http://127.0.0.1/1/f2b")
    table.close()
    queue.close()
    assert since(name).number == 1
    assert value("f2b_aws_capacity_units_total", table="ledger", kind="write") - before == 800
    clock.advance(1800)
    listener.show_cost()
    # In half an hour 800 write units and ten requests.
    dollars = (800 * 0.625 + 10 * 0.40) / 1e6
    assert value("f2b_estimated_cost_dollars_per_hour") == pytest.approx(2 * dollars)


def test_what_was_spent_more_than_an_hour_ago_does_not_count() -> None:
    clock = FakeClock()
    spending = Spending(clock.monotonic_s)
    spending.spend("write_unit", 1e6)
    assert spending.dollars_per_hour() == pytest.approx(0.625 * 60)  # as of a whole minute
    clock.advance(HOUR_S)
    spending.spend("read_unit", 1e6)
    assert spending.dollars_per_hour() == pytest.approx(0.625 + 0.125)
    clock.advance(2 * MINUTE_S)
    assert spending.dollars_per_hour() == pytest.approx(0.125)
    clock.advance(HOUR_S)
    assert spending.dollars_per_hour() == 0
