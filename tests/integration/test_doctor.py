"""`f2b doctor` on the local AWS: a set-up that is well, and one thing broken after the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.clock import AWS_TIME, SystemClock
from f2b_worker.adapters.dynamodb.fleet import DynamoFleet
from f2b_worker.adapters.dynamodb.lease import DynamoLease
from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.adapters.waf import finder
from f2b_worker.ports import WorkerSign
from f2b_worker.process import regions
from tests.integration import roles
from tests.integration.provisioning import NAMES, Cloud, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUEUE, TABLE, IP_SET = NAMES[1], NAMES[3], NAMES[5]


@pytest.fixture
def well(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A fleet in which nothing is wrong."""
    monkeypatch.setattr(finder, "READS_BESIDE_PER_S", 1000.0)
    monkeypatch.setattr(regions, "READS_OF_A_COMMAND_PER_S", 1000.0)
    monkeypatch.setattr(AWS_TIME, "ahead_ms", 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    roles.set_up("worker", cloud)
    sign(cloud)
    lease = DynamoLease(cloud.dynamodb, TABLE, name="enforcer/us-east-1", owner="me", clock=SystemClock())
    assert lease.hold()
    return cloud


def sign(cloud: Cloud, name: str = "host/1/c0ffee", **changes: Any) -> None:
    now_ms = SystemClock().now_ms()
    told = {"at_ms": now_ms, "started_ms": now_ms, "version": "0.1.0", "remark": "", **changes}
    DynamoFleet(cloud.dynamodb, TABLE).sign(WorkerSign(name, **told))


def problems(*arguments: str, code: int = 1) -> dict[str, str]:
    answer = run("doctor", *NAMES, *arguments, "--json")
    assert answer.exit_code == code, answer.output
    found = json.loads(answer.stdout)
    assert found["ok"] is (code == 0)
    return {each["what"]: each["problem"] for each in found["findings"] if not each["ok"]}


def test_where_nothing_is_wrong_every_line_is_ok(well: Cloud) -> None:
    before = well.writes()
    answer = run("doctor", *NAMES)
    assert answer.exit_code == 0, answer.output
    assert all(line.startswith("ok   ") for line in answer.stdout.splitlines())
    assert len(answer.stdout.splitlines()) > 15
    assert (
        well.dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "probe"}, "sk": {"S": "probe"}}).get("Item")
        is None
    )
    tried = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "wafv2:UpdateIPSet"}
    tried |= {"sqs:DeleteMessage"}
    changed = {name for name, number in well.writes().items() if number != before.get(name)}
    assert changed <= tried, "it only tries to write"


def _queue(cloud: Cloud, name: str = QUEUE) -> str:
    return cloud.sqs.get_queue_url(QueueName=name)["QueueUrl"]


def _set(cloud: Cloud, **attributes: str) -> None:
    cloud.sqs.set_queue_attributes(QueueUrl=_queue(cloud), Attributes=attributes)  # type: ignore[arg-type]


def _receives(cloud: Cloud) -> None:
    policy = json.loads(cloud.attributes(QUEUE)["RedrivePolicy"]) | {"maxReceiveCount": 2}
    _set(cloud, RedrivePolicy=json.dumps(policy))


def _delete(cloud: Cloud, pk: str, sk: str) -> None:
    cloud.dynamodb.delete_item(TableName=TABLE, Key={"pk": {"S": pk}, "sk": {"S": sk}})


def _no_table(cloud: Cloud) -> None:
    cloud.dynamodb.update_table(TableName=TABLE, DeletionProtectionEnabled=False)
    cloud.dynamodb.delete_table(TableName=TABLE)


def _no_ttl(cloud: Cloud) -> None:
    cloud.dynamodb.update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"}
    )


def _unprotected(cloud: Cloud) -> None:
    cloud.dynamodb.update_table(TableName=TABLE, DeletionProtectionEnabled=False)


def _newer(cloud: Cloud) -> None:
    item: dict[str, Any] = {"pk": {"S": "meta"}, "sk": {"S": "schema"}}
    cloud.dynamodb.put_item(TableName=TABLE, Item=item | {"version": {"S": "odd"}, "readable_from": {"N": "9"}})


def _no_rule(cloud: Cloud) -> None:
    (found,) = cloud.waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
    cloud.waf.delete_web_acl(Name=found["Name"], Id=found["Id"], Scope="REGIONAL", LockToken=found["LockToken"])


def _full(cloud: Cloud) -> None:
    found = next(
        each for each in cloud.waf.list_ip_sets(Scope="REGIONAL")["IPSets"] if each["Name"].endswith("ipv4")
    )
    entries = [f"11.{number // 256}.{number % 256}.0/24" for number in range(10_000)]
    cloud.waf.update_ip_set(
        Name=found["Name"], Id=found["Id"], Scope="REGIONAL", Addresses=entries, LockToken=found["LockToken"]
    )


def _no_worker(cloud: Cloud) -> None:
    DynamoFleet(cloud.dynamodb, TABLE).leave("host/1/c0ffee")


