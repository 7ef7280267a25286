"""Alarms, logs, and the service on ECS with its scaling."""

from __future__ import annotations

from typing import Any

from tests.deploy.makers.maker import ByOneCall, HasClients, last_part
from tests.deploy.shapes import arguments
from tests.deploy.template import Known


class Alarm(ByOneCall):
    """AWS::CloudWatch::Alarm."""

    service = "cloudwatch"
    operation = "PutMetricAlarm"

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        asked = self.asked(clients, properties)
        clients["cloudwatch"].put_metric_alarm(**asked)
        return Known(asked["AlarmName"])

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        found: dict[str, Any]
        (found,) = clients["cloudwatch"].describe_alarms(AlarmNames=[known.ref])["MetricAlarms"]
        return found


class LogGroup:
    """AWS::Logs::LogGroup: its retention is a call of its own."""

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        logs, asked = clients["logs"], self.asked(clients, properties)
        logs.create_log_group(logGroupName=asked["logGroupName"])
        logs.put_retention_policy(**asked)
        return Known(asked["logGroupName"], {"Arn": self._found(logs, asked["logGroupName"])["arn"]})

    def asked(self, clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        return arguments(clients["logs"], "PutRetentionPolicy", properties)

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        return self._found(clients["logs"], known.ref)

    def _found(self, logs: Any, name: str) -> dict[str, Any]:
        found: dict[str, Any]
        (found,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return found


class Cluster(ByOneCall):
    """AWS::ECS::Cluster."""

    service = "ecs"
    operation = "CreateCluster"

    def asked(self, clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        settings = properties["ClusterSettings"]  # the API's name is shorter
        own = {key: each for key, each in properties.items() if key != "ClusterSettings"}
        return super().asked(clients, own | {"Settings": settings})

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        made = clients["ecs"].create_cluster(**self.asked(clients, properties))["cluster"]
        return Known(made["clusterName"], {"Arn": made["clusterArn"]})

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        found: dict[str, Any]
        (found,) = clients["ecs"].describe_clusters(clusters=[known.ref], include=["SETTINGS"])["clusters"]
        return found


class TaskDefinition(ByOneCall):
    """AWS::ECS::TaskDefinition."""

    service = "ecs"
    operation = "RegisterTaskDefinition"

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        made = clients["ecs"].register_task_definition(**self.asked(clients, properties))["taskDefinition"]
        return Known(made["taskDefinitionArn"])

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        found: dict[str, Any] = clients["ecs"].describe_task_definition(taskDefinition=known.ref)["taskDefinition"]
        return found


class Service(ByOneCall):
    """AWS::ECS::Service."""

    service = "ecs"
    operation = "CreateService"

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        made = clients["ecs"].create_service(**self.asked(clients, properties))["service"]
        return Known(made["serviceArn"], {"Name": made["serviceName"]})

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        cluster = known.ref.split("/")[-2]
        (found,) = clients["ecs"].describe_services(cluster=cluster, services=[known.ref])["services"]
        return {**found, "cluster": last_part(found["clusterArn"])}


class OnlyValidated:
    """A type of which the local AWS has no API at all.

    Nothing is made: its properties are held against botocore's model of the call that would make it, which knows
    what must be there, what may be there, and of which type it is.

    Args:
        operation: The call of Application Auto Scaling.
        ref: What `!Ref` is, with arguments of that call in braces.
    """

    def __init__(self, operation: str, ref: str) -> None:
        self._operation = operation
        self._ref = ref

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        return Known(self._ref.format(**self.asked(clients, properties)))

    def asked(self, clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        client, own = clients["application-autoscaling"], dict(properties)
        if "ScalingTargetId" in own:  # what a target's !Ref is; the call wants its parts
            parts = ("ResourceId", "ScalableDimension", "ServiceNamespace")
            own |= dict(zip(parts, own.pop("ScalingTargetId").split("|"), strict=True))
        return arguments(client, self._operation, own)

    def read(self, _clients: HasClients, known: Known) -> dict[str, Any]:
        raise AssertionError(f"{known.ref} was not made: it was only validated")
