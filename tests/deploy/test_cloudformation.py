"""deploy/cloudformation: made for real on the local AWS with its options, and used under its own names."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from demo.fleet import BIN, STOPS_WITHIN_S, Fleet, eventually, free_port, get
from demo.prove import CONFIG
from f2b_worker.adapters.provisioning import needs
from f2b_worker.domain.blocklists import Action, Scope
from localstack.policies import Names, filled, normalised
from tests.aws import without_waf_quotas, without_waf_read_quota
from tests.deploy.attacked import attacked
from tests.deploy.made import Made
from tests.deploy.options import an_account, everything
from tests.deploy.policy_blocks import ROLES, logical_id, written
from tests.deploy.stack import Stack
from tests.deploy.template import TEMPLATE, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localstack.local_aws import LocalAws

ONLY_VALIDATED = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
}
"""The local AWS has no Application Auto Scaling: these are held against the model of its API, and not made."""

AWAY_AT_MOST_S = 30.0
"""A worker lists the sets each 5 s, and writes one each second; the rest is a slow machine's share."""


@contextmanager
def made(aws: LocalAws, account: str | None = None, **given: str) -> Iterator[Stack]:
    """Make a stack in an account of its own."""
    with without_waf_quotas(aws), Stack(aws, TEMPLATE, Place(account or an_account()), given) as stack:
        yield stack


@pytest.fixture(scope="module", params=["as it is", "everything", "CLOUDFRONT"])
def stack(request: pytest.FixtureRequest, local_aws: LocalAws) -> Iterator[Stack]:
    account = an_account()
    given = {
        "as it is": {},
        "everything": everything(local_aws, account) if request.param == "everything" else {},
        "CLOUDFRONT": {
            "Scope": "CLOUDFRONT",
            "MakeWebAcl": "true",
            "Action": "count",
            "DeletionProtection": "false",
        },
    }
    with made(local_aws, account, **given[request.param]) as stack:
        yield stack


def test_every_resource_is_made_and_read_back_as_the_template_has_it(stack: Stack) -> None:
    read = {name for name, kind in stack.types.items() if kind not in ONLY_VALIDATED}
    assert {name: found for name in read if (found := stack.unlike(name))} == {}
    assert read == {name for name in stack.wanted() if stack.types[name] not in ONLY_VALIDATED}


def test_each_role_may_do_what_docs_iam_says_and_nothing_else(stack: Stack, local_aws: LocalAws) -> None:
    read = Made(local_aws, stack.place.account)
    names = Names(account=stack.place.account, scope=stack.given.get("Scope", "REGIONAL"))
    for role in ROLES:
        policy = read.policy(stack.outputs[f"{logical_id(role)}Arn"])
        assert normalised(policy) == normalised(filled(role, names)), role


def test_the_policies_in_the_template_are_written_anew_when_docs_iam_changes() -> None:
    template = TEMPLATE.read_text()
    assert template == written(template), "run: python -m tests.deploy.policy_blocks"


def test_what_was_changed_since_it_was_made_is_found(local_aws: LocalAws) -> None:
    with made(local_aws) as stack:
        sqs, alarm = stack.clients["sqs"], stack.made["DeadLettersAlarm"]["AlarmName"]
        sqs.set_queue_attributes(QueueUrl=stack.ref("Queue"), Attributes={"VisibilityTimeout": "61"})
        stack.clients["cloudwatch"].delete_alarms(AlarmNames=[alarm])
        stack.clients["dynamodb"].update_table(TableName="f2b", DeletionProtectionEnabled=False)
        assert stack.unlike("Queue") == [".Attributes.VisibilityTimeout: '61' instead of '60'"]
        assert stack.unlike("Table") == [".DeletionProtectionEnabled: False instead of True"]
        with pytest.raises(ValueError, match="not enough values"):
            stack.unlike("DeadLettersAlarm")


