"""What `f2b provision` makes, and what a worker says that misses something: on the local AWS."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from f2b_worker.adapters import aws
from f2b_worker.adapters.dynamodb.table import check_table
from f2b_worker.adapters.provisioning import needs
from f2b_worker.adapters.sqs import attributes
from f2b_worker.adapters.waf import listing as waf_listing
from tests.integration.provisioning import NAMES, Cloud, provisioned, refusal, run, start

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WHAT = [
    "dead-letter queue bans-dead",
    "queue bans",
    "redrive of bans to its dead-letter queue",
    "table ledger",
    "time to live of table ledger",
    "ban log of table ledger",
    "format of table ledger",
    "point-in-time recovery of table ledger",
    "IP set block-ipv4",
    "IP set block-ipv6",
]


def worker_process(cloud: Cloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("f2b-worker")
    return subprocess.run(
        [command, *arguments],
        env=cloud.aws.child_environment(cloud.account),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestProvision:
    def test_it_makes_everything_and_says_so(self, cloud: Cloud) -> None:
        assert provisioned(*NAMES) == [f"{what}: made" for what in WHAT]
        assert cloud.ip_sets() == ["block-ipv4", "block-ipv6"]

    def test_the_queue_keeps_what_a_worker_needs(self, cloud: Cloud) -> None:
        provisioned(*NAMES)
        queue, dead = cloud.attributes("bans"), cloud.attributes("bans-dead")
        policy = json.loads(queue["RedrivePolicy"])
        assert policy["deadLetterTargetArn"] == dead["QueueArn"]
        assert int(policy["maxReceiveCount"]) == needs.MAX_RECEIVE_COUNT
        assert {queue["MessageRetentionPeriod"], dead["MessageRetentionPeriod"]} == {str(14 * 24 * 3600)}
        assert queue["VisibilityTimeout"] == str(needs.VISIBILITY_TIMEOUT_S)
        assert "RedrivePolicy" not in dead

    def test_the_table_is_on_demand_without_an_index_and_with_its_time_to_live(self, cloud: Cloud) -> None:
        provisioned(*NAMES)
        check_table(cloud.dynamodb, "ledger")
        found = cloud.dynamodb.describe_table(TableName="ledger")["Table"]
        assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert not found.get("LocalSecondaryIndexes")
        assert not found.get("GlobalSecondaryIndexes")
        living = cloud.dynamodb.describe_time_to_live(TableName="ledger")["TimeToLiveDescription"]
        assert (living["TimeToLiveStatus"], living["AttributeName"]) == ("ENABLED", "ttl")

    def test_running_it_again_changes_nothing(self, cloud: Cloud) -> None:
        provisioned(*NAMES)
        cloud.aws.edge.reset_calls()
        assert provisioned(*NAMES) == [f"{what}: there" for what in WHAT]
        assert cloud.writes() == {}

    def test_running_it_again_for_several_sets_stays_within_the_quota_of_reads(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waf_listing, "READS_PER_S", 4.0)
        several = (*NAMES, "--ip-set", "block-b", "--ip-set", "block-c")
        for name in ("block-ipv4", "block-ipv6", "block-b-ipv4", "block-b-ipv6", "block-c-ipv4", "block-c-ipv6"):
            cloud.ip_set(name, "IPV6" if name.endswith("6") else "IPV4")
        cloud.aws.edge.set_waf_read_rate(5.0)
        assert len(provisioned(*several, "--rule-group", "f2b", "--dry-run")) > len(WHAT) + 4
        assert not cloud.aws.edge.refused()

    def test_a_dry_run_says_what_is_missing_and_makes_nothing(self, cloud: Cloud) -> None:
        assert provisioned(*NAMES, "--dry-run") == [f"{what}: would be made" for what in WHAT]
        assert cloud.writes() == {}

    def test_without_ip_sets_none_are_made(self, cloud: Cloud) -> None:
        assert provisioned(*NAMES[:4]) == [f"{what}: made" for what in WHAT[:8]]
        assert not any(name.startswith("wafv2:") for name in cloud.aws.edge.calls())

    def test_a_queue_without_a_redrive_policy_gets_one_and_keeps_the_rest(self, cloud: Cloud) -> None:
        cloud.queue("bans", VisibilityTimeout="7", MessageRetentionPeriod="3600")
        lines = provisioned(*NAMES[:4])
        assert lines[:3] == [f"{WHAT[0]}: made", f"{WHAT[1]}: there", f"{WHAT[2]}: made"]
        found = cloud.attributes("bans")
        assert "bans-dead" in found["RedrivePolicy"]
        assert (found["VisibilityTimeout"], found["MessageRetentionPeriod"]) == ("7", "3600")

    def test_a_redrive_policy_that_is_there_stays(self, cloud: Cloud) -> None:
        cloud.queue("graveyard")
        policy = {"deadLetterTargetArn": cloud.attributes("graveyard")["QueueArn"], "maxReceiveCount": 3}
        cloud.queue("bans", RedrivePolicy=json.dumps(policy))
        assert f"{WHAT[2]}: there" in provisioned(*NAMES[:4])
        assert "graveyard" in cloud.attributes("bans")["RedrivePolicy"]

    def test_a_redrive_policy_to_a_queue_that_is_gone_is_mended(self, cloud: Cloud) -> None:
        provisioned(*NAMES[:4])
        cloud.sqs.delete_queue(QueueUrl=cloud.sqs.get_queue_url(QueueName="bans-dead")["QueueUrl"])
        lines = provisioned(*NAMES[:4])
        assert lines[0] == f"{WHAT[0]}: made"
        assert "bans-dead" in cloud.attributes("bans")["RedrivePolicy"]

    def test_a_set_of_exactly_the_name_stands_for_both_families(self, cloud: Cloud) -> None:
        cloud.ip_set("block")
        assert provisioned(*NAMES)[8:] == ["IP set block: there"]
        assert cloud.ip_sets() == ["block"]

    def test_a_set_that_is_missing_is_made_beside_the_other(self, cloud: Cloud) -> None:
        cloud.ip_set("block-ipv4")
        assert provisioned(*NAMES)[8:] == ["IP set block-ipv4: there", "IP set block-ipv6: made"]

    def test_some_other_table_of_that_name_is_refused_and_left_alone(self, cloud: Cloud) -> None:
        make_other_table(cloud.dynamodb)
        told = refusal(run("provision", *NAMES[:4]))
        assert "so it is not a table of f2b" in told
        assert "ttl" not in str(cloud.dynamodb.describe_time_to_live(TableName="ledger"))

    def test_a_queue_given_by_its_url_is_the_same_queue(self, cloud: Cloud) -> None:
        url = cloud.queue("bans")
        assert provisioned("--queue", url, "--table", "ledger")[1] == "queue bans: there"


def make_other_table(client: DynamoDBClient) -> None:
    client.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )


class TestStart:
    """A worker that misses something ends with exit code 3 and one line: what, and the command that makes it."""

    def test_a_missing_queue_is_named_with_the_command_that_makes_it(self, cloud: Cloud) -> None:
        answer = worker_process(cloud, *NAMES)
        (told,) = answer.stderr.splitlines()
        assert answer.returncode == 3
        assert told.startswith("f2b-worker: queue bans: ")
        assert told.endswith(f": f2b provision {shlex.join(NAMES)}")

    def test_a_missing_table_is_named_with_the_command_that_makes_it(self, cloud: Cloud) -> None:
        provisioned(*NAMES, "--no-deletion-protection")
        cloud.dynamodb.delete_table(TableName="ledger")
        answer = worker_process(cloud, *NAMES)
        (told,) = answer.stderr.splitlines()
        assert answer.returncode == 3
        assert told.startswith("f2b-worker: table ledger: ")
        assert told.endswith(f": f2b provision {shlex.join(NAMES)}")

    @pytest.mark.usefixtures("cloud")
    def test_a_missing_ip_set_is_named_with_the_command_that_makes_it(self) -> None:
        provisioned(*NAMES[:4])
        told = refusal(start(*NAMES))
        assert "IP set block: neither it nor block-ipv4 nor block-ipv6 exists in REGIONAL" in told
        assert told.endswith(f": f2b provision {shlex.join(NAMES)}")

    def test_a_queue_without_a_dead_letter_queue_is_named_with_the_command_that_makes_it(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attributes, "ATTRIBUTES_ARE_NEW_S", 0.0)
        cloud.queue("bans")
        told = refusal(start(*NAMES, "--processes", "1"))  # in this process, where the time is short
        assert "/bans has no dead-letter queue" in told
        assert told.endswith(f": f2b provision {shlex.join(NAMES)}")

    @pytest.mark.parametrize("command", [[], ["list"]])
    def test_some_other_table_is_refused(self, cloud: Cloud, command: list[str]) -> None:
        provisioned(*NAMES[:4], "--no-deletion-protection")
        cloud.dynamodb.delete_table(TableName="ledger")
        make_other_table(cloud.dynamodb)
        given = NAMES[2:4] if command else NAMES
        assert "so it is not a table of f2b" in refusal((run if command else start)(*command, *given))

    @pytest.mark.usefixtures("cloud")
    def test_the_bans_of_a_missing_table_are_refused_by_its_name(self) -> None:
        assert "table ledger: " in refusal(run("list", "--table", "ledger"))

    @pytest.mark.parametrize("scope", ["REGIONAL", "CLOUDFRONT"])
    def test_the_command_that_the_line_names_makes_what_is_missing(self, cloud: Cloud, scope: str) -> None:
        provisioned(*NAMES[:4])
        told = refusal(start(*NAMES, "--scope", scope))
        command = shlex.split(told[told.index("f2b provision") :])
        provisioned(*command[2:])
        made: Any = cloud.waf.list_ip_sets(Scope=scope)  # type: ignore[arg-type]
        assert [each["Name"] for each in made["IPSets"]] == ["block-ipv4", "block-ipv6"]

    @pytest.mark.usefixtures("cloud")
    def test_credentials_that_are_missing_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        told = refusal(start(*NAMES))
        assert "credentials" in told.lower()
        assert "provision" not in told

    def test_an_aws_that_is_too_busy_at_first_is_waited_for(self, cloud: Cloud) -> None:
        provisioned(*NAMES[:4])
        cloud.aws.edge.fault("wafv2:ListIPSets", "throttle", times=1)
        assert "IP set block: neither it" in refusal(start(*NAMES))


def test_the_clients_find_the_local_aws_by_the_standard_variables(cloud: Cloud) -> None:
    with contextlib.closing(aws.dynamodb_client(connections=1)) as client:
        assert client.meta.endpoint_url == cloud.aws.endpoint_url
        with pytest.raises(ClientError):
            client.describe_table(TableName="none")
