"""A maker for each type of resource of the template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.deploy.makers.allowing import ManagedPolicy, Role, SecurityGroup
from tests.deploy.makers.firewall import Association, Waf
from tests.deploy.makers.running import Alarm, Cluster, LogGroup, OnlyValidated, Service, TaskDefinition
from tests.deploy.makers.storing import Queue, QueuePolicy, Table

if TYPE_CHECKING:
    from tests.deploy.makers.maker import Maker

_TARGET = OnlyValidated("RegisterScalableTarget", "{ResourceId}|{ScalableDimension}|{ServiceNamespace}")
_POLICY = OnlyValidated(
    "PutScalingPolicy",
    "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:0:resource/ecs/{ResourceId}:policyName/{PolicyName}",
)

MAKERS: dict[str, Maker] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _TARGET,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _POLICY,
    "AWS::CloudWatch::Alarm": Alarm(),
    "AWS::DynamoDB::Table": Table(),
    "AWS::EC2::SecurityGroup": SecurityGroup(),
    "AWS::ECS::Cluster": Cluster(),
    "AWS::ECS::Service": Service(),
    "AWS::ECS::TaskDefinition": TaskDefinition(),
    "AWS::IAM::ManagedPolicy": ManagedPolicy(),
    "AWS::IAM::Role": Role(),
    "AWS::Logs::LogGroup": LogGroup(),
    "AWS::SQS::Queue": Queue(),
    "AWS::SQS::QueuePolicy": QueuePolicy(),
    "AWS::WAFv2::IPSet": Waf("IPSet", "ip_set"),
    "AWS::WAFv2::RuleGroup": Waf("RuleGroup", "rule_group"),
    "AWS::WAFv2::WebACL": Waf("WebACL", "web_acl"),
    "AWS::WAFv2::WebACLAssociation": Association(),
}
