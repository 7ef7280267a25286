"""The Terraform module beside the CloudFormation template: which resource is which, and in what they differ.

The module is read as Terraform plans it, the template as CloudFormation resolves it, with the same parameters.
What either knows only when it is made (ARNs, ids) is compared with nothing; test_terraform.py makes it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.deploy.policy_blocks import ROLES, logical_id
from tests.deploy.template import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.deploy.template import Resolver

Tree = Any
UNKNOWN = "<known when it is made>"

SETS = {
    f"Ipv{family}Set{number}": f'aws_wafv2_ip_set.ip_set["ipv{family}{f"-{number}" if number > 1 else ""}"]'
    for family in (4, 6)
    for number in range(1, 6)
}
POLICIES = {logical_id(role): f'aws_iam_policy.role["{role}"]' for role in ROLES}
PAIRS = {
    "DeadLetters": "aws_sqs_queue.dead_letters",
    "Queue": "aws_sqs_queue.queue",
    "Table": "aws_dynamodb_table.table",
    **SETS,
    "RuleGroup": "aws_wafv2_rule_group.rule_group",
    "WebAcl": "aws_wafv2_web_acl.web_acl[0]",
    "WebAclAssociation": "aws_wafv2_web_acl_association.web_acl[0]",
    **POLICIES,
    "OldestMessageAlarm": "aws_cloudwatch_metric_alarm.oldest_message",
    "DeadLettersAlarm": "aws_cloudwatch_metric_alarm.dead_letters",
    "ThrottledReadsAlarm": "aws_cloudwatch_metric_alarm.throttled_reads",
    "ThrottledWritesAlarm": "aws_cloudwatch_metric_alarm.throttled_writes",
    "WorkersAlarm": "aws_cloudwatch_metric_alarm.workers[0]",
    "LogGroup": "aws_cloudwatch_log_group.workers[0]",
    "Cluster": "aws_ecs_cluster.workers[0]",
    "TaskRole": "aws_iam_role.task[0]",
    "ExecutionRole": "aws_iam_role.execution[0]",
    "SecurityGroup": "aws_security_group.workers[0]",
    "TaskDefinition": "aws_ecs_task_definition.workers[0]",
    "Service": "aws_ecs_service.workers[0]",
    "ScalableTarget": "aws_appautoscaling_target.workers[0]",
    "BacklogScaling": "aws_appautoscaling_policy.backlog[0]",
    "AgeScaling": "aws_appautoscaling_policy.age[0]",
    "LateMessagesAlarm": "aws_cloudwatch_metric_alarm.late_messages[0]",
}
"""The template's logical ids, and what the same is in the module."""

TEMPLATES_ALONE = {"QueuePolicy": "Queue", "DeadLettersPolicy": "DeadLetters"}
"""In the module, such a policy is an attribute of the queue itself."""

MODULES_ALONE = {
    "aws_iam_role_policy.execution[0]": "in the template it stands in the role",
    "aws_iam_role_policy_attachment.task[0]": "in the template the role names its policies",
}

