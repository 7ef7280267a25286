"""`f2b doctor` on the local AWS: a set-up that is well, and one thing broken after the other."""

from __future__ import annotations

import json
import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker import __version__
from f2b_worker.adapters.clock import AWS_TIME, SystemClock
from f2b_worker.adapters.dynamodb.fleet import DynamoFleet
from f2b_worker.adapters.dynamodb.lease import DynamoLease
from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.adapters.waf import finder
from f2b_worker.ports import WorkerSign
from f2b_worker.process import regions
from f2b_worker.query.checkup import of_file, of_machine
from f2b_worker.query.checkup.check import LOOKING
from tests.integration import roles
from tests.integration.provisioning import NAMES, Cloud, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUEUE, TABLE, IP_SET = NAMES[1], NAMES[3], NAMES[5]
OURS, OPERATOR = "198.51.100.9", "198.51.100.77"
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/1"
ROLES = {
    "operator": ("doctor", "operator", "dlq"),
    **{role: (role,) for role in ("worker", "judge", "enforcer", "producer")},
}
"""The policies that together are all that `f2b doctor --as` needs."""

LINES = {"operator": 35, "worker": 35, "judge": 20, "enforcer": 25, "producer": 4}
"""So many lines it has at least."""

MADE: set[str] = set()
"""The accounts in which there is a fleet."""