BROKEN: dict[str, tuple[Callable[[Cloud], object], str, str]] = {
    "visibility": (lambda cloud: _set(cloud, VisibilityTimeout="0"), "settings of the queue", "hides a received"),
    "long visibility": (lambda cloud: _set(cloud, VisibilityTimeout="7200"), "settings of the queue", "7200 s"),
    "receives": (_receives, "settings of the queue", "after 2 receives"),
    "retention": (lambda cloud: _set(cloud, MessageRetentionPeriod="60"), "settings of the queue", "60 s only"),
    "delay": (lambda cloud: _set(cloud, DelaySeconds="30"), "settings of the queue", "holds back"),
    "redrive": (lambda cloud: _set(cloud, RedrivePolicy=""), f"redrive of {QUEUE}", "f2b provision"),
    "table": (_no_table, f"table {TABLE}", "f2b provision"),
    "ttl": (_no_ttl, f"time to live of table {TABLE}", "f2b provision"),
    "protection": (_unprotected, f"table {TABLE}", "deletion protection"),
    "format": (_newer, f"format of table {TABLE}", "cannot be read"),
    "counter": (lambda cloud: _delete(cloud, "log", "seq"), f"ban log of table {TABLE}", "f2b provision"),
    "snapshot": (lambda cloud: _delete(cloud, "log", "snapshot"), "snapshot and log of the bans", "f2b repair"),
    "rule": (_no_rule, f"rule for IP set {IP_SET}-ipv4", "no rule in use refers to block-ipv4"),
    "full set": (_full, f"room in IP set {IP_SET}-ipv4", "10,000 entries"),
    "no worker": (_no_worker, "workers", "start f2b-worker"),
    "ailing worker": (lambda cloud: sign(cloud, remark="the queue is away"), "workers", "the queue is away"),
    "mixed versions": (lambda cloud: sign(cloud, "b", version="0.0.9"), "workers", "0.0.9 and 0.1.0"),
    "nobody enforces": (
        lambda cloud: _delete(cloud, "lease#enforcer/us-east-1", "lease"),
        "enforcer of us-east-1",
        "nobody enforces",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named_with_what_to_do(name: str, well: Cloud) -> None:
    breaks, what, told = BROKEN[name]
    breaks(well)
    found = problems()
    matching = [problem for each, problem in found.items() if each.startswith(what)]
    assert matching, found
    assert told in matching[0]


@pytest.mark.usefixtures("well")
def test_a_queue_or_an_ip_set_that_is_not_there_is_named() -> None:
    assert "f2b provision" in problems("--queue", "other")["queue other"]
    found = problems("--ip-set", "other")
    assert "f2b provision" in found["IP set other-ipv4"]


@pytest.mark.usefixtures("well")
def test_a_clock_that_is_off_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AWS_TIME, "ahead_ms", 90_000)
    monkeypatch.setattr(AWS_TIME, "learn", lambda *_, **__: None)
    assert "let NTP set it" in problems()["clock"]


@pytest.mark.parametrize(
    "action",
    ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "wafv2:UpdateIPSet", "sqs:DeleteMessage"],
)
def test_a_permission_that_is_missing_is_named(action: str, well: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = roles.policy("worker", well.account)
    token = f"doctor-{well.account}"
    for statement in policy["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each != action]
    more = ["dynamodb:Describe*", "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "wafv2:List*"]
    policy["Statement"].append({"Sid": "Look", "Effect": "Allow", "Action": more, "Resource": "*"})
    well.aws.edge.permit(token, policy)
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    try:
        assert "not authorized" in problems()[f"permission {action}"]
    finally:
        well.aws.edge.permit(token, None)


@pytest.mark.usefixtures("well")
def test_a_file_that_is_wrong_is_named_and_nothing_else_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "f2b.toml").write_text("[jails.a]\nmaxretry = 0\n")
    found = problems("--config", "f2b.toml")
    assert list(found) == ["file f2b.toml"]
    assert "jails.a.maxretry" in found["file f2b.toml"]


@pytest.mark.usefixtures("well")
def test_a_jail_whose_blocklist_has_no_set_is_named(tmp_path: Path) -> None:
    (tmp_path / "f2b.toml").write_text(f'[blocklists.captcha]\nip_set = "{IP_SET}"\n')
    answer = run("doctor", *NAMES[:4], "--config", "f2b.toml")
    assert answer.exit_code == 1
    assert "NO   jail default: blocklist block has no IP set: its bans are enforced nowhere" in answer.stdout


class TestStateFile:
    def test_a_file_without_a_worker_or_that_is_none_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        path = tmp_path / "f2b.db"
        answer = run("doctor", "--state", str(path))
        assert answer.exit_code == 1
        make_or_open(path).close()
        answer = run("doctor", "--state", str(path))
        assert "no process works on the file: start f2b-worker --standalone" in answer.stdout
        path.write_bytes(b"nonsense" * 1000)
        assert f"NO   state file {path}" in run("doctor", "--state", str(path)).stdout
