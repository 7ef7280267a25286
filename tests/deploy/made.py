"""What is in an account of the local AWS, read back by the APIs of AWS, whoever made it."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

from demo.fleet import NAME

if TYPE_CHECKING:
    from localstack.local_aws import LocalAws

_OF_EACH_MAKING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9]{12}\b")
"""Ids, lock tokens and accounts."""

_MADE_UP = re.compile(r"-[0-9a-f]{26}$")
"""What Terraform puts behind a name's beginning."""

_QUEUE = ("MessageRetentionPeriod", "VisibilityTimeout", "ReceiveMessageWaitTimeSeconds", "DelaySeconds")
_TABLE = ("TableName", "KeySchema", "DeletionProtectionEnabled")


class Made:
    """Everything of f2b in an account.

    Args:
        aws: The local AWS.
        account: The account; not one that others use.
        scope: Of WAF.
    """

    def __init__(self, aws: LocalAws, account: str, scope: str = "REGIONAL") -> None:
        self._aws = aws
        self._account = account
        self._scope = scope

    def _call(self, service: str, action: str, **arguments: Any) -> dict[str, Any]:
        with closing(self._aws.client(service, account=self._account)) as client:
            answer: dict[str, Any] = getattr(client, action)(**arguments)
        return answer

    def names(self) -> dict[str, list[str]]:
        """Name what is there, by kind; IAM's names are made up, so they are told without what follows the role."""
        queues = self._call("sqs", "list_queues").get("QueueUrls", [])
        alarms = self._call("cloudwatch", "describe_alarms")["MetricAlarms"]
        return {
            "queues": sorted(each.rpartition("/")[2] for each in queues),
            "tables": self._call("dynamodb", "list_tables")["TableNames"],
            "IP sets": sorted(self._listed("ip_sets", "IPSets")),
            "rule groups": sorted(self._listed("rule_groups", "RuleGroups")),
            "web ACLs": sorted(self._listed("web_acls", "WebACLs")),
            "alarms": sorted(each["AlarmName"] for each in alarms),
            "policies": sorted(self.policies()),
        }

    def _listed(self, what: str, key: str) -> dict[str, dict[str, Any]]:
        found = self._call("wafv2", f"list_{what}", Scope=self._scope)[key]
        return {each["Name"]: each for each in found}

    def _got(self, what: str, key: str, listed: dict[str, Any]) -> dict[str, Any]:
        answer = self._call("wafv2", f"get_{what}", Name=listed["Name"], Id=listed["Id"], Scope=self._scope)
        found: dict[str, Any] = answer[key]
        return found

    def ip_sets(self) -> list[dict[str, Any]]:
        """Read the IP sets in the order of their names."""
        return [
            self._got("ip_set", "IPSet", each) for _, each in sorted(self._listed("ip_sets", "IPSets").items())
        ]

    def rule_group(self) -> dict[str, Any]:
        """Read the rule group."""
        return self._got("rule_group", "RuleGroup", self._listed("rule_groups", "RuleGroups")[NAME])

    def web_acl(self) -> dict[str, Any]:
        """Read the web ACL."""
        return self._got("web_acl", "WebACL", self._listed("web_acls", "WebACLs")[NAME])

    def protects(self, resource: str) -> str:
        """Name the web ACL of a resource."""
        name: str = self._call("wafv2", "get_web_acl_for_resource", ResourceArn=resource)["WebACL"]["Name"]
        return name

    def policies(self) -> dict[str, str]:
        """Name the ARN of each managed policy, by its name without what is made up."""
        found = self._call("iam", "list_policies", Scope="Local")["Policies"]
        return {_MADE_UP.sub("", each["PolicyName"]): each["Arn"] for each in found}

    def policy(self, arn: str) -> dict[str, Any]:
        """Read a managed policy."""
        version = self._call("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = self._call("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        document: dict[str, Any] = found["PolicyVersion"]["Document"]
        return document

    def alarms(self) -> dict[str, dict[str, Any]]:
        """Read the alarms by their names."""
        found = self._call("cloudwatch", "describe_alarms")["MetricAlarms"]
        return {each["AlarmName"]: each for each in found}

    def snapshot(self) -> dict[str, Any]:
        """Read what provision and the templates make alike, without what differs from one making to the next."""
        found = {
            "queues": {name: self._queue(name) for name in (NAME, f"{NAME}-dead")},
            "table": self._table(),
            "IP sets": self.ip_sets(),
            "rule group": self._plain_rule_group(),
        }
        plain: dict[str, Any] = json.loads(_OF_EACH_MAKING.sub("_", json.dumps(found)))
        return plain

    def _plain_rule_group(self) -> dict[str, Any]:
        """Read it without the CaptchaConfig that Terraform's provider gives every rule: empty, it says nothing."""
        group = self.rule_group()
        rules = [{k: v for k, v in each.items() if (k, v) != ("CaptchaConfig", {})} for each in group["Rules"]]
        return {**group, "Rules": rules}

    def _queue(self, name: str) -> dict[str, Any]:
        url = self._call("sqs", "get_queue_url", QueueName=name)["QueueUrl"]
        found = self._call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(found.get("RedrivePolicy", "{}"))
        # A template writes the number, and JSON written by hand may have it as text; SQS takes both.
        count = {"maxReceiveCount": int(redrive["maxReceiveCount"])} if redrive else {}
        return {each: found[each] for each in _QUEUE} | {"redrive": {**redrive, **count}}

    def _table(self) -> dict[str, Any]:
        table = self._call("dynamodb", "describe_table", TableName=NAME)["Table"]
        ttl = self._call("dynamodb", "describe_time_to_live", TableName=NAME)["TimeToLiveDescription"]
        backups = self._call("dynamodb", "describe_continuous_backups", TableName=NAME)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        return {
            **{each: table[each] for each in _TABLE},
            "attributes": sorted(table["AttributeDefinitions"], key=lambda each: str(each["AttributeName"])),
            "billing": table["BillingModeSummary"]["BillingMode"],
            "indexes": table.get("GlobalSecondaryIndexes", []) + table.get("LocalSecondaryIndexes", []),
            "ttl": (ttl["TimeToLiveStatus"], ttl["AttributeName"]),
            "recovery": recovery["PointInTimeRecoveryStatus"],
        }
