"""What the local AWS WAF promises: lock tokens, validation and quotas as AWS documents them."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localstack.control import EdgeControl
from tests.integration.aws_calls import NAMES, UUID, arn_of, make_set, refused, tags_of, token_of

pytest_plugins = ("tests.integration.strict_aws",)


class TestIpSets:
    def test_an_update_answers_the_next_lock_token_and_replaces_everything(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, ["192.0.2.1/32"], Description="old")
        token = token_of(eager_waf, name)
        update = eager_waf.update_ip_set(**name, Addresses=["192.0.2.0/24"], LockToken=token)
        found = eager_waf.get_ip_set(**name)
        assert found["LockToken"] == update["NextLockToken"] != token
        assert found["IPSet"]["Addresses"] == ["192.0.2.0/24"]
        assert "Description" not in found["IPSet"]

    def test_whoever_watches_sees_each_update_that_took_effect_without_a_call_of_waf(
        self, eager_waf: Any, edge: EdgeControl
    ) -> None:
        name = make_set(eager_waf, ["192.0.2.1/32"])
        for addresses in (["192.0.2.1/32", "192.0.2.2/32"], ["192.0.2.2/32"]):
            eager_waf.update_ip_set(**name, Addresses=addresses, LockToken=token_of(eager_waf, name))
        with refused("WAFOptimisticLockException"):
            eager_waf.update_ip_set(**name, Addresses=[], LockToken=UUID)
        edge.reset_calls()
        first, second = edge.waf_changes("000000000001")
        assert edge.calls() == {}
        assert first["ip_set"] == second["ip_set"] == name["Name"]
        assert (first["added"], first["removed"]) == (["192.0.2.2/32"], [])
        assert (second["added"], second["removed"]) == ([], ["192.0.2.1/32"])
        assert first["at_s"] <= second["at_s"]
        assert edge.waf_changes("000000000001", after=first["number"]) == [second]
        assert edge.waf_changes("000000000002") == []

    @pytest.mark.parametrize("stale", ["its first token, used", UUID])
    def test_a_stale_lock_token_is_refused_and_changes_nothing(self, eager_waf: Any, stale: str) -> None:
        name = make_set(eager_waf, [])
        first = token_of(eager_waf, name)
        eager_waf.update_ip_set(**name, Addresses=["192.0.2.1/32"], LockToken=first)
        token = stale if stale == UUID else first
        with refused("WAFOptimisticLockException"):
            eager_waf.update_ip_set(**name, Addresses=[], LockToken=token)
        with refused("WAFOptimisticLockException"):
            eager_waf.delete_ip_set(**name, LockToken=token)
        assert eager_waf.get_ip_set(**name)["IPSet"]["Addresses"] == ["192.0.2.1/32"]

    def test_of_writers_at_once_with_one_token_one_wins(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, [])
        token = token_of(eager_waf, name)
        outcomes: list[str] = []

        def write() -> None:
            try:
                eager_waf.update_ip_set(**name, Addresses=[], LockToken=token)
                outcomes.append("won")
            except ClientError as error:
                outcomes.append(error.response["Error"]["Code"])

        writers = [threading.Thread(target=write) for _ in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert sorted(outcomes) == ["WAFOptimisticLockException"] * 5 + ["won"]

    def test_ipv6_is_answered_fully_expanded(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, ["2001:db8::/64", "::1/128"], "IPV6")
        assert eager_waf.get_ip_set(**name)["IPSet"]["Addresses"] == [
            "2001:0db8:0000:0000:0000:0000:0000:0000/64",
            "0000:0000:0000:0000:0000:0000:0000:0001/128",
        ]

    @pytest.mark.parametrize(
        ("version", "entry"),
        [
            ("IPV4", "192.0.2.1"),
            ("IPV4", "192.0.2.1/33"),
            ("IPV4", "0.0.0.0/0"),
            ("IPV4", "195.178.188.66/29"),
            ("IPV4", "2001:db8::/64"),
            ("IPV4", "anywhere"),
            ("IPV4", "192.0.2.1/032"),
            ("IPV6", "192.0.2.1/32"),
            ("IPV6", "::/0"),
            ("IPV6", "2001:db8::1/64"),
        ],
    )
    def test_a_bad_address_is_refused_and_named(self, eager_waf: Any, version: str, entry: str) -> None:
        name = make_set(eager_waf, [], version)
        token = token_of(eager_waf, name)
        with refused("WAFInvalidParameterException") as answer:
            eager_waf.update_ip_set(**name, Addresses=[entry], LockToken=token)
        assert answer["Field"] == "IP_ADDRESS"
        assert answer["Parameter"] == entry
        assert answer["Reason"]
        assert token_of(eager_waf, name) == token

    def test_a_set_holds_ten_thousand_addresses_and_no_more(self, eager_waf: Any) -> None:
        full = [f"10.{number >> 8}.{number & 255}.0/24" for number in range(10_000)]
        name = make_set(eager_waf, full)
        found = eager_waf.get_ip_set(**name)
        assert found["IPSet"]["Addresses"] == full
        with refused("WAFLimitsExceededException"):
            eager_waf.update_ip_set(**name, Addresses=[*full, "192.0.2.1/32"], LockToken=found["LockToken"])

    def test_a_region_holds_a_hundred_sets_listed_in_pages(self, eager_waf: Any) -> None:
        made = [make_set(eager_waf, [])["Name"] for _ in range(60)]
        made += [make_set(eager_waf, [], Scope="CLOUDFRONT")["Name"] for _ in range(40)]
        with refused("WAFLimitsExceededException"):
            make_set(eager_waf, [])
        pages = [eager_waf.list_ip_sets(Scope="REGIONAL", Limit=25)]
        while marker := pages[-1].get("NextMarker"):
            pages.append(eager_waf.list_ip_sets(Scope="REGIONAL", Limit=25, NextMarker=marker))
        assert [len(page["IPSets"]) for page in pages] == [25, 25, 10]
        assert {each["Name"] for page in pages for each in page["IPSets"]} == set(made[:60])

    def test_a_page_of_more_than_a_hundred_is_refused(self, eager_waf: Any) -> None:
        with refused("ValidationException"):
            eager_waf.list_ip_sets(Scope="REGIONAL", Limit=101)

    @pytest.mark.parametrize(
        "given",
        [
            {"Name": "a.b"},
            {"Name": "a" * 129},
            {"Description": "bans; kept by f2b"},
            {"Description": "ends with a blank "},
            {"Description": "ab"},
        ],
    )
    def test_a_name_or_a_description_that_waf_would_not_take_is_refused(
        self, eager_waf: Any, given: dict[str, str]
    ) -> None:
        with refused("ValidationException") as answer:
            make_set(eager_waf, [], **given)
        assert "failed to satisfy constraint" in answer["Error"]["Message"]

    def test_a_description_is_refused_in_an_update_too(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, [], Description="Bans, kept by f2b: 1/2 + more @ #1.")
        with refused("ValidationException"):
            eager_waf.update_ip_set(
                **name, Addresses=[], LockToken=token_of(eager_waf, name), Description="what is this?"
            )

    def test_a_name_is_taken_once_in_its_scope(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, [])["Name"]
        with refused("WAFDuplicateItemException"):
            make_set(eager_waf, [], Name=name)
        make_set(eager_waf, [], Name=name, Scope="CLOUDFRONT")

    def test_a_deleted_set_is_gone(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, [])
        token = token_of(eager_waf, name)
        eager_waf.delete_ip_set(**name, LockToken=token)
        with refused("WAFNonexistentItemException"):
            eager_waf.get_ip_set(**name)
        with refused("WAFNonexistentItemException"):
            eager_waf.update_ip_set(**name, Addresses=[], LockToken=token)

    def test_a_set_is_found_only_under_its_name_and_scope(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, [])
        for wrong in ({"Name": "another"}, {"Scope": "CLOUDFRONT"}, {"Id": UUID}):
            with refused("WAFNonexistentItemException"):
                eager_waf.get_ip_set(**{**name, **wrong})

    def test_cloudfront_is_reached_through_us_east_1_only(
        self, eager_waf: Any, clients: Callable[..., Any]
    ) -> None:
        make_set(eager_waf, [], Scope="CLOUDFRONT")
        with refused("WAFInvalidParameterException"):
            clients("wafv2", region="eu-central-1").list_ip_sets(Scope="CLOUDFRONT")


class TestWafQuotas:
    def test_a_second_write_within_a_second_is_throttled(self, waf: Any, edge: EdgeControl) -> None:
        make_set(waf, [])
        with refused("ThrottlingException") as answer:
            make_set(waf, [])
        assert answer["Error"]["Message"] == "Rate exceeded"
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert edge.refused() == {"wafv2:CreateIPSet": 1}

    def test_each_action_has_a_quota_of_its_own(self, waf: Any) -> None:
        name = make_set(waf, [])
        waf.update_ip_set(**name, Addresses=[], LockToken=token_of(waf, name))

    def test_each_region_and_account_has_a_quota_of_its_own(self, waf: Any, clients: Callable[..., Any]) -> None:
        make_set(waf, [])
        make_set(clients("wafv2", region="eu-central-1"), [])
        make_set(clients("wafv2", account="000000000002"), [])

    def test_five_reads_a_second_are_allowed(self, waf: Any) -> None:
        for _ in range(5):
            waf.list_ip_sets(Scope="REGIONAL")
        with refused("ThrottlingException"):
            for _ in range(3):  # on a busy machine 0.2 s pass meanwhile, and one more is allowed
                waf.list_ip_sets(Scope="REGIONAL")

    def test_the_rate_of_writes_can_be_changed(self, waf: Any, edge: EdgeControl) -> None:
        edge.set_waf_rate(10)
        make_set(waf, [])
        time.sleep(0.1)
        make_set(waf, [])


class TestTags:
    def test_what_is_made_with_tags_has_them(self, eager_waf: Any) -> None:
        arn = arn_of(eager_waf, make_set(eager_waf, [], Tags=[{"Key": "part", "Value": "f2b"}]))
        assert tags_of(eager_waf, arn) == {"part": "f2b"}
        eager_waf.tag_resource(ResourceARN=arn, Tags=[{"Key": "part", "Value": ""}, {"Key": "for", "Value": "us"}])
        assert tags_of(eager_waf, arn) == {"part": "", "for": "us"}
        eager_waf.untag_resource(ResourceARN=arn, TagKeys=["part", "never there"])
        assert tags_of(eager_waf, arn) == {"for": "us"}

    def test_rule_groups_and_web_acls_have_tags_too(self, eager_waf: Any) -> None:
        visible = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}
        named = {"Scope": "REGIONAL", "VisibilityConfig": visible, "Tags": [{"Key": "a", "Value": "b"}]}
        group = eager_waf.create_rule_group(Name=next(NAMES), Capacity=1, Rules=[], **named)["Summary"]
        acl = eager_waf.create_web_acl(Name=next(NAMES), DefaultAction={"Allow": {}}, **named)["Summary"]
        assert [tags_of(eager_waf, each["ARN"]) for each in (group, acl)] == [{"a": "b"}] * 2

    def test_tags_neither_change_a_lock_token_nor_need_one(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, [])
        token = token_of(eager_waf, name)
        eager_waf.tag_resource(ResourceARN=arn_of(eager_waf, name), Tags=[{"Key": "a", "Value": "b"}])
        assert token_of(eager_waf, name) == token

    def test_of_what_is_not_there_there_are_no_tags(self, eager_waf: Any) -> None:
        name = make_set(eager_waf, [], Tags=[{"Key": "a", "Value": "b"}])
        arn = arn_of(eager_waf, name)
        eager_waf.delete_ip_set(**name, LockToken=token_of(eager_waf, name))
        with refused("WAFNonexistentItemException"):
            eager_waf.list_tags_for_resource(ResourceARN=arn)
        with refused("WAFNonexistentItemException"):
            eager_waf.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
        with refused("WAFNonexistentItemException"):
            eager_waf.untag_resource(ResourceARN=arn, TagKeys=["a"])

    def test_fifty_tags_are_allowed_listed_in_pages_and_no_more(self, eager_waf: Any) -> None:
        fifty = [{"Key": f"key-{number:02}", "Value": str(number)} for number in range(50)]
        arn = arn_of(eager_waf, make_set(eager_waf, [], Tags=fifty))
        one_more = [{"Key": "another", "Value": ""}]
        with refused("WAFLimitsExceededException"):
            eager_waf.tag_resource(ResourceARN=arn, Tags=one_more)
        with refused("WAFLimitsExceededException"):
            make_set(eager_waf, [], Tags=fifty + one_more)
        pages = [eager_waf.list_tags_for_resource(ResourceARN=arn, Limit=20)]
        while marker := pages[-1].get("NextMarker"):
            pages.append(eager_waf.list_tags_for_resource(ResourceARN=arn, Limit=20, NextMarker=marker))
        assert [len(page["TagInfoForResource"]["TagList"]) for page in pages] == [20, 20, 10]
        assert [each for page in pages for each in page["TagInfoForResource"]["TagList"]] == fifty

    @pytest.mark.parametrize("tag", [("k" * 129, "v"), ("k?", "v"), ("k", "v" * 257), ("k", "a;b")])
    def test_a_tag_that_waf_would_not_take_is_refused(self, eager_waf: Any, tag: tuple[str, str]) -> None:
        key, value = tag
        with refused("ValidationException"):
            make_set(eager_waf, [], Tags=[{"Key": key, "Value": value}])
        make_set(eager_waf, [], Tags=[{"Key": "Größe 2", "Value": "a+b=c: d/e@f_g.h-i"}])

    def test_who_asks_for_tags_is_throttled_as_with_every_list(self, waf: Any, edge: EdgeControl) -> None:
        arn = arn_of(waf, make_set(waf, []))
        edge.set_waf_read_rate(1)
        waf.list_tags_for_resource(ResourceARN=arn)
        with refused("ThrottlingException"):
            waf.list_tags_for_resource(ResourceARN=arn)


class TestAssociations:
    def test_a_resource_knows_its_web_acl(self, eager_waf: Any) -> None:
        visible = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}
        name = next(NAMES)
        acl = eager_waf.create_web_acl(
            Name=name, Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visible
        )["Summary"]
        balancer = "arn:aws:elasticloadbalancing:us-east-1:000000000001:loadbalancer/app/web/1"
        assert "WebACL" not in eager_waf.get_web_acl_for_resource(ResourceArn=balancer)
        eager_waf.associate_web_acl(WebACLArn=acl["ARN"], ResourceArn=balancer)
        assert eager_waf.get_web_acl_for_resource(ResourceArn=balancer)["WebACL"]["Name"] == name
        eager_waf.disassociate_web_acl(ResourceArn=balancer)
        assert "WebACL" not in eager_waf.get_web_acl_for_resource(ResourceArn=balancer)
