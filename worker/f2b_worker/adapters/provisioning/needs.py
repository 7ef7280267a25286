"""What a fleet needs of AWS: names, attributes and rules, as the arguments of the calls that make them.

The one description of it. `f2b provision` makes by it, workers check by it, and tests hold the
templates of deploy/ against it. It calls nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from f2b_worker.adapters.waf.rules import GROUP_REFERENCE, SET_REFERENCE
from f2b_worker.domain.blocklists import Action, Scope, family_names, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Family = Literal["IPV4", "IPV6"]
FAMILIES: tuple[Family, Family] = ("IPV4", "IPV6")
"""In the order of the names of their sets."""

VISIBILITY_TIMEOUT_S = 60
RETENTION_S = 14 * 24 * 3600
RECEIVE_WAIT_S = 20

MAX_RECEIVE_COUNT = 20
"""A worker holds on to what it received through an outage, so only what kills workers comes back so often."""

TTL_ATTRIBUTE = "ttl"

IP_SET_DESCRIPTION = "Active bans, kept by f2b"

RULE_GROUP_CAPACITY = 50
"""Web ACL capacity units (WCU) that the group reserves: one a reference to an IP set, and WAF allows 50 references
in a rule group. Its capacity can never be changed, so it is made as large as it can ever need; a web ACL has 1,500
before they cost extra."""

RULE_GROUP_DESCRIPTION = "Refers to the IP sets of f2b, made by f2b provision"
"""By this a rule group is known as ours. WAF takes no other punctuation than + = : # @ / - , and the full stop."""

FIRST_PRIORITY = {Action.COUNT: 0, Action.BLOCK: 100, Action.CAPTCHA: 200, Action.CHALLENGE: 300}
"""A rule that counts ends nothing, so it stands first; of two that end it, the harder one does."""

_ACTIONS = {
    Action.BLOCK: "Block",
    Action.CAPTCHA: "Captcha",
    Action.CHALLENGE: "Challenge",
    Action.COUNT: "Count",
}


def dead_letters_of(queue: str) -> str:
    """Name the dead-letter queue of a queue."""
    return f"{queue}-dead"


def queue_attributes() -> dict[str, str]:
    """List what a queue is made with, and its dead-letter queue, too."""
    return {
        "MessageRetentionPeriod": str(RETENTION_S),
        "VisibilityTimeout": str(VISIBILITY_TIMEOUT_S),
        "ReceiveMessageWaitTimeSeconds": str(RECEIVE_WAIT_S),
    }


def redrive_policy(dead_letters_arn: str) -> str:
    """Say when a message of the queue becomes a dead letter, as the queue's attribute has it."""
    return json.dumps({"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": MAX_RECEIVE_COUNT})


def table_keys() -> dict[str, Any]:
    """List what every table is made with, besides its name and protections.

    There is no index: since format 2 of the table, bans are followed by a log of their own (docs/table.md).
    """
    return {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    }


def time_to_live() -> dict[str, Any]:
    """Say by which attribute DynamoDB forgets an item."""
    return {"Enabled": True, "AttributeName": TTL_ATTRIBUTE}


def ip_sets(name: str, number: int) -> Iterator[tuple[str, Family]]:
    """Name the sets of a new blocklist, each with its family: *number* of IPv4, then as many of IPv6."""
    for base, family in zip(family_names(name), FAMILIES, strict=True):
        yield from ((numbered(base, each), family) for each in range(1, number + 1))


def ip_set(name: str, family: Family, scope: Scope) -> dict[str, Any]:
    """List the arguments of CreateIPSet. A new set is empty: the worker that enforces fills it."""
    return {
        "Name": name,
        "Scope": scope.value,
        "Description": IP_SET_DESCRIPTION,
        "IPAddressVersion": family,
        "Addresses": [],
    }


def rule_group(name: str, scope: Scope, rules: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """List the arguments of CreateRuleGroup."""
    return {
        "Name": name,
        "Scope": scope.value,
        "Capacity": RULE_GROUP_CAPACITY,
        "Description": RULE_GROUP_DESCRIPTION,
        "Rules": list(rules),
        "VisibilityConfig": visible(name),
    }


def rule_name(blocklist: str) -> str:
    """Name the rule of a blocklist; no other blocklist's rule has this name."""
    if "." not in blocklist:
        return f"f2b-{blocklist}"
    # WAF takes no dot, and a_b may be a blocklist beside a.b.
    return f"f2b-{blocklist.replace('.', '_')}-{crc32(blocklist.encode()):08x}"


def rule(
    blocklist: str, action: Action, arns: Sequence[str], *, priority: int | None = None, status: int | None = None
) -> dict[str, Any]:
    """Write the rule of a blocklist.

    Args:
        blocklist: Its name.
        action: What becomes of a request from an address in its sets.
        arns: All its sets.
        priority: Where the rule stands; None is the first place of its action.
        status: The HTTP status that a blocked request is answered with; None is WAF's own, 403.
    """
    name = rule_name(blocklist)
    return {
        "Name": name,
        "Priority": FIRST_PRIORITY[action] if priority is None else priority,
        "Statement": any_of(arns),
        "Action": _action(action, status),
        "VisibilityConfig": visible(name),
    }


def any_of(arns: Sequence[str]) -> dict[str, Any]:
    """Write a statement that holds for an address in any of these sets."""
    statements = [{SET_REFERENCE: {"ARN": arn}} for arn in arns]
    return {"OrStatement": {"Statements": statements}} if len(statements) > 1 else statements[0]


def web_acl_rule(group: str, arn: str) -> dict[str, Any]:
    """Write the rule by which a web ACL uses a rule group: first, before the rules that allow requests."""
    return {
        "Name": group,
        "Priority": 0,
        "Statement": {GROUP_REFERENCE: {"ARN": arn}},
        "OverrideAction": {"None": {}},
        "VisibilityConfig": visible(group),
    }


def visible(name: str) -> dict[str, Any]:
    """Let a rule, a group or a web ACL be counted and sampled under *name*."""
    return {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": name}


def _action(action: Action, status: int | None) -> dict[str, Any]:
    custom = action is Action.BLOCK and status is not None
    return {_ACTIONS[action]: {"CustomResponse": {"ResponseCode": status}} if custom else {}}
