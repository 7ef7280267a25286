"""What the local AWS WAF promises about rule groups and web ACLs: references, capacity and lock tokens."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.aws_calls import NAMES, UUID, make_set, refused, token_of

pytest_plugins = ("tests.integration.strict_aws",)

VISIBLE = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}


def set_arn(waf: Any, **more: Any) -> str:
    return str(waf.get_ip_set(**make_set(waf, [], **more))["IPSet"]["ARN"])


def rule(statement: dict[str, Any], priority: int = 0) -> dict[str, Any]:
    named = {"Name": f"rule-{priority}", "Priority": priority, "VisibilityConfig": VISIBLE}
    is_group = "RuleGroupReferenceStatement" in statement
    how: dict[str, Any] = {"OverrideAction": {"None": {}}} if is_group else {"Action": {"Block": {}}}
    return {**named, **how, "Statement": statement}


def reference(arn: str) -> dict[str, Any]:
    return {"IPSetReferenceStatement": {"ARN": arn}}


def make_group(waf: Any, rules: list[dict[str, Any]], capacity: int = 10, **more: Any) -> dict[str, Any]:
    wanted = {"Name": next(NAMES), "Scope": "REGIONAL", **more}
    waf_answer = waf.create_rule_group(**wanted, Capacity=capacity, Rules=rules, VisibilityConfig=VISIBLE)
    return {**wanted, "Id": waf_answer["Summary"]["Id"]}


def make_acl(waf: Any, rules: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    wanted = {"Name": next(NAMES), "Scope": "REGIONAL", **more}
    waf_answer = waf.create_web_acl(**wanted, DefaultAction={"Allow": {}}, Rules=rules, VisibilityConfig=VISIBLE)
    return {**wanted, "Id": waf_answer["Summary"]["Id"]}


class TestRuleGroups:
    def test_a_group_answers_what_it_was_given_by_its_name_and_by_its_arn(self, eager_waf: Any) -> None:
        rules = [rule(reference(set_arn(eager_waf)))]
        name = make_group(eager_waf, rules, Description="ours")
        found = eager_waf.get_rule_group(**{key: name[key] for key in ("Name", "Scope", "Id")})
        group = found["RuleGroup"]
        assert (group["Rules"], group["Capacity"], group["Description"]) == (rules, 10, "ours")
        assert eager_waf.get_rule_group(ARN=group["ARN"])["LockToken"] == found["LockToken"]

    def test_an_update_replaces_the_rules_and_needs_the_newest_token(self, eager_waf: Any) -> None:
        name = make_group(eager_waf, [rule(reference(set_arn(eager_waf)))])
        token = eager_waf.get_rule_group(**name)["LockToken"]
        answer = eager_waf.update_rule_group(**name, Rules=[], VisibilityConfig=VISIBLE, LockToken=token)
        found = eager_waf.get_rule_group(**name)
        assert (found["RuleGroup"]["Rules"], found["LockToken"]) == ([], answer["NextLockToken"])
        with refused("WAFOptimisticLockException"):
            eager_waf.update_rule_group(**name, Rules=[], VisibilityConfig=VISIBLE, LockToken=token)

    @pytest.mark.parametrize(
        "changed",
        [
            {"Name": "a.b"},
            {"VisibilityConfig": {**VISIBLE, "MetricName": "a metric"}},
            {"VisibilityConfig": {**VISIBLE, "MetricName": "m;"}},
        ],
    )
    def test_a_rule_with_a_name_or_a_metric_that_waf_would_not_take_is_refused(
        self, eager_waf: Any, changed: dict[str, Any]
    ) -> None:
        with refused("ValidationException"):
            make_group(eager_waf, [{**rule(reference(set_arn(eager_waf))), **changed}])
        with refused("ValidationException"):
            make_group(eager_waf, [], Description="ours; not theirs")

    def test_a_group_holds_no_more_than_its_capacity_and_fifty_references(self, eager_waf: Any) -> None:
        arn = set_arn(eager_waf)
        with refused("WAFLimitsExceededException"):
            make_group(eager_waf, [rule({"OrStatement": {"Statements": [reference(arn)] * 3}})], capacity=2)
        with refused("WAFLimitsExceededException"):
            make_group(eager_waf, [rule({"OrStatement": {"Statements": [reference(arn)] * 51}})], capacity=100)
        make_group(eager_waf, [rule({"OrStatement": {"Statements": [reference(arn)] * 50}})], capacity=50)

    @pytest.mark.parametrize(
        ("statements", "code"),
        [
            ([{"OrStatement": {"Statements": [{"IPSetReferenceStatement": {"ARN": "own"}}]}}], "Parameter"),
            ([reference("arn:aws:wafv2:us-east-1:000000000001:regional/ipset/none/" + UUID)], "Nonexistent"),
            ([{"RuleGroupReferenceStatement": {"ARN": "group"}}], "Parameter"),
        ],
    )
    def test_what_aws_refuses_is_refused(self, eager_waf: Any, statements: list[Any], code: str) -> None:
        code = {"Parameter": "WAFInvalidParameterException", "Nonexistent": "WAFNonexistentItemException"}[code]
        arns = {"own": set_arn(eager_waf), "group": ""}
        group = eager_waf.get_rule_group(**make_group(eager_waf, []))["RuleGroup"]
        arns["group"] = group["ARN"]
        wanted = [rule(_with(statement, arns), number) for number, statement in enumerate(statements)]
        with refused(code):
            make_group(eager_waf, wanted)

    def test_two_rules_of_one_name_or_priority_are_refused(self, eager_waf: Any) -> None:
        with refused("WAFInvalidParameterException"):
            make_group(eager_waf, [rule(reference(set_arn(eager_waf)))] * 2)

    def test_writes_are_taken_once_a_second(self, waf: Any) -> None:
        make_group(waf, [])
        with refused("ThrottlingException"):
            make_group(waf, [])

    def test_cloudfront_is_reached_through_us_east_1_only(
        self, eager_waf: Any, clients: Callable[..., Any]
    ) -> None:
        make_group(eager_waf, [], Scope="CLOUDFRONT")
        with refused("WAFInvalidParameterException"):
            clients("wafv2", region="eu-central-1").list_rule_groups(Scope="CLOUDFRONT")


class TestWebAcls:
    def test_all_are_listed_in_pages(self, eager_waf: Any) -> None:
        made = sorted(make_acl(eager_waf, [])["Name"] for _ in range(5))
        pages = [eager_waf.list_web_acls(Scope="REGIONAL", Limit=2)]
        while marker := pages[-1].get("NextMarker"):
            pages.append(eager_waf.list_web_acls(Scope="REGIONAL", Limit=2, NextMarker=marker))
        assert [len(page["WebACLs"]) for page in pages] == [2, 2, 1]
        assert [acl["Name"] for page in pages for acl in page["WebACLs"]] == made

    def test_a_set_or_group_in_use_cannot_be_deleted(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, [])
        arn = eager_waf.get_ip_set(**name)["IPSet"]["ARN"]
        group = make_group(eager_waf, [rule({"NotStatement": {"Statement": reference(arn)}})])
        found = eager_waf.get_rule_group(**group)
        acl = make_acl(eager_waf, [rule({"RuleGroupReferenceStatement": {"ARN": found["RuleGroup"]["ARN"]}})])
        with refused("WAFAssociatedItemException"):
            eager_waf.delete_ip_set(**name, LockToken=token_of(eager_waf, name))
        with refused("WAFAssociatedItemException"):
            eager_waf.delete_rule_group(**group, LockToken=found["LockToken"])
        eager_waf.delete_web_acl(**acl, LockToken=eager_waf.get_web_acl(**acl)["LockToken"])
        eager_waf.delete_rule_group(**group, LockToken=found["LockToken"])
        eager_waf.delete_ip_set(**name, LockToken=token_of(eager_waf, name))

    def test_a_web_acl_tells_what_it_protects_by_kind_and_cannot_be_deleted_meanwhile(
        self, eager_waf: Any
    ) -> None:
        acl = make_acl(eager_waf, [])
        found = eager_waf.get_web_acl(**acl)
        arn, balancer = found["WebACL"]["ARN"], "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/web/1"
        eager_waf.associate_web_acl(WebACLArn=arn, ResourceArn=balancer)
        assert eager_waf.list_resources_for_web_acl(WebACLArn=arn)["ResourceArns"] == [balancer]
        apis = eager_waf.list_resources_for_web_acl(WebACLArn=arn, ResourceType="API_GATEWAY")
        assert apis["ResourceArns"] == []
        with refused("WAFAssociatedItemException"):
            eager_waf.delete_web_acl(**acl, LockToken=found["LockToken"])
        eager_waf.disassociate_web_acl(ResourceArn=balancer)
        assert eager_waf.list_resources_for_web_acl(WebACLArn=arn)["ResourceArns"] == []
        eager_waf.delete_web_acl(**acl, LockToken=found["LockToken"])
        with refused("WAFNonexistentItemException"):
            eager_waf.list_resources_for_web_acl(WebACLArn=arn)


def _with(statement: dict[str, Any], arns: dict[str, str]) -> dict[str, Any]:
    """Put the real ARNs where a parametrised case could only name them."""
    ((kind, content),) = statement.items()
    if "Statements" in content:
        return {kind: {"Statements": [_with(each, arns) for each in content["Statements"]]}}
    return {kind: {"ARN": arns.get(content["ARN"], content["ARN"])}}
