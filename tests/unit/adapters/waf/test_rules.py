"""What the rules of web ACLs do to who is in an IP set, wherever they refer to it."""

from __future__ import annotations

from typing import Any

import pytest

from f2b_worker.adapters.waf.rules import GROUP_REFERENCE, SET_REFERENCE, uses_in

SET, GROUP = "arn:set", "arn:group"
REFERENCE = {SET_REFERENCE: {"ARN": SET}}


def rule(statement: Any = REFERENCE, **more: Any) -> dict[str, Any]:
    return {"Name": "f2b", "Priority": 0, "Statement": statement, "Action": {"Block": {}}, **more}


def group_rule(override: str = "None", **more: Any) -> dict[str, Any]:
    return {
        "Name": "group",
        "Statement": {GROUP_REFERENCE: {"ARN": GROUP, **more}},
        "OverrideAction": {override: {}},
    }


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([rule()], [(SET, "f2b", "Block")]),
        ([rule({"NotStatement": {"Statement": REFERENCE}})], [(SET, "f2b", "Block")]),
        ([rule(Action={"Count": {}})], [(SET, "f2b", "Count")]),
        ([rule(Action={"Captcha": {}}), rule(Name="b")], [(SET, "f2b", "Captcha"), (SET, "b", "Block")]),
        ([group_rule()], [(SET, "inner", "Block")]),
        ([group_rule("Count")], [(SET, "inner", "Count")]),
        (
            [group_rule(RuleActionOverrides=[{"Name": "inner", "ActionToUse": {"Count": {}}}])],
            [(SET, "inner", "Count")],
        ),
        (
            [group_rule(RuleActionOverrides=[{"Name": "x", "ActionToUse": {"Count": {}}}])],
            [(SET, "inner", "Block")],
        ),
        ([rule({"GeoMatchStatement": {}})], []),
    ],
)
def test_each_reference_is_told_with_its_rule_and_what_that_does(
    rules: list[dict[str, Any]], found: list[tuple[str, str, str]]
) -> None:
    groups = {GROUP: {"Rules": [rule(Name="inner")]}}
    assert list(uses_in({"Rules": rules}, groups)) == found


def test_a_group_of_firewall_manager_counts_and_one_that_cannot_be_read_is_empty() -> None:
    statement = {"FirewallManagerStatement": {GROUP_REFERENCE: {"ARN": GROUP}}, "OverrideAction": {"None": {}}}
    acl = {"Rules": [], "PreProcessFirewallManagerRuleGroups": [{"Name": "fms", **statement}]}
    assert list(uses_in(acl, {GROUP: {"Rules": [rule()]}})) == [(SET, "f2b", "Block")]
    assert list(uses_in(acl, {})) == []
