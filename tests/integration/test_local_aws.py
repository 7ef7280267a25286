"""What the local AWS promises to every other test: real processes, real boto3."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from demo.fleet import eventually
from localstack.control import EdgeControl, EdgeControlError
from localstack.environments import LocalAwsError
from localstack.local_aws import INTERFERING_VARIABLES, LocalAws
from localstack.localstack_sqs import LocalStackSqs
from localstack.server_process import ServerProcess
from tests.integration.aws_calls import ONCE, drain, make_set, receive, refused, send

pytest_plugins = ("tests.integration.strict_aws",)

ROOT = Path(__file__).resolve().parents[2]


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_gone(pids: list[int], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_running, pids))


class TestProcesses:
    def test_the_environment_leads_any_client_here_whatever_the_caller_has_set(
        self, strict_aws: LocalAws, queue: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in INTERFERING_VARIABLES:
            monkeypatch.setenv(name, "true")
        code = "import boto3; print(*(boto3.client('sqs').list_queues()['QueueUrls']))"
        environment = strict_aws.child_environment()
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == queue

    def test_queue_urls_point_to_the_edge(self, strict_aws: LocalAws, queue: str) -> None:
        assert queue.startswith(strict_aws.endpoint_url + "/")

    @pytest.mark.usefixtures("queue")
    def test_an_account_sees_nothing_of_another(self, clients: Callable[..., Any]) -> None:
        assert not clients("sqs", account="000000000002").list_queues().get("QueueUrls")

    def test_an_account_has_twelve_digits(self) -> None:
        with pytest.raises(ValueError, match="twelve digits"):
            LocalAws("test")

    def test_the_terminals_ctrl_c_does_not_reach_the_servers(self, strict_aws: LocalAws) -> None:
        assert len(strict_aws.process_ids) == 2
        assert all(os.getsid(pid) != os.getsid(0) for pid in strict_aws.process_ids)

    def test_the_servers_end_when_their_parent_is_killed(self) -> None:
        code = (
            "import time; from localstack.local_aws import LocalAws; aws = LocalAws(); aws.start();"
            "print(*aws.process_ids, flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            pids = [int(word) for word in parent.stdout.readline().split()]
            parent.kill()
        assert len(pids) == 2
        assert all_gone(pids, within_s=4)

    def test_run_as_a_module_it_prints_what_to_export_and_ends_cleanly_on_ctrl_c(self) -> None:
        with subprocess.Popen(
            [sys.executable, "-m", "localstack.local_aws", "--account", "000000000009"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdout is not None
            lines = list(iter(running.stdout.readline, f"unset {' '.join(INTERFERING_VARIABLES)}\n"))
            running.send_signal(signal.SIGINT)
            _out, errors = running.communicate(timeout=10)
        assert "export AWS_ACCESS_KEY_ID=000000000009\n" in lines
        assert running.returncode == 0
        assert "Traceback" not in errors

    def test_a_server_that_does_not_start_says_why(self) -> None:
        server = ServerProcess(Path(sys.executable), "no_such_module", "/health")
        with pytest.raises(LocalAwsError, match="No module named no_such_module"):
            server.start()

    def test_starting_it_twice_is_an_error(self, strict_aws: LocalAws) -> None:
        with pytest.raises(LocalAwsError, match="already running"):
            strict_aws.start()

    def test_asking_for_the_url_of_a_stopped_aws_is_an_error(self) -> None:
        with pytest.raises(LocalAwsError, match="not running"):
            _ = LocalAws().endpoint_url

    def test_sqs_can_come_from_another_server(self, strict_aws: LocalAws, sqs: Any) -> None:
        with LocalAws(sqs_upstream=strict_aws.endpoint_url) as other:
            with contextlib.closing(other.client("sqs")) as client:
                url = client.create_queue(QueueName="elsewhere")["QueueUrl"]
            with contextlib.closing(other.client("dynamodb")) as client:
                assert client.list_tables()["TableNames"] == []
            assert url.startswith(other.endpoint_url)
            assert sqs.list_queues()["QueueUrls"][0].endswith("/elsewhere")
            other.edge.reset()
            assert not sqs.list_queues().get("QueueUrls")

    @pytest.mark.localstack_only
    def test_localstack_serves_sqs_behind_the_edge(self) -> None:
        with LocalStackSqs() as localstack, LocalAws(sqs_upstream=localstack.endpoint_url) as aws:
            aws.edge.deliver(duplicate=True, shuffle=True)
            with contextlib.closing(aws.client("sqs", config=ONCE)) as client:
                url = client.create_queue(QueueName="f2b")["QueueUrl"]
                bodies = send(client, url, 30)
                assert Counter(message["Body"] for message in drain(client, url)) == dict.fromkeys(bodies, 2)


class TestControl:
    def test_calls_are_counted_by_action(self, edge: EdgeControl, sqs: Any, queue: str) -> None:
        edge.reset_calls()
        send(sqs, queue, 20)
        assert edge.calls() == {"sqs:SendMessageBatch": 2}
        assert edge.refused() == {}

    def test_a_refused_call_is_counted_as_such(self, edge: EdgeControl, sqs: Any, queue: str) -> None:
        edge.fault("sqs:SendMessage", "throttle", times=1)
        with refused("RequestThrottled"):
            sqs.send_message(QueueUrl=queue, MessageBody="x")
        sqs.send_message(QueueUrl=queue, MessageBody="x")
        assert edge.calls()["sqs:SendMessage"] == 2
        assert edge.refused() == {"sqs:SendMessage": 1}

    @pytest.mark.usefixtures("queue")
    def test_a_reset_wipes_everything(self, edge: EdgeControl, eager_waf: Any, sqs: Any) -> None:
        make_set(eager_waf, [])
        edge.fault("*", "error")
        edge.deliver(duplicate=True)
        edge.reset()
        assert not sqs.list_queues().get("QueueUrls")
        assert eager_waf.list_ip_sets(Scope="REGIONAL")["IPSets"] == []
        assert edge.faults() == []
        assert not edge.delivery().duplicate
        assert edge.calls() == {"sqs:ListQueues": 1, "wafv2:ListIPSets": 1}

    def test_a_control_call_that_makes_no_sense_is_refused(self, edge: EdgeControl) -> None:
        with pytest.raises(EdgeControlError, match="not a probability: 2"):
            edge.fault("*", "error", probability=2)


class TestFaults:
    @pytest.mark.parametrize(
        ("service", "kind", "code"),
        [
            ("dynamodb", "throttle", "ProvisionedThroughputExceededException"),
            ("dynamodb", "error", "InternalServerError"),
            ("sqs", "throttle", "RequestThrottled"),
            ("sqs", "error", "InternalFailure"),
            ("wafv2", "throttle", "ThrottlingException"),
            ("wafv2", "error", "WAFInternalErrorException"),
        ],
    )
    def test_each_service_fails_with_its_own_code(
        self, edge: EdgeControl, clients: Callable[..., Any], service: str, kind: Any, code: str
    ) -> None:
        edge.fault(f"{service}:*", kind)
        client = clients(service)
        call = {"sqs": "list_queues", "dynamodb": "list_tables", "wafv2": "list_ip_sets"}[service]
        with refused(code) as answer:
            getattr(client, call)(**({"Scope": "REGIONAL"} if service == "wafv2" else {}))
        metadata = answer["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == (500 if kind == "error" else 400)

    def test_a_fault_can_have_any_code_and_a_number_of_times(self, edge: EdgeControl, dynamodb: Any) -> None:
        edge.fault("dynamodb:ListTables", "throttle", code="ThrottlingException", times=2)
        for _ in range(2):
            with refused("ThrottlingException"):
                dynamodb.list_tables()
        assert dynamodb.list_tables()["TableNames"] == []

    def test_cleared_faults_strike_no_more(self, edge: EdgeControl, dynamodb: Any) -> None:
        edge.fault("*", "error")
        edge.clear_faults()
        assert dynamodb.list_tables()["TableNames"] == []

    def test_a_delay_holds_up_only_the_calls_it_names(self, edge: EdgeControl, sqs: Any, dynamodb: Any) -> None:
        edge.fault("sqs:*", "delay", delay_s=0.3)
        started_s = time.monotonic()
        dynamodb.list_tables()
        assert time.monotonic() - started_s < 0.2
        sqs.list_queues()
        assert time.monotonic() - started_s >= 0.3

    def test_a_reset_before_leaves_the_call_without_effect(self, edge: EdgeControl, sqs: Any, queue: str) -> None:
        edge.fault("sqs:SendMessage", "reset_before", times=1)
        with pytest.raises(ConnectionClosedError):
            sqs.send_message(QueueUrl=queue, MessageBody="x")
        assert receive(sqs, queue) == []

    def test_a_reset_after_loses_the_answer_but_not_the_effect(
        self, edge: EdgeControl, sqs: Any, queue: str
    ) -> None:
        edge.fault("sqs:SendMessage", "reset_after", times=1)
        with pytest.raises(ConnectionClosedError):
            sqs.send_message(QueueUrl=queue, MessageBody="x")
        assert len(receive(sqs, queue)) == 1

    def test_a_late_write_has_no_answer_and_takes_effect_after_what_was_written_meanwhile(
        self, edge: EdgeControl, dynamodb: Any, table: str
    ) -> None:
        def put(text: str) -> None:
            dynamodb.put_item(TableName=table, Item={**key, "text": {"S": text}})

        key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
        edge.fault("dynamodb:PutItem", "late", times=1, delay_s=4.0, seed=1)
        with pytest.raises(ConnectionClosedError):
            put("late")
        put("meanwhile")
        assert edge.late_calls() == 1
        assert dynamodb.get_item(TableName=table, Key=key)["Item"]["text"] == {"S": "meanwhile"}
        eventually(lambda: edge.late_calls() == 0, "it lands", 20)
        assert dynamodb.get_item(TableName=table, Key=key)["Item"]["text"] == {"S": "late"}

    def test_a_late_write_that_is_refused_then_changes_nothing(
        self, edge: EdgeControl, dynamodb: Any, table: str
    ) -> None:
        key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
        edge.fault("dynamodb:PutItem", "late", times=1, delay_s=0.1)
        with pytest.raises(ConnectionClosedError):
            dynamodb.put_item(TableName=table, Item=key, ConditionExpression="attribute_exists(pk)")
        eventually(lambda: edge.late_calls() == 0, "it is refused", 20)
        assert "Item" not in dynamodb.get_item(TableName=table, Key=key)

    def test_a_reset_of_all_lets_no_late_call_land(self, edge: EdgeControl, dynamodb: Any, table: str) -> None:
        edge.fault("dynamodb:PutItem", "late", times=1, delay_s=60.0)
        with pytest.raises(ConnectionClosedError):
            dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}, "sk": {"S": "b"}})
        edge.reset()
        eventually(lambda: edge.late_calls() == 0, "it is forgotten", 5)


class TestDynamoDb:
    def test_an_index_of_the_table_is_read_consistently(self, dynamodb: Any, table: str) -> None:
        for number in range(3):
            item = {"pk": "a", "sk": str(number), "by": str(9 - number)}
            dynamodb.put_item(TableName=table, Item={name: {"S": text} for name, text in item.items()})
        found = dynamodb.query(
            TableName=table,
            IndexName="by-time",
            KeyConditionExpression="pk = :pk AND #by > :by",
            ExpressionAttributeNames={"#by": "by"},
            ExpressionAttributeValues={":pk": {"S": "a"}, ":by": {"S": "7"}},
            ConsistentRead=True,
        )
        assert [item["sk"]["S"] for item in found["Items"]] == ["1", "0"]

    def test_adding_to_a_set_is_a_union_and_answers_all_of_it(self, dynamodb: Any, table: str) -> None:
        def add(*members: str) -> set[str]:
            answer = dynamodb.update_item(
                TableName=table,
                Key={"pk": {"S": "a"}, "sk": {"S": "b"}},
                UpdateExpression="ADD seen :new",
                ExpressionAttributeValues={":new": {"SS": list(members)}},
                ReturnValues="ALL_NEW",
            )
            return set(answer["Attributes"]["seen"]["SS"])

        assert add("1", "2") == {"1", "2"}
        assert add("2", "3") == {"1", "2", "3"}

    def test_a_failed_condition_of_a_transaction_cancels_it_and_shows_the_item(
        self, dynamodb: Any, table: str
    ) -> None:
        old = {"pk": {"S": "a"}, "sk": {"S": "b"}, "owner": {"S": "me"}}
        dynamodb.put_item(TableName=table, Item=old)
        writes: list[dict[str, Any]] = [
            {"Put": {"TableName": table, "Item": {"pk": {"S": "a"}, "sk": {"S": "c"}}}},
            {
                "Put": {
                    "TableName": table,
                    "Item": old,
                    "ConditionExpression": "attribute_not_exists(pk)",
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
        ]
        with refused("TransactionCanceledException") as answer:
            dynamodb.transact_write_items(TransactItems=writes)
        reasons = answer["CancellationReasons"]
        assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
        assert reasons[1]["Item"] == old
        assert "Item" not in dynamodb.get_item(
            TableName=table, Key={"pk": {"S": "a"}, "sk": {"S": "c"}}, ConsistentRead=True
        )

    def test_a_failed_condition_of_an_update_shows_the_item(self, dynamodb: Any, table: str) -> None:
        old = {"pk": {"S": "a"}, "sk": {"S": "b"}, "n": {"N": "1"}}
        dynamodb.put_item(TableName=table, Item=old)
        with refused("ConditionalCheckFailedException") as answer:
            dynamodb.put_item(
                TableName=table,
                Item=old,
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        assert answer["Item"] == old

    def test_the_time_to_live_of_a_table_can_be_switched_on_and_seen(self, dynamodb: Any, table: str) -> None:
        wanted = {"Enabled": True, "AttributeName": "expires"}
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)
        seen = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        assert seen == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
