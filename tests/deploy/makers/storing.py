"""Queues and tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.deploy.shapes import arguments
from tests.deploy.template import Known

if TYPE_CHECKING:
    from tests.deploy.makers.maker import HasClients


class Queue:
    """AWS::SQS::Queue: all but its name are attributes, which are text."""

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        sqs, asked = clients["sqs"], self.asked(clients, properties)
        known = sqs.meta.service_model.shape_for("QueueAttributeName").enum
        assert not asked["Attributes"].keys() - set(known), asked["Attributes"]
        texts = {
            key: json.dumps(each) if isinstance(each, dict) else each for key, each in asked["Attributes"].items()
        }
        url = sqs.create_queue(QueueName=asked["QueueName"], Attributes=texts)["QueueUrl"]
        arn = self._attributes(clients, url)["QueueArn"]
        return Known(url, {"Arn": arn, "QueueName": asked["QueueName"]})

    def asked(self, _clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        attributes = {key: each for key, each in properties.items() if key != "QueueName"}
        return {
            "QueueName": properties["QueueName"],
            "Attributes": {key: _text(v) for key, v in attributes.items()},
        }

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        attributes = self._attributes(clients, known.ref)
        if "RedrivePolicy" in attributes:
            attributes["RedrivePolicy"] = json.loads(attributes["RedrivePolicy"])
        return {"QueueName": known.ref.rpartition("/")[2], "Attributes": attributes}

    def _attributes(self, clients: HasClients, url: str) -> dict[str, Any]:
        found: dict[str, Any] = clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        return found


class QueuePolicy:
    """AWS::SQS::QueuePolicy: an attribute of each of its queues."""

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        policy = json.dumps(properties["PolicyDocument"])
        for url in properties["Queues"]:
            clients["sqs"].set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return Known("|".join(properties["Queues"]))

    def asked(self, _clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(properties["Queues"], properties["PolicyDocument"])

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        found = {}
        for url in known.ref.split("|"):
            answer = clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
            found[url] = json.loads(answer["Attributes"]["Policy"])
        return found


class Table:
    """AWS::DynamoDB::Table: three calls, as CreateTable knows neither times to live nor backups."""

    _APART = ("TimeToLiveSpecification", "PointInTimeRecoverySpecification")

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        dynamodb, asked = clients["dynamodb"], self.asked(clients, properties)
        ttl, recovery = (asked.pop(each) for each in self._APART)
        dynamodb.create_table(**asked)
        table = asked["TableName"]
        dynamodb.get_waiter("table_exists").wait(TableName=table)
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=ttl)
        dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=recovery)
        return Known(table, {"Arn": dynamodb.describe_table(TableName=table)["Table"]["TableArn"]})

    def asked(self, clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        dynamodb = clients["dynamodb"]
        own = {key: each for key, each in properties.items() if key not in self._APART}
        ttl, recovery = ({each: properties[each], "TableName": properties["TableName"]} for each in self._APART)
        return {
            **arguments(dynamodb, "CreateTable", own),
            **arguments(dynamodb, "UpdateTimeToLive", ttl),
            **arguments(dynamodb, "UpdateContinuousBackups", recovery),
        }

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        dynamodb, table = clients["dynamodb"], known.ref
        found = dynamodb.describe_table(TableName=table)["Table"]
        ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        return {
            **found,
            "BillingMode": found["BillingModeSummary"]["BillingMode"],
            "TimeToLiveSpecification": {
                "Enabled": ttl["TimeToLiveStatus"] == "ENABLED",
                "AttributeName": ttl["AttributeName"],
            },
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": recovery == "ENABLED"},
        }


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)
