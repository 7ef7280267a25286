"""What the contract tests of WAF make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_wafv2 import WAFV2Client
    from mypy_boto3_wafv2.type_defs import (
        IPSetSummaryTypeDef,
        StatementTypeDef,
        VisibilityConfigTypeDef,
    )

    from f2b_worker.adapters.waf.ip_set import ScopeName

VISIBLE: VisibilityConfigTypeDef = {
    "SampledRequestsEnabled": False,
    "CloudWatchMetricsEnabled": False,
    "MetricName": "f2b",
}


def make_ip_set(
    client: WAFV2Client, name: str, entries: Iterable[str] = (), scope: ScopeName = "REGIONAL"
) -> IPSetSummaryTypeDef:
    family: Literal["IPV4", "IPV6"] = "IPV6" if "ipv6" in name else "IPV4"
    return client.create_ip_set(
        Name=name, Scope=scope, Description="Kept by f2b", IPAddressVersion=family, Addresses=list(entries)
    )["Summary"]


def reference(arn: str) -> StatementTypeDef:
    return {"IPSetReferenceStatement": {"ARN": arn}}


def rules(*statements: StatementTypeDef) -> Any:
    return [
        {
            "Name": f"rule-{number}",
            "Priority": number,
            "Statement": statement,
            "VisibilityConfig": VISIBLE,
        }
        | how_of(statement)
        for number, statement in enumerate(statements)
    ]


def how_of(statement: StatementTypeDef) -> Any:
    return (
        {"OverrideAction": {"None": {}}}
        if "RuleGroupReferenceStatement" in statement
        else {"Action": {"Block": {}}}
    )


def make_web_acl(
    client: WAFV2Client, *statements: StatementTypeDef, name: str = "acl", scope: ScopeName = "REGIONAL"
) -> None:
    client.create_web_acl(
        Name=name,
        Scope=scope,
        DefaultAction={"Allow": {}},
        Rules=rules(*statements),
        VisibilityConfig=VISIBLE,
    )


def make_rule_group(client: WAFV2Client, name: str, *statements: StatementTypeDef) -> str:
    """Make a rule group; answer its ARN."""
    return client.create_rule_group(
        Name=name, Scope="REGIONAL", Capacity=50, Rules=rules(*statements), VisibilityConfig=VISIBLE
    )["Summary"]["ARN"]
