"""How `f2b provision` makes room in WAF, and a rule group; on the local AWS."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.adapters.waf.listing import WafListing
from f2b_worker.domain.blocklists import Scope
from tests.integration.provisioning import NAMES, Cloud, provisioned, refusal, run

if TYPE_CHECKING:
    from pathlib import Path

GROUP = (*NAMES, "--rule-group", "f2b")
VISIBLE: Any = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}


def sets_and_rules(lines: list[str]) -> list[str]:
    """What was said of IP sets and the rule group."""
    return [line for line in lines if line.startswith(("IP set ", "rule"))]


def group_of(cloud: Cloud, name: str = "f2b", scope: Any = "REGIONAL") -> dict[str, Any]:
    groups = cloud.waf.list_rule_groups(Scope=scope)["RuleGroups"]
    (arn,) = [each["ARN"] for each in groups if each["Name"] == name]
    answer: Any = cloud.waf.get_rule_group(ARN=arn)
    return {**answer["RuleGroup"], "LockToken": answer["LockToken"]}


def update(cloud: Cloud, group: dict[str, Any], rules: list[Any], **more: Any) -> None:
    """Change a rule group as somebody at the console would."""
    cloud.waf.update_rule_group(
        Name=group["Name"],
        Scope="REGIONAL",
        Id=group["Id"],
        LockToken=group["LockToken"],
        Rules=rules,
        VisibilityConfig=group["VisibilityConfig"],
        **{"Description": group["Description"], **more},
    )


def arn_of(cloud: Cloud, name: str, scope: Any = "REGIONAL") -> str:
    (arn,) = [each["ARN"] for each in cloud.waf.list_ip_sets(Scope=scope)["IPSets"] if each["Name"] == name]
    return arn


def reference(arn: str) -> dict[str, Any]:
    return {"IPSetReferenceStatement": {"ARN": arn}}


def any_of(cloud: Cloud, *names: str) -> dict[str, Any]:
    return {"OrStatement": {"Statements": [reference(arn_of(cloud, name)) for name in names]}}


class TestCapacity:
    @pytest.mark.parametrize(("capacity", "numbers"), [(1, 1), (10_000, 1), (10_001, 2), (25_000, 3)])
    def test_so_many_sets_are_made_as_the_addresses_need(self, cloud: Cloud, capacity: int, numbers: int) -> None:
        provisioned(*NAMES, "--capacity", str(capacity))
        assert cloud.ip_sets() == sorted(
            f"block-ipv{family}{suffix}" for family in (4, 6) for suffix in ("", "-2", "-3")[:numbers]
        )
        versions = [
            cloud.waf.get_ip_set(Name=each["Name"], Id=each["Id"], Scope="REGIONAL")["IPSet"]["IPAddressVersion"]
            for each in cloud.waf.list_ip_sets(Scope="REGIONAL")["IPSets"]
        ]
        assert versions == ["IPV4"] * numbers + ["IPV6"] * numbers

    def test_more_capacity_adds_sets_and_touches_none_that_is_there(self, cloud: Cloud) -> None:
        provisioned(*NAMES)
        cloud.waf.update_ip_set(
            Name="block-ipv4",
            Scope="REGIONAL",
            Id=arn_of(cloud, "block-ipv4").rsplit("/", 1)[1],
            Addresses=["192.0.2.1/32"],
            LockToken=cloud.waf.list_ip_sets(Scope="REGIONAL")["IPSets"][0]["LockToken"],
        )
        cloud.aws.edge.reset_calls()
        assert sets_and_rules(provisioned(*NAMES, "--capacity", "20000")) == [
            "IP set block-ipv4: there",
            "IP set block-ipv4-2: made",
            "IP set block-ipv6: there",
            "IP set block-ipv6-2: made",
        ]
        assert cloud.writes() == {"wafv2:CreateIPSet": 2}
        assert sets_and_rules(provisioned(*NAMES)) == [
            f"IP set block-ipv{family}{suffix}: there" for family in (4, 6) for suffix in ("", "-2")
        ]

    def test_a_set_of_exactly_the_name_is_continued_in_its_own_family(self, cloud: Cloud) -> None:
        cloud.ip_set("block", "IPV6")
        assert sets_and_rules(provisioned(*NAMES, "--capacity", "20000")) == [
            "IP set block: there",
            "IP set block-2: made",
        ]
        found = cloud.waf.get_ip_set(
            Name="block-2", Scope="REGIONAL", Id=arn_of(cloud, "block-2").rsplit("/", 1)[1]
        )
        assert found["IPSet"]["IPAddressVersion"] == "IPV6"

    def test_the_sets_of_the_files_blocklists_are_made_in_their_scopes(self, cloud: Cloud, tmp_path: Path) -> None:
        config = tmp_path / "f2b.toml"
        config.write_text("[blocklists.captcha]\nip_set = 'doubt'\nscope = 'CLOUDFRONT'\n")
        provisioned(*NAMES, "--config", str(config))
        assert cloud.ip_sets() == ["block-ipv4", "block-ipv6"]
        there = cloud.waf.list_ip_sets(Scope="CLOUDFRONT")["IPSets"]
        assert [each["Name"] for each in there] == ["doubt-ipv4", "doubt-ipv6"]

    def test_it_writes_once_a_second_and_is_never_throttled(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provision_waf, "WRITE_EVERY_S", 1.1)
        cloud.aws.edge.set_waf_rate(1.0)
        began_s = time.monotonic()
        provisioned(*GROUP)
        assert time.monotonic() - began_s > 3 * 1.1
        assert not cloud.aws.edge.refused()

    def test_a_second_that_somebody_else_took_is_waited_for(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provision_waf, "WRITE_EVERY_S", 0.01)
        cloud.aws.edge.fault("wafv2:CreateIPSet", "throttle", times=3)
        assert "IP set block-ipv4: made" in provisioned(*NAMES)
        cloud.aws.edge.fault("wafv2:CreateIPSet", "throttle", times=50)
        assert "Rate exceeded" in refusal(run("provision", *NAMES, "--capacity", "20000"))
        cloud.aws.edge.clear_faults()


class TestRuleGroup:
    def test_one_rule_a_blocklist_does_what_its_action_says(self, cloud: Cloud, tmp_path: Path) -> None:
        config = tmp_path / "f2b.toml"
        config.write_text(
            "[blocklists.captcha]\nip_set = 'doubt'\n[blocklists.office]\nip_set = 'office'\naction = 'count'\n"
        )
        cloud.ip_set("office")
        said = sets_and_rules(provisioned(*GROUP, "--config", str(config), "--status", "429"))
        assert said[-4:] == [
            "rule group f2b in REGIONAL (5 of 50 WCU used): made",
            "rule f2b-captcha of rule group f2b (captcha, 2 IP sets): made",
            "rule f2b-office of rule group f2b (count, 1 IP sets): made",
            "rule f2b-block of rule group f2b (block, 2 IP sets): made",
        ]
        group = group_of(cloud)
        assert group["Capacity"] == 50
        assert [
            (rule["Name"], rule["Priority"], rule["Action"], rule["Statement"]) for rule in group["Rules"]
        ] == [
            ("f2b-office", 0, {"Count": {}}, reference(arn_of(cloud, "office"))),
            (
                "f2b-block",
                100,
                {"Block": {"CustomResponse": {"ResponseCode": 429}}},
                any_of(cloud, "block-ipv4", "block-ipv6"),
            ),
            ("f2b-captcha", 200, {"Captcha": {}}, any_of(cloud, "doubt-ipv4", "doubt-ipv6")),
        ]

    def test_running_it_again_changes_nothing(self, cloud: Cloud) -> None:
        provisioned(*GROUP)
        cloud.aws.edge.reset_calls()
        lines = sets_and_rules(provisioned(*GROUP))
        assert [line.rpartition(": ")[2] for line in lines] == ["there"] * 4
        assert cloud.writes() == {}

    def test_a_dry_run_says_all_and_makes_nothing(self, cloud: Cloud) -> None:
        lines = sets_and_rules(provisioned(*GROUP, "--dry-run"))
        assert [line.rpartition(": ")[2] for line in lines] == ["would be made"] * 4
        assert cloud.writes() == {}

    def test_new_sets_join_their_rule_and_all_else_of_it_stays(self, cloud: Cloud) -> None:
        provisioned(*GROUP)
        (rule,) = group_of(cloud)["Rules"]
        changed = {**rule, "Action": {"Count": {}}, "Priority": 7, "VisibilityConfig": VISIBLE}
        theirs = {
            "Name": "theirs",
            "Priority": 1,
            "Action": {"Block": {}},
            "Statement": {"GeoMatchStatement": {"CountryCodes": ["AQ"]}},
            "VisibilityConfig": VISIBLE,
        }
        update(cloud, group_of(cloud), [changed, theirs])
        assert "rule f2b-block of rule group f2b (block, 4 IP sets): made" in provisioned(
            *GROUP, "--capacity", "20000"
        )
        four = any_of(cloud, "block-ipv4", "block-ipv6", "block-ipv4-2", "block-ipv6-2")
        assert group_of(cloud)["Rules"] == [theirs, {**changed, "Statement": four}]

    def test_a_rule_that_refers_to_more_keeps_it(self, cloud: Cloud) -> None:
        provisioned(*GROUP)
        cloud.ip_set("more")
        (rule,) = group_of(cloud)["Rules"]
        more = any_of(cloud, "more", "block-ipv4", "block-ipv6")
        update(cloud, group_of(cloud), [{**rule, "Statement": more}])
        assert "rule f2b-block of rule group f2b (block, 2 IP sets): there" in provisioned(*GROUP)
        assert group_of(cloud)["Rules"][0]["Statement"] == more

    def test_a_rule_whose_statement_somebody_changed_is_named_and_left_alone(self, cloud: Cloud) -> None:
        provisioned(*GROUP)
        (rule,) = group_of(cloud)["Rules"]
        turned = {"NotStatement": {"Statement": reference(arn_of(cloud, "block-ipv4"))}}
        update(cloud, group_of(cloud), [{**rule, "Statement": turned}])
        told = refusal(run("provision", *GROUP))
        assert "rule f2b-block of rule group f2b was changed by somebody else" in told
        assert arn_of(cloud, "block-ipv6") in told
        assert group_of(cloud)["Rules"][0]["Statement"] == turned

    def test_a_rule_group_of_somebody_else_is_refused_and_left_alone(self, cloud: Cloud) -> None:
        cloud.waf.create_rule_group(Name="f2b", Scope="REGIONAL", Capacity=5, Rules=[], VisibilityConfig=VISIBLE)
        cloud.aws.edge.reset_calls()
        told = refusal(run("provision", *GROUP))
        assert "rule group f2b in REGIONAL was not made by f2b provision: choose another name" in told
        assert "wafv2:UpdateRuleGroup" not in cloud.aws.edge.calls()

    def test_each_scope_has_a_group_of_its_own(self, cloud: Cloud, tmp_path: Path) -> None:
        config = tmp_path / "f2b.toml"
        config.write_text("[blocklists.captcha]\nip_set = 'doubt'\nscope = 'CLOUDFRONT'\n")
        provisioned(*GROUP, "--config", str(config))
        assert [rule["Name"] for rule in group_of(cloud)["Rules"]] == ["f2b-block"]
        assert [rule["Name"] for rule in group_of(cloud, scope="CLOUDFRONT")["Rules"]] == ["f2b-captcha"]

    def test_more_sets_than_a_group_can_refer_to_are_refused_before_anything_is_made(self, cloud: Cloud) -> None:
        provisioned(*NAMES)
        cloud.aws.edge.reset_calls()
        told = refusal(run("provision", *GROUP, "--capacity", "260000"))
        assert "52 IP sets in REGIONAL: a rule group refers to 50 at most" in told
        assert cloud.writes() == {}

    def test_an_update_that_somebody_else_came_before_is_made_again(self, cloud: Cloud) -> None:
        cloud.aws.edge.fault("wafv2:UpdateRuleGroup", "throttle", times=1, code="WAFOptimisticLockException")
        provisioned(*GROUP)
        assert [rule["Name"] for rule in group_of(cloud)["Rules"]] == ["f2b-block"]

    def test_a_set_that_was_made_just_now_and_is_not_available_yet_is_waited_for(self, cloud: Cloud) -> None:
        code = "WAFUnavailableEntityException"
        cloud.aws.edge.fault("wafv2:UpdateRuleGroup", "throttle", times=7, code=code)
        provisioned(*GROUP)
        assert [rule["Name"] for rule in group_of(cloud)["Rules"]] == ["f2b-block"]

    def test_a_rule_refers_to_what_was_made_just_now_though_no_list_has_it_yet(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provisioned(*NAMES)
        listed = list(WafListing(cloud.waf, SystemClock()).ip_sets(Scope.REGIONAL))
        with monkeypatch.context() as late:
            late.setattr(WafListing, "ip_sets", lambda _self, _scope: iter(listed))
            late.setattr(WafListing, "rule_groups", lambda _self, _scope: iter(()))
            provisioned(*GROUP, "--capacity", "20000")
        four = any_of(cloud, "block-ipv4", "block-ipv4-2", "block-ipv6", "block-ipv6-2")
        assert group_of(cloud)["Rules"][0]["Statement"] == four

    def test_blocklists_whose_names_differ_in_a_dot_have_rules_of_their_own(
        self, cloud: Cloud, tmp_path: Path
    ) -> None:
        config = tmp_path / "f2b.toml"
        config.write_text(
            "[blocklists.'a.b']\nip_set = 'dot'\naction = 'count'\n[blocklists.a_b]\nip_set = 'line'\n"
        )
        provisioned(*GROUP, "--config", str(config))
        provisioned(*GROUP, "--config", str(config))
        rules = {json.dumps(rule["Statement"]): rule for rule in group_of(cloud)["Rules"]}
        assert len({rule["Name"] for rule in rules.values()}) == 3
        dot, line = (json.dumps(any_of(cloud, f"{name}-ipv4", f"{name}-ipv6")) for name in ("dot", "line"))
        assert (rules[dot]["Action"], rules[line]["Action"]) == ({"Count": {}}, {"Block": {}})

    def test_no_web_acl_is_touched_and_the_last_lines_are_a_rule_that_works_in_one(self, cloud: Cloud) -> None:
        lines = provisioned(*GROUP)
        assert not any("WebACL" in call for call in cloud.aws.edge.calls())
        assert any(line.startswith("Put rule group f2b into your REGIONAL web ACL") for line in lines)
        (rule,) = [json.loads(line) for line in lines if line.strip().startswith("{")]
        cloud.waf.create_web_acl(
            Name="acl", Scope="REGIONAL", DefaultAction={"Allow": {}}, Rules=[rule], VisibilityConfig=VISIBLE
        )
        assert rule["Statement"]["RuleGroupReferenceStatement"]["ARN"] == group_of(cloud)["ARN"]

    @pytest.mark.usefixtures("cloud")
    def test_a_status_without_a_rule_group_is_wrong_usage(self) -> None:
        answer = run("provision", *NAMES, "--status", "429")
        assert answer.exit_code == 2
        assert "--rule-group" in answer.stderr