@pytest.mark.parametrize("action", Action)
def test_the_rule_is_that_of_provision_whatever_the_action_is(action: Action, local_aws: LocalAws) -> None:
    with made(local_aws, Action=action.value, SetsPerFamily="2") as stack:
        read = Made(local_aws, stack.place.account)
        arns = {each["Name"]: each["ARN"] for each in read.ip_sets()}
        wanted = needs.rule("block", action, [arns[name] for name, _ in needs.ip_sets("f2b", 2)])
        assert read.rule_group()["Rules"] == [wanted]


class Running(NamedTuple):
    """A fleet on what the template made with all its options.

    Attributes:
        policy: What its workers may do.
        containers: Those of the task definition, as ECS has them.
    """

    fleet: Fleet
    made: Made
    account: str
    policy: dict[str, Any]
    containers: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def running(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config, account = tmp_path_factory.mktemp("fleet") / "f2b.toml", an_account()
    config.write_text(CONFIG)
    with made(local_aws, account, **everything(local_aws, account)) as stack:
        read = Made(local_aws, account)
        policy = read.policy(stack.outputs["WorkerPolicyArn"])
        task = stack.clients["ecs"].describe_task_definition(taskDefinition=stack.ref("TaskDefinition"))
        containers = {each["name"]: each for each in task["taskDefinition"]["containerDefinitions"]}
    with without_waf_read_quota(local_aws), Fleet(local_aws, config, account=account) as fleet:
        yield Running(fleet, read, account, policy, containers)
        fleet.kill()


def test_the_containers_of_a_task_do_their_work_with_the_commands_and_names_of_the_task_definition(
    running: Running, local_aws: LocalAws
) -> None:
    local_aws.edge.permit(token := f"task-{running.account}", running.policy)
    environment = running.fleet.environment | {"AWS_SESSION_TOKEN": token}
    init = subprocess.run(**started(running.containers["init"], environment), capture_output=True, check=False)
    assert init.returncode == 0, init.stderr
    port = free_port()
    worker = started(running.containers["worker"], environment)
    # Several tests share this machine, and a task has half a core of its own.
    worker["env"] |= {"F2B_METRICS_PORT": str(port), "F2B_PROCESSES": "1"}
    with subprocess.Popen(**worker, stderr=subprocess.PIPE) as process:
        eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "the worker is ready", 30)
        process.terminate()
        _, told = process.communicate(timeout=STOPS_WITHIN_S)
    assert process.returncode == 0, told
    assert b"not authorized" not in told


def test_a_worker_bans_under_the_stacks_names_and_gets_back_what_an_update_of_the_stack_takes_away(
    running: Running, local_aws: LocalAws
) -> None:
    fleet, edge = running.fleet, local_aws.edge
    held = attacked(fleet, local_aws, running.made, running.policy)
    before = len(edge.waf_changes(running.account))
    update_as_cloudformation_does(fleet, running.made)
    eventually(lambda: fleet.ip_set_entries() == held, "the bans are back", 60, 0.3)
    assert max(away_s(edge.waf_changes(running.account)[before:])) < AWAY_AT_MOST_S
    assert all(worker.poll() is None for worker in fleet.workers)


def started(container: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """Say how to start what a container runs, without the container."""
    given = {each["name"]: each["value"] for each in container["environment"]}
    program, *options = container["command"]
    return {"args": [str(BIN / program), *options], "env": environment | given}


def away_s(changes: Sequence[dict[str, Any]]) -> list[float]:
    """Tell of each IP set that was emptied how long its bans were away."""
    gone = {each["ip_set"]: each["at_s"] for each in changes if each["removed"]}
    return [each["at_s"] - gone[each["ip_set"]] for each in changes if each["added"]]


def update_as_cloudformation_does(fleet: Fleet, read: Made) -> None:
    """Set every IP set back to what the template has."""
    for each in read.ip_sets():
        if each["Addresses"]:
            name, made_id = each["Name"], each["Id"]
            token = fleet.waf.get_ip_set(Name=name, Id=made_id, Scope="REGIONAL")["LockToken"]
            arguments = needs.ip_set(name, each["IPAddressVersion"], Scope.REGIONAL)
            arguments.pop("IPAddressVersion")
            fleet.waf.update_ip_set(**arguments, Id=made_id, LockToken=token)