@pytest.fixture
def well(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A fleet in which nothing is wrong; where tests share an account, the first of them makes it."""
    monkeypatch.setattr(finder, "READS_BESIDE_PER_S", 1000.0)
    monkeypatch.setattr(regions, "READS_OF_A_COMMAND_PER_S", 1000.0)
    monkeypatch.setattr(AWS_TIME, "ahead_ms", 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(of_machine, "own_addresses", lambda: ["10.0.0.5", OURS])
    monkeypatch.setenv("SSH_CONNECTION", f"{OPERATOR} 50000 10.0.0.5 22")
    if cloud.account not in MADE:
        make_well(cloud)
        MADE.add(cloud.account)
    return cloud


def make_well(cloud: Cloud) -> None:
    roles.set_up("worker", cloud)
    sign(cloud)
    lease = DynamoLease(cloud.dynamodb, TABLE, name="enforcer/us-east-1", owner="me", clock=SystemClock())
    assert lease.hold()
    cloud.waf.associate_web_acl(WebACLArn=_web_acl(cloud)["ARN"], ResourceArn=BALANCER)
    assert run("allow", "add", OURS, "--table", TABLE).exit_code == 0


def _web_acl(cloud: Cloud) -> Any:
    (found,) = cloud.waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
    return found


def sign(cloud: Cloud, name: str = "host/1/c0ffee", **changes: Any) -> None:
    now_ms = SystemClock().now_ms()
    told = {"at_ms": now_ms, "started_ms": now_ms, "version": __version__, "remark": "", **changes}
    DynamoFleet(cloud.dynamodb, TABLE).sign(WorkerSign(name, **told))


def problems(*arguments: str, code: int = 1) -> dict[str, str]:
    answer = run("doctor", *NAMES, *arguments, "--json")
    assert answer.exit_code == code, answer.output
    found = json.loads(answer.stdout)
    assert found["ok"] is (code == 0)
    return {each["what"]: each["problem"] for each in found["findings"] if not each["ok"]}


@pytest.mark.parametrize("role", ROLES)
def test_where_nothing_is_wrong_every_line_is_ok_and_nothing_is_changed(role: str, well: Cloud) -> None:
    well.sqs.send_message(QueueUrl=_queue(well, f"{QUEUE}-dead"), MessageBody="{}")
    before, items = depths(well), _items(well)
    with held_to(well, *ROLES[role]) as queue:
        answer = run("doctor", *NAMES, *queue, "--as", role)
    assert answer.exit_code == 0, answer.output
    assert all(line.startswith("ok   ") for line in answer.stdout.splitlines())
    assert len(answer.stdout.splitlines()) >= LINES[role]
    assert depths(well) == before
    assert _items(well) == items


def test_a_judge_is_asked_for_the_queue_and_no_ip_set_and_an_enforcer_the_other_way_round(well: Cloud) -> None:
    tried = {}
    for role in ("judge", "enforcer"):
        answer = run("doctor", *NAMES, "--as", role)
        assert answer.exit_code == 0, answer.output
        tried[role] = {line.partition("permission ")[2].partition(" ")[0] for line in answer.stdout.splitlines()}
    both = {each for each in tried["judge"] if each.startswith("dynamodb:")}
    in_batches = {"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"}
    assert both - in_batches == {each for each in tried["enforcer"] if each.startswith("dynamodb:")}
    assert {"dynamodb:PutItem", *in_batches} <= both
    assert tried["judge"] - both - {""} == {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:SendMessage",
        "sqs:GetQueueAttributes",
    }
    assert "wafv2:UpdateIPSet" in tried["enforcer"]
    assert {each.partition(":")[0] for each in tried["enforcer"] - both - {""}} == {"wafv2"}


@contextmanager
def held_to(
    cloud: Cloud, *policies: str, without: tuple[str, str, str] = ("", "", "")
) -> Iterator[tuple[str, ...]]:
    """Call with these policies alone, without one action of one of them; answer how to name the queue then."""
    token = f"doctor-{cloud.account}"
    read = {name: roles.policy(name, cloud.account) for name in policies}
    if without[0]:
        read[without[0]] = roles.without(read[without[0]], *without[1:])
    statements = [each for policy in read.values() for each in policy["Statement"]]
    cloud.aws.edge.permit(token, {"Statement": statements})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SESSION_TOKEN", token)
        yield ("--queue", _queue(cloud)) if policies == ("producer",) else ()
    cloud.aws.edge.permit(token, None)


def depths(cloud: Cloud) -> list[dict[str, str]]:
    """How many messages are where; of a message that was received SQS tells that it is in flight."""
    found = [cloud.attributes(name) for name in (QUEUE, f"{QUEUE}-dead")]
    return [{key: value for key, value in each.items() if key.startswith("Approximate")} for each in found]


def _items(cloud: Cloud) -> list[Any]:
    return sorted(cloud.dynamodb.scan(TableName=TABLE)["Items"], key=str)


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
    _no_resource(cloud)
    found = _web_acl(cloud)
    cloud.waf.delete_web_acl(Name=found["Name"], Id=found["Id"], Scope="REGIONAL", LockToken=found["LockToken"])


def _no_resource(cloud: Cloud) -> None:
    cloud.waf.disassociate_web_acl(ResourceArn=BALANCER)


def _only_counts(cloud: Cloud) -> None:
    named: Any = {key: _web_acl(cloud)[key] for key in ("Name", "Id", "LockToken")}
    held = cloud.waf.get_web_acl(Name=named["Name"], Id=named["Id"], Scope="REGIONAL")["WebACL"]
    rules: Any = [{**each, "OverrideAction": {"Count": {}}} for each in held["Rules"]]
    kept: Any = {key: held[key] for key in ("DefaultAction", "VisibilityConfig")}
    cloud.waf.update_web_acl(**named, **kept, Scope="REGIONAL", Rules=rules)


def _other_keys(cloud: Cloud) -> None:
    _no_table(cloud)
    keys: Any = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }
    cloud.dynamodb.create_table(TableName=TABLE, BillingMode="PAY_PER_REQUEST", **keys)


def _no_dead_letter_queue(cloud: Cloud) -> None:
    cloud.sqs.delete_queue(QueueUrl=_queue(cloud, f"{QUEUE}-dead"))


def _banned(address: str) -> Callable[[Cloud], object]:
    return lambda _: run("ban", address, "--table", TABLE, "--jail", "login", "--reason", "test", "--yes")


def _not_allowed(_: Cloud) -> None:
    assert run("allow", "remove", OURS, "--table", TABLE).exit_code == 0


def _broken_part(cloud: Cloud) -> None:
    key: Any = {"pk": {"S": "log"}, "sk": {"S": "snapshot"}}
    cloud.dynamodb.update_item(TableName=TABLE, Key=key, UpdateExpression="REMOVE upto")


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
    "counting rule": (_only_counts, f"rule for IP set {IP_SET}-ipv4", "only counts"),
    "nothing protected": (_no_resource, f"web ACL for IP set {IP_SET}-ipv4", "associate-web-acl"),
    "own address": (_not_allowed, f"own address {OURS}", f"f2b allow add {OURS}"),
    "operator banned": (_banned(OPERATOR), f"address {OPERATOR} that you are logged in from", "in jail login"),
    "operator's network banned": (_banned("198.51.100.64/26"), f"address {OPERATOR}", "in jail login"),
    "another table": (_other_keys, f"table {TABLE}", "not a table of f2b"),
    "dead-letter queue": (_no_dead_letter_queue, f"dead-letter queue {QUEUE}-dead", "f2b provision"),
    "broken pointer": (_broken_part, "snapshot and log of the bans", "f2b repair"),
    "another version": (lambda cloud: sign(cloud, version="9.9.9"), "workers", "install the same version here"),
    "mixed versions": (lambda cloud: sign(cloud, "b", version="0.0.9"), "workers", f"0.0.9 and {__version__}"),
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


TRIED = {
    *(f"dynamodb:{each}Item" for each in ("Get", "BatchGet", "Put", "Update", "Delete")),
    "dynamodb:Query",
    *(f"sqs:{each}" for each in ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "SendMessage")),
}
"""What is tried for operators; tests/integration/test_permissions.py takes from them what looking needs."""

LACKING = [
    pytest.param(role, (policy, *each), id=f"{role}-{each[1]}-of-{each[0]}")
    for role, policies in ROLES.items()
    for policy in policies
    if policy != LOOKING
    for each in roles.actions_of(policy)
    if role != "operator" or each[1] in TRIED
]


class TestPermission:
    """Trying one changes nothing, as a test above says: all share one fleet."""

    @pytest.fixture
    def account(self) -> str:
        return "200000000000"

    @pytest.mark.parametrize(("role", "without"), LACKING)
    def test_each_permission_of_a_role_that_is_missing_is_named_with_the_policy_that_has_it(
        self, role: str, without: tuple[str, str, str], well: Cloud
    ) -> None:
        having = [name for name in ROLES[role] if any(each[1] == without[2] for each in roles.actions_of(name))]
        held = (without[0],) if len(having) > 1 else ROLES[role]  # what another policy allows is not missing
        with held_to(well, *held, without=without) as queue:
            found = problems(*queue, "--as", role)
        spelt = without[2].lower() if without[2].startswith("sqs:") else without[2]
        told = [each for each in found.values() if f"not authorized to perform: {spelt} on" in each]
        named = tuple(f"docs/iam/{name}.json has the policy that is needed" for name in having)
        assert any(each.endswith(named) for each in told), found


@pytest.mark.usefixtures("well")
def test_a_producer_needs_a_queue_and_a_standalone_worker_has_none(tmp_path: Path) -> None:
    answer = run("doctor", "--as", "producer", "--table", TABLE)
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert "--queue: is missing" in answer.stderr
    make_or_open(tmp_path / "f2b.db").close()
    answer = run("doctor", "--as", "producer", "--state", "f2b.db")
    assert answer.exit_code == 3
    assert "takes infractions by HTTP" in answer.stderr
    for role in ("judge", "enforcer"):
        answer = run("doctor", "--as", role, "--state", "f2b.db")
        assert (answer.exit_code, answer.stdout) == (3, "")
        assert "both judges and enforces: give --as worker" in answer.stderr


def test_the_web_acls_of_a_state_files_ip_sets_are_looked_at_too(well: Cloud, tmp_path: Path) -> None:
    make_or_open(tmp_path / "f2b.db").close()
    _no_resource(well)
    answer = run("doctor", "--state", "f2b.db", "--ip-set", IP_SET)
    assert f"NO   web ACL for IP set {IP_SET}-ipv4" in answer.stdout
    with held_to(well, "standalone"):
        answer = run("doctor", "--state", "f2b.db", "--ip-set", IP_SET, "--as", "worker")
    assert "ok   permission wafv2:UpdateIPSet" in answer.stdout
    assert "not authorized" not in answer.stdout


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


def _may_only_read(_path: object, mode: int, **_: object) -> bool:
    return mode == os.R_OK


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

    @pytest.mark.parametrize(
        ("breaks", "told"),
        [
            (lambda patch, _: patch.setattr("os.access", _may_only_read), "run f2b as the user"),
            (lambda patch, _: patch.setattr(of_file, "ROOM_LEAST_BYTES", 1 << 62), "make room"),
            (lambda _, path: _spoil(path), "cannot be read"),
            (lambda _, path: run("ban", OPERATOR, "--state", str(path), "--yes"), "in jail manual"),
        ],
        ids=["not writable", "full disk", "unreadable ban", "operator banned"],
    )
    def test_what_keeps_a_standalone_worker_from_its_work_is_named(
        self, breaks: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setattr(of_machine, "own_addresses", list)
        monkeypatch.setenv("SSH_CONNECTION", f"{OPERATOR} 50000 10.0.0.5 22")
        path = tmp_path / "f2b.db"
        make_or_open(path).close()
        assert run("ban", "203.0.113.7", "--state", str(path)).exit_code == 0
        assert told not in run("doctor", "--state", str(path)).stdout
        breaks(monkeypatch, path)
        answer = run("doctor", "--state", str(path))
        assert answer.exit_code == 1
        assert told in answer.stdout


def _spoil(path: Path) -> None:
    with closing(make_or_open(path)) as connection:
        connection.execute("UPDATE offenders SET ban = 'nonsense'")
