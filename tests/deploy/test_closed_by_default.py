"""What a stack of the CloudFormation template has closed, with all that it can have and nothing else asked for.

SECURITY.md names these tests. That the Terraform module is the same is a matter of test_module.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from localstack.policies import listed
from tests.deploy.module import properties_of
from tests.deploy.template import TEMPLATE, Place, Resolver, load

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Place("123456789012", "eu-west-1")
ASKED_FOR = {
    "Image": "f2b:0.2.0",
    "VpcId": "vpc-1",
    "SubnetIds": "subnet-1,subnet-2",
    "SetsPerFamily": "5",
    "ProtectedResourceArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:wake-somebody",
}
"""All that makes a resource; what opens or closes one is left as it is."""

ON_EVERYTHING = {"wafv2:ListIPSets", "wafv2:ListWebACLs", "ecr:GetAuthorizationToken"}
"""Actions that AWS cannot restrict to a resource."""

Properties = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def types() -> dict[str, str]:
    return {name: each["Type"] for name, each in Resolver(load(TEMPLATE), HERE, ASKED_FOR).wanted().items()}


@pytest.fixture(scope="module")
def stack() -> Properties:
    return properties_of(Resolver(load(TEMPLATE), HERE, ASKED_FOR))


def statements_in(tree: Any) -> Iterator[dict[str, Any]]:
    """Find the statements of all policies, at any depth."""
    if isinstance(tree, list):
        for each in tree:
            yield from statements_in(each)
    elif isinstance(tree, dict):
        if "Effect" in tree:
            yield tree
        for each in tree.values():
            yield from statements_in(each)


def test_without_being_asked_a_stack_protects_nothing_and_starts_nothing() -> None:
    made = {each["Type"].split("::")[1] for each in Resolver(load(TEMPLATE), HERE, {}).wanted().values()}
    assert made == {"SQS", "DynamoDB", "WAFv2", "IAM", "CloudWatch"}
    kinds = {each["Type"] for each in Resolver(load(TEMPLATE), HERE, {}).wanted().values()}
    assert not kinds & {"AWS::WAFv2::WebACL", "AWS::WAFv2::WebACLAssociation", "AWS::IAM::Role"}


def test_the_queues_are_encrypted_hear_nobody_without_tls_and_let_in_nobody_by_themselves(
    stack: Properties, types: dict[str, str]
) -> None:
    queues = {name for name, kind in types.items() if kind == "AWS::SQS::Queue"}
    assert queues == {"Queue", "DeadLetters"}
    assert all(stack[name]["SqsManagedSseEnabled"] is True for name in queues)
    template = load(TEMPLATE)["Resources"]
    policies = [name for name, kind in types.items() if kind == "AWS::SQS::QueuePolicy"]
    assert {each["Ref"] for name in policies for each in template[name]["Properties"]["Queues"]} == queues
    for name in policies:
        (statement,) = stack[name]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_table_cannot_be_deleted_by_mistake_and_its_past_can_be_restored(stack: Properties) -> None:
    table = stack["Table"]
    assert table["DeletionProtectionEnabled"] == "true"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert "SSESpecification" not in table, "DynamoDB encrypts by a key of its own"


def test_nobody_reaches_a_task_and_it_reaches_nothing_but_https(stack: Properties, types: dict[str, str]) -> None:
    assert "AWS::EC2::SecurityGroupIngress" not in types.values()
    assert stack["SecurityGroup"].keys() == {"GroupDescription", "VpcId", "SecurityGroupEgress"}
    out = stack["SecurityGroup"]["SecurityGroupEgress"]
    assert {(each["IpProtocol"], each["FromPort"], each["ToPort"]) for each in out} == {("tcp", 443, 443)}
    assert stack["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    assert stack["Service"]["EnableExecuteCommand"] is False


def test_the_containers_of_a_task_are_nobody_on_a_read_only_root_and_hold_no_secret(stack: Properties) -> None:
    containers = stack["TaskDefinition"]["ContainerDefinitions"]
    assert len(containers) == 2
    for each in containers:
        assert (each["User"], each["ReadonlyRootFilesystem"]) == ("65532:65532", True)
        assert each["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}}
        assert not each.keys() & {"Privileged", "PortMappings", "MountPoints", "Secrets"}
        told = {variable["Name"] for variable in each["Environment"]}
        assert told <= {"F2B_QUEUE", "F2B_TABLE", "F2B_IP_SET", "F2B_SCOPE", "F2B_METRICS_PORT"}


def test_only_ecs_in_this_account_takes_a_role_and_a_worker_has_the_policy_of_workers(
    stack: Properties, types: dict[str, str]
) -> None:
    for name in (name for name, kind in types.items() if kind == "AWS::IAM::Role"):
        (trust,) = stack[name]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": HERE.account}}
    task = load(TEMPLATE)["Resources"]["TaskRole"]["Properties"]
    assert (task["ManagedPolicyArns"], task.get("Policies")) == ([{"Ref": "WorkerPolicy"}], None)


def test_no_policy_of_a_stack_allows_whatever_there_is_or_on_whatever_there_is(stack: Properties) -> None:
    allowed = [each for each in statements_in(stack) if each["Effect"] == "Allow"]
    assert len(allowed) > 20
    assert [each for each in allowed if any("*" in action for action in listed(each["Action"]))] == []
    assert [each for each in allowed if each.get("Principal") == "*"] == []
    wide = [each for each in allowed if "*" in listed(each.get("Resource", "of a role"))]
    assert {action for each in wide for action in listed(each["Action"])} == ON_EVERYTHING