SPARE = {
    "name_prefix": "names of IAM and EC2 are made up; CloudFormation does that without being told how they begin",
    "desired_count": "the scaling has it; Terraform needs a number to begin with",
    "scheduling_strategy": "the provider's default is ECS's own",
    "availability_zone_rebalancing": "ECS's own default; the provider's is the other, so the module says it",
    "max_message_size": "256 KiB: this provider takes no more, of SQS's 1 MiB; f2b's own packs have 64 KiB",
    "policy": "of a queue: see TEMPLATES_ALONE",
    "actions_enabled": "the provider's default is CloudWatch's own",
    "path": "the provider's default is IAM's own",
    "max_session_duration": "the same",
    "service_namespace": "the template's policies name the target, which says it",
    "scalable_dimension": "the same",
    "resource_id": "the same",
}
"""What the module's resources have beyond the template's properties, and why that is no difference."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DOCUMENTS = {"PolicyDocument": "policy", "AssumeRolePolicyDocument": "assume_role_policy"}
_PROVIDERS_WORDS = {
    "queue_name": "name",
    "message_retention_period": "message_retention_seconds",
    "visibility_timeout": "visibility_timeout_seconds",
    "receive_message_wait_time_seconds": "receive_wait_time_seconds",
    "table_name": "name",
    "cloud_watch_metrics_enabled": "cloudwatch_metrics_enabled",
    "rules": "rule",
    "statements": "statement",
    "log_group_name": "name",
    "cluster_name": "name",
    "cluster_settings": "setting",
    "service_name": "name",
    "group_description": "description",
    "policy_name": "name",
    "step_adjustments": "step_adjustment",
}


def snake(name: str) -> str:
    """Write a name of the template as Terraform writes it."""
    return _WORD.sub("_", name).lower()


def snaked(tree: Tree) -> Tree:
    """Write all names of a tree as the provider has them; what is itself written in JSON stays as it is."""
    if isinstance(tree, list):
        return [snaked(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    documents = {_DOCUMENTS[name]: each for name, each in tree.items() if name in _DOCUMENTS}
    words = {snake(name): snaked(each) for name, each in tree.items() if name not in _DOCUMENTS}
    return documents | {_PROVIDERS_WORDS.get(name, name): each for name, each in words.items()}


def _table(properties: dict[str, Tree]) -> dict[str, Tree]:
    keys = {each["KeyType"]: each["AttributeName"] for each in properties.pop("KeySchema")}
    attributes = properties.pop("AttributeDefinitions")
    recovery = properties.pop("PointInTimeRecoverySpecification")["PointInTimeRecoveryEnabled"]
    ttl = properties.pop("TimeToLiveSpecification")
    return {
        **snaked(properties),
        "hash_key": keys["HASH"],
        "range_key": keys["RANGE"],
        "attribute": [{"name": each["AttributeName"], "type": each["AttributeType"]} for each in attributes],
        "ttl": snaked(ttl),
        "point_in_time_recovery": {"enabled": recovery},
    }


def _alarm(properties: dict[str, Tree]) -> dict[str, Tree]:
    dimensions = {each["Name"]: each["Value"] for each in properties.pop("Dimensions")}
    return {**snaked(properties), "dimensions": dimensions}


def _role(properties: dict[str, Tree]) -> Tree:
    return snaked(
        {name: each for name, each in properties.items() if name not in {"Policies", "ManagedPolicyArns"}}
    )


def _security_group(properties: dict[str, Tree]) -> dict[str, Tree]:
    rules = [snaked(each) for each in properties.pop("SecurityGroupEgress")]
    for each in rules:
        each["protocol"] = each.pop("ip_protocol")
        for one, several in (("cidr_ip", "cidr_blocks"), ("cidr_ipv6", "ipv6_cidr_blocks")):
            if one in each:
                each[several] = [each.pop(one)]
    return {**snaked(properties), "egress": rules}


def _service(properties: dict[str, Tree]) -> dict[str, Tree]:
    deployment = properties.pop("DeploymentConfiguration")
    network = snaked(properties.pop("NetworkConfiguration")["AwsvpcConfiguration"])
    network["assign_public_ip"] = network["assign_public_ip"] == "ENABLED"
    return {
        **snaked(properties),
        "network_configuration": network,
        "deployment_circuit_breaker": snaked(deployment["DeploymentCircuitBreaker"]),
        "deployment_minimum_healthy_percent": deployment["MinimumHealthyPercent"],
        "deployment_maximum_percent": deployment["MaximumPercent"],
    }


def _task_definition(properties: dict[str, Tree]) -> dict[str, Tree]:
    containers = properties.pop("ContainerDefinitions")
    return {**snaked(properties), "container_definitions": [_small(each) for each in containers]}


def _small(tree: Tree) -> Tree:
    """Begin all names with a small letter, as ECS's own API has them; options of a log are no names."""
    if isinstance(tree, list):
        return [_small(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    return {name[0].lower() + name[1:]: each if name == "Options" else _small(each) for name, each in tree.items()}


def _scaling_policy(properties: dict[str, Tree]) -> Tree:
    del properties["ScalingTargetId"]
    return snaked(properties)


_AS_MODULE: dict[str, Callable[[dict[str, Tree]], dict[str, Tree]]] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::IAM::Role": _role,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::ECS::Service": _service,
    "AWS::ECS::TaskDefinition": _task_definition,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
}
"""Where a property is no attribute of the same name."""

_NAMED = ("QueueName", "TableName", "ClusterName", "ServiceName", "LogGroupName")
_REF_IS_NAME = ("AWS::DynamoDB::Table", "AWS::ECS::Cluster", "AWS::Logs::LogGroup")


class _Later(dict[str, str]):
    """Attributes of a resource, of which only names are known before it is made."""

    def __contains__(self, _name: object) -> bool:
        return True

    def __missing__(self, _name: str) -> str:
        return UNKNOWN


def properties_of(resolver: Resolver) -> dict[str, dict[str, Tree]]:
    """Resolve the properties of each resource of the template before anything is made, by its logical id."""
    wanted = resolver.wanted()
    for name, resource in wanted.items():
        resolver.made[name] = _known_before(resolver, resource)
    return {name: resolver.value(each.get("Properties", {})) for name, each in wanted.items()}


def of_template(resolver: Resolver) -> dict[str, dict[str, Tree]]:
    """Write each resource of the template in the module's words, by its logical id."""
    wanted = resolver.wanted()
    return {
        name: _AS_MODULE.get(wanted[name]["Type"], snaked)(properties)
        for name, properties in properties_of(resolver).items()
    }


def _known_before(resolver: Resolver, resource: Mapping[str, Tree]) -> Known:
    """Say what others may refer to of a resource that is not made: its name."""
    name = next((each for key, each in resource.get("Properties", {}).items() if key in _NAMED), UNKNOWN)
    text = str(resolver.value(name))
    attributes = _Later({"Name": text, "QueueName": text})
    return Known(text if resource["Type"] in _REF_IS_NAME else UNKNOWN, attributes)


def of_module(plan: Mapping[str, Tree]) -> dict[str, dict[str, Tree]]:
    """Read each resource that a plan makes, by its address in the module."""
    return {
        each["address"].removeprefix("module.f2b."): _filled(
            each["change"]["after"], each["change"]["after_unknown"]
        )
        for each in plan["resource_changes"]
        if each["mode"] == "managed"
    }


def _filled(after: Tree, unknown: Tree) -> Tree:
    """Put UNKNOWN where a plan does not know a value yet."""
    if unknown is True:
        return UNKNOWN
    if isinstance(after, dict):
        later = unknown if isinstance(unknown, dict) else {}
        return {name: _filled(after.get(name), later.get(name, False)) for name in after.keys() | later.keys()}
    if isinstance(after, list):
        of_each = unknown if isinstance(unknown, list) else [False] * len(after)
        return [_filled(each, later) for each, later in zip(after, of_each, strict=True)]
    return after


def unlike(asked: Tree, found: Tree, place: str = "") -> Iterator[str]:
    """Say where the template asks for what the module does not have."""
    if _is_unknown(asked) or _is_unknown(found):
        return
    if isinstance(asked, (dict, list)) and isinstance(found, str):
        found = json.loads(found)
    if isinstance(asked, dict):
        block = found[0] if isinstance(found, list) and len(found) == 1 else found
        if not isinstance(block, dict):
            yield f"{place}: {asked} is {block}"
            return
        for name, each in asked.items():
            yield from unlike(each, block.get(name), f"{place}.{name}")
    elif isinstance(asked, list):
        yield from _unlike_lists(asked, [] if found is None else found, place)
    elif _text(asked) != _text(found):
        yield f"{place}: {asked} is {found}"


def _unlike_lists(asked: list[Tree], found: list[Tree], place: str) -> Iterator[str]:
    """Compare without an order: of many lists the provider makes sets."""
    if len(asked) != len(found):
        yield f"{place}: {len(asked)} are {len(found)}"
    left = list(found)
    for each in asked:
        same = next((other for other in left if not list(unlike(each, other))), None)
        if same is None:
            yield f"{place}: {each} is not in {left}"
        else:
            left.remove(same)


def _is_unknown(value: Tree) -> bool:
    return isinstance(value, str) and UNKNOWN in value


def _text(value: Tree) -> str:
    """Write a value as both have it: 300 is 300.0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def spare(asked: dict[str, Tree], found: dict[str, Tree]) -> set[str]:
    """Name what the module has beyond the template."""
    said = {name for name, each in found.items() if each not in (None, "", False, 0, [], {}) and each != UNKNOWN}
    return said - asked.keys()
