"""What the enforcer may rely on when it asks which IP sets there are: in memory and in AWS WAF alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from f2b_worker.adapters.waf.finder import WafFinder
from f2b_worker.adapters.waf.ip_set import region_of
from f2b_worker.adapters.waf.listing import READS_OF_A_COMMAND_PER_S, READS_PER_S, Pace
from f2b_worker.adapters.waf.rules import references
from f2b_worker.domain.blocklists import Blocklist, Scope
from f2b_worker.errors import Missing, StartError, Unavailable
from f2b_worker.testing import FakeClock, MemoryIpSet, MemoryIpSetFinder
from tests.contract.ip_sets import make_ip_set, make_rule_group, make_web_acl, reference

if TYPE_CHECKING:
    from mypy_boto3_wafv2 import WAFV2Client
    from mypy_boto3_wafv2.type_defs import StatementTypeDef

    from f2b_worker.ports import IpSet, IpSetFinder
    from localstack.local_aws import LocalAws


class Console(Protocol):
    """The sets of the blocklists `block` and `captcha`, as somebody at the console changes them."""

    @property
    def finder(self) -> IpSetFinder: ...

    def make(self, blocklist: str, *names: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def refer_to(self, *names: str) -> None:
        """Let a rule of a web ACL refer to these sets, and none to any other."""
        ...


@dataclass
class MemoryConsole:
    finder: MemoryIpSetFinder = field(default_factory=lambda: MemoryIpSetFinder({"block": [], "captcha": []}))

    def make(self, blocklist: str, *names: str) -> None:
        self.finder.ip_sets[blocklist] += [MemoryIpSet(6 if "ipv6" in name else 4, name=name) for name in names]

    def delete(self, name: str) -> None:
        self._set(name).deleted = True

    def refer_to(self, *names: str) -> None:
        ids = {each.id for sets in self.finder.ip_sets.values() for each in sets}
        self.finder.not_referenced = ids - {self._set(name).id for name in names}

    def _set(self, name: str) -> MemoryIpSet:
        (found,) = [each for sets in self.finder.ip_sets.values() for each in sets if each.name == name]
        return found


@dataclass
class WafConsole:
    finder: WafFinder
    client: WAFV2Client

    def make(self, blocklist: str, *names: str) -> None:
        del blocklist  # WAF knows them by their names
        for name in names:
            make_ip_set(self.client, name)

    def delete(self, name: str) -> None:
        found = self._summary(name)
        self.client.delete_ip_set(Name=name, Scope="REGIONAL", Id=found["Id"], LockToken=found["LockToken"])

    def refer_to(self, *names: str) -> None:
        make_web_acl(self.client, *(reference(self._summary(name)["ARN"]) for name in names))

    def _summary(self, name: str) -> Any:
        return next(each for each in self.client.list_ip_sets(Scope="REGIONAL")["IPSets"] if each["Name"] == name)


def finder_of(client: WAFV2Client, *blocklists: Blocklist) -> WafFinder:
    return WafFinder(client, blocklists, FakeClock())


@pytest.fixture(params=["memory", "waf"])
def console(request: pytest.FixtureRequest) -> Console:
    if request.param == "memory":
        return MemoryConsole()
    client = request.getfixturevalue("waf")
    return WafConsole(finder_of(client, Blocklist("block", ("f2b",)), Blocklist("captcha", ("doubt",))), client)


def names_found(finder: IpSetFinder) -> dict[str, list[str]]:
    return {blocklist: [each.name for each in sets] for blocklist, sets in finder.find().items()}


def test_each_blocklist_has_its_sets(console: Console) -> None:
    console.make("block", "f2b-ipv4", "f2b-ipv4-2", "f2b-ipv6")
    console.make("captcha", "doubt-ipv4")
    assert names_found(console.finder) == {
        "block": ["f2b-ipv4", "f2b-ipv4-2", "f2b-ipv6"],
        "captcha": ["doubt-ipv4"],
    }
    assert [each.family for each in console.finder.find()["block"]] == [4, 4, 6]


def test_a_blocklist_without_a_set_is_there_and_empty(console: Console) -> None:
    console.make("block", "f2b-ipv4")
    assert names_found(console.finder) == {"block": ["f2b-ipv4"], "captcha": []}


def test_a_set_found_before_is_the_same_again_and_a_new_one_joins_it(console: Console) -> None:
    console.make("block", "f2b-ipv4")
    (first,) = console.finder.find()["block"]
    console.make("block", "f2b-ipv4-2")
    again, second = console.finder.find()["block"]
    assert again is first
    assert (second.name, second.read().entries) == ("f2b-ipv4-2", frozenset())


def test_a_deleted_set_is_not_found_and_one_made_anew_under_its_name_is_another(console: Console) -> None:
    console.make("block", "f2b-ipv4", "f2b-ipv4-2")
    (first, _) = console.finder.find()["block"]
    console.delete("f2b-ipv4-2")
    assert list(console.finder.find()["block"]) == [first]


def test_the_list_has_the_token_of_a_set_until_somebody_writes_and_then_another(console: Console) -> None:
    console.make("block", "f2b-ipv4")
    (found,) = console.finder.find()["block"]
    token = found.read().token
    assert found.listed_token == token
    newer = found.write(["203.0.113.1/32"], token)
    assert found.listed_token == token
    console.finder.find()
    assert found.listed_token == newer


def test_each_set_is_told_of_before_the_answer_those_with_the_highest_numbers_first(console: Console) -> None:
    console.make("block", "f2b-ipv4", "f2b-ipv4-2", "f2b-ipv4-10", "f2b-ipv6")
    console.make("captcha", "doubt-ipv4")
    told: list[tuple[str, IpSet]] = []
    found = console.finder.find(lambda *each: told.append(each))
    names = [each.name for _, each in told]
    assert [name for name in names if name.startswith("f2b-ipv4")] == ["f2b-ipv4-10", "f2b-ipv4-2", "f2b-ipv4"]
    assert {(name, each.id) for name, each in told} == {
        (name, each.id) for name, ip_sets in found.items() for each in ip_sets
    }


def test_only_sets_that_no_rule_refers_to_are_unreferenced(console: Console) -> None:
    console.make("block", "f2b-ipv4", "f2b-ipv4-2", "f2b-ipv6")
    console.refer_to("f2b-ipv4", "f2b-ipv6")
    sets = {each.name: each for each in console.finder.find()["block"]}
    assert console.finder.unreferenced(sets.values()) == {sets["f2b-ipv4-2"].id}
    assert console.finder.unreferenced([sets["f2b-ipv4"]]) == frozenset()
    assert console.finder.unreferenced([]) == frozenset()


class TestNames:
    @pytest.mark.parametrize(
        ("there", "asked", "found"),
        [
            (["f2b"], ["f2b"], ["f2b"]),
            (["f2b-ipv6", "f2b-ipv4"], ["f2b"], ["f2b-ipv4", "f2b-ipv6"]),
            (["f2b-ipv6"], ["f2b"], ["f2b-ipv6"]),
            (["f2b", "f2b-ipv4", "f2b-ipv6"], ["f2b"], ["f2b"]),
            (["f2b-ipv4", "f2b-ipv6", "other"], ["f2b-ipv6", "other"], ["f2b-ipv6", "other"]),
            (["f2b-ipv4", "f2b-ipv4-10", "f2b-ipv4-2"], ["f2b"], ["f2b-ipv4", "f2b-ipv4-2", "f2b-ipv4-10"]),
            (["f2b-ipv4-1", "f2b-ipv4-02", "f2b-ipv4", "f2b-ipv4-x"], ["f2b"], ["f2b-ipv4"]),
            (["f2b", "f2b-2", "f2b-4"], ["f2b"], ["f2b", "f2b-2", "f2b-4"]),
            (["f2b-2", "f2b-3"], ["f2b"], ["f2b-2", "f2b-3"]),
            (["f2b-2", "f2b-ipv4-3"], ["f2b"], ["f2b-ipv4-3"]),
            (["f2b", "f2b-2"], ["f2b-2", "f2b"], ["f2b-2", "f2b"]),
        ],
    )
    def test_a_name_stands_for_itself_or_one_set_a_family_and_all_numbers_after_it(
        self, waf: WAFV2Client, there: list[str], asked: list[str], found: list[str]
    ) -> None:
        for name in there:
            make_ip_set(waf, name)
        finder = finder_of(waf, Blocklist("block", tuple(asked)))
        assert names_found(finder) == {"block": found}
        assert [each.family for each in finder.find()["block"]] == [6 if "ipv6" in name else 4 for name in found]

    def test_a_name_that_stands_for_none_is_told(self, waf: WAFV2Client) -> None:
        make_ip_set(waf, "f2b")
        finder = finder_of(waf, Blocklist("block", ("f2b", "other")))
        with pytest.raises(Missing, match="IP set other: neither it nor other-ipv4 nor other-ipv6 exists in R"):
            finder.check()
        make_ip_set(waf, "other-ipv6-3")
        finder.check()

    def test_a_set_of_two_blocklists_is_refused_with_both_their_names(self, waf: WAFV2Client) -> None:
        make_ip_set(waf, "f2b-ipv4")
        finder = finder_of(waf, Blocklist("block", ("f2b",)), Blocklist("captcha", ("f2b-ipv4",)))
        with pytest.raises(StartError, match="IP set f2b-ipv4 belongs to two blocklists, block and captcha"):
            finder.find()

    def test_each_scope_has_sets_of_its_own(self, waf: WAFV2Client) -> None:
        assert region_of(Scope.CLOUDFRONT) == "us-east-1"
        assert region_of(Scope.REGIONAL) is None
        make_ip_set(waf, "f2b", scope="CLOUDFRONT")
        make_ip_set(waf, "f2b")
        finder = finder_of(
            waf, Blocklist("block", ("f2b",)), Blocklist("captcha", ("f2b",), scope=Scope.CLOUDFRONT)
        )
        here, there = (finder.find()[name][0] for name in ("block", "captcha"))
        assert (here.name, there.name) == ("f2b", "f2b")
        assert here.id != there.id
        there.write(["192.0.2.1/32"], there.read().token)
        assert here.read().entries == frozenset()


class ReadBucket:
    """A WAF client that answers five reads a second, and knows how few of them were left."""

    def __init__(self, clock: FakeClock, names: list[str]) -> None:
        self.least = self._left = 5.0
        self._clock = clock
        self._at_s = clock.monotonic_s()
        self._names = names

    def _take(self) -> None:
        now_s = self._clock.monotonic_s()
        self._left = min(5.0, self._left + (now_s - self._at_s) * 5) - 1
        self._at_s = now_s
        self.least = min(self.least, self._left)

    def list_ip_sets(self, **_asked: object) -> Any:
        self._take()
        arn = "arn:aws:wafv2:us-east-1:000000000000:regional/ipset/"
        return {"IPSets": [{"Name": name, "Id": name, "ARN": arn + name} for name in self._names]}

    def get_ip_set(self, **_asked: object) -> Any:
        self._take()
        return {"IPSet": {"IPAddressVersion": "IPV4", "Addresses": []}, "LockToken": "token"}


class Failing(ReadBucket):
    """A WAF client whose second opening of a set fails.

    Attributes:
        got: The names of the sets that it was asked for.
    """

    def __init__(self, clock: FakeClock, names: list[str]) -> None:
        super().__init__(clock, names)
        self.got: list[str] = []

    def get_ip_set(self, **asked: Any) -> Any:
        self.got.append(asked["Name"])
        if len(self.got) == 2:
            raise EndpointConnectionError(endpoint_url="waf")
        return super().get_ip_set()


class TestCalls:
    def test_a_known_set_costs_nothing_but_its_place_in_the_list(
        self, aws_in_process: LocalAws, waf: WAFV2Client
    ) -> None:
        for name in ("f2b-ipv4", "f2b-ipv6", "other"):
            make_ip_set(waf, name)
        finder = finder_of(waf, Blocklist("block", ("f2b",)))
        finder.find()
        aws_in_process.edge.reset_calls()
        finder.find()
        assert aws_in_process.edge.calls() == {"wafv2:ListIPSets": 1}

    def test_to_find_a_set_is_to_read_it_and_to_find_it_again_is_not(
        self, aws_in_process: LocalAws, waf: WAFV2Client
    ) -> None:
        summary = make_ip_set(waf, "f2b-ipv4", ["192.0.2.1/32"])
        finder = finder_of(waf, Blocklist("block", ("f2b",)))
        (found,) = finder.find()["block"]
        aws_in_process.edge.reset_calls()
        assert found.read().entries == {"192.0.2.1/32"}
        assert aws_in_process.edge.calls() == {}
        (again,) = finder_of(waf, Blocklist("block", ("f2b",))).find()["block"]
        token = found.read().token
        waf.update_ip_set(Name="f2b-ipv4", Scope="REGIONAL", Id=summary["Id"], Addresses=[], LockToken=token)
        finder.find()
        assert found.read().entries == frozenset()
        assert again.read().entries == {"192.0.2.1/32"}

    def test_the_last_set_of_each_family_is_opened_before_any_other(self) -> None:
        names = [f"f2b-ipv{family}{number}" for family in (4, 6) for number in ("", "-2", "-3")]
        client: Any = ReadBucket(FakeClock(), names)
        told: list[str] = []
        finder_of(client, Blocklist("block", ("f2b",))).find(lambda _, each: told.append(each.name))
        assert [sorted(told[place : place + 2]) for place in (0, 2, 4)] == [
            ["f2b-ipv4-3", "f2b-ipv6-3"],
            ["f2b-ipv4-2", "f2b-ipv6-2"],
            ["f2b-ipv4", "f2b-ipv6"],
        ]

    def test_a_search_after_one_that_failed_opens_only_what_that_had_not_reached(self) -> None:
        client: Any = Failing(FakeClock(), ["f2b-ipv4", "f2b-ipv4-2", "f2b-ipv4-3"])
        finder = finder_of(client, Blocklist("block", ("f2b",)))
        told: list[IpSet] = []
        with pytest.raises(Unavailable):
            finder.find(lambda _, each: told.append(each))
        found = finder.find()["block"]
        assert client.got == ["f2b-ipv4-3", "f2b-ipv4-2", "f2b-ipv4-2", "f2b-ipv4"]
        assert told == [found[2]]

    def test_what_was_read_long_ago_is_read_anew(self, waf: WAFV2Client) -> None:
        summary = make_ip_set(waf, "f2b-ipv4", ["192.0.2.1/32"])
        finder = finder_of(waf, Blocklist("block", ("f2b",)))
        (found,) = finder.find()["block"]
        token = summary["LockToken"]
        waf.update_ip_set(Name="f2b-ipv4", Scope="REGIONAL", Id=summary["Id"], Addresses=[], LockToken=token)
        finder.find()
        assert found.read().entries == frozenset()

    def test_between_the_sets_that_are_opened_something_else_can_be_done(self, waf: WAFV2Client) -> None:
        for name in ("f2b-ipv4", "f2b-ipv6"):
            make_ip_set(waf, name)
        done: list[None] = []
        finder = WafFinder(waf, [Blocklist("block", ("f2b",))], FakeClock(), meanwhile=lambda: done.append(None))
        for _ in range(2):
            finder.find()
            assert len(done) == 2

    def test_a_command_reads_many_sets_beside_a_fleet_without_taking_its_budget(self) -> None:
        clock = FakeClock()
        bucket = ReadBucket(clock, [f"f2b-ipv4-{number}" for number in range(2, 22)])
        client: Any = bucket
        blocklist = Blocklist("block", ("f2b",))
        finder = WafFinder(client, [blocklist], clock, reads_per_s=READS_OF_A_COMMAND_PER_S)
        finder.check()
        assert [each.read().entries for each in finder.find()["block"]] == [frozenset()] * 20
        assert bucket.least >= 5 - READS_OF_A_COMMAND_PER_S - 1

    def test_a_set_on_a_later_page_is_found(self, waf: WAFV2Client) -> None:
        f2b = {"Name": "f2b", "Id": "2", "ARN": "arn:aws:wafv2:us-east-1:000000000000:regional/ipset/f2b/2"}
        with Stubber(waf) as stub:
            stub.add_response("list_ip_sets", {"IPSets": [{"Name": "other", "Id": "1"}], "NextMarker": "other"})
            stub.add_response(
                "list_ip_sets",
                {"IPSets": [f2b], "NextMarker": "f2b"},
                {"Scope": "REGIONAL", "Limit": 100, "NextMarker": "other"},
            )
            stub.add_response("list_ip_sets", {"IPSets": []})
            stub.add_response("get_ip_set", {"IPSet": {**f2b, "Addresses": [], "IPAddressVersion": "IPV4"}})
            assert names_found(finder_of(waf, Blocklist("block", ("f2b",)))) == {"block": ["f2b"]}

    def test_a_set_that_is_deleted_while_it_is_looked_for_is_not_found(self, waf: WAFV2Client) -> None:
        f2b = {"Name": "f2b", "Id": "2", "ARN": "arn:aws:wafv2:us-east-1:000000000000:regional/ipset/f2b/2"}
        with Stubber(waf) as stub:
            stub.add_response("list_ip_sets", {"IPSets": [f2b]})
            stub.add_client_error("get_ip_set", "WAFNonexistentItemException")
            assert names_found(finder_of(waf, Blocklist("block", ("f2b",)))) == {"block": []}

    def test_reads_are_spread_so_that_others_have_theirs(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        went_s = []
        for _ in range(20):
            pace.wait()
            went_s.append(clock.monotonic_s())
        within_any_second = [sum(at_s <= each < at_s + 1 for each in went_s) for at_s in went_s]
        assert went_s[3] == 0.0
        assert max(within_any_second[4:]) == READS_PER_S
        clock.advance(60)
        pace.wait()
        assert clock.monotonic_s() == went_s[-1] + 60


class TestReferences:
    def deep(self, arn: str) -> list[StatementTypeDef]:
        """Every place in which a rule may refer to a set."""
        plain = reference(arn)
        other: StatementTypeDef = {"GeoMatchStatement": {"CountryCodes": ["DE"]}}
        return [
            {"NotStatement": {"Statement": plain}},
            {"AndStatement": {"Statements": [other, {"OrStatement": {"Statements": [other, plain]}}]}},
            {"RateBasedStatement": {"Limit": 100, "AggregateKeyType": "IP", "ScopeDownStatement": plain}},
            {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "x", "ScopeDownStatement": plain}},
        ]

    @pytest.mark.parametrize("place", range(4))
    def test_a_reference_is_seen_wherever_it_stands(self, waf: WAFV2Client, place: int) -> None:
        arn = make_ip_set(waf, "f2b-ipv4")["ARN"]
        finder = finder_of(waf, Blocklist("block", ("f2b",)))
        sets = finder.find()["block"]
        assert finder.unreferenced(sets) == {arn}
        make_web_acl(waf, self.deep(arn)[place])
        assert finder.unreferenced(sets) == frozenset()

    def test_a_rule_group_counts_only_if_a_web_acl_uses_it(self, waf: WAFV2Client) -> None:
        arn = make_ip_set(waf, "f2b-ipv4")["ARN"]
        finder = finder_of(waf, Blocklist("block", ("f2b",)))
        sets = finder.find()["block"]
        group = make_rule_group(waf, "ours", reference(arn))
        assert finder.unreferenced(sets) == {arn}
        make_web_acl(waf, {"RuleGroupReferenceStatement": {"ARN": group}})
        assert finder.unreferenced(sets) == frozenset()

    def test_a_web_acl_of_the_other_scope_is_looked_at_for_its_own_sets_only(self, waf: WAFV2Client) -> None:
        arn = make_ip_set(waf, "f2b-ipv4", scope="CLOUDFRONT")["ARN"]
        finder = finder_of(waf, Blocklist("block", ("f2b",), scope=Scope.CLOUDFRONT))
        sets = finder.find()["block"]
        make_web_acl(waf, reference(arn), scope="CLOUDFRONT")
        assert finder.unreferenced(sets) == frozenset()

    def test_more_web_acls_than_a_page_are_all_read(self, waf: WAFV2Client) -> None:
        arn = make_ip_set(waf, "f2b-ipv4")["ARN"]
        for number in range(101):
            make_web_acl(waf, *([reference(arn)] if number == 100 else []), name=f"acl-{number:03}")
        finder = finder_of(waf, Blocklist("block", ("f2b",)))
        assert finder.unreferenced(finder.find()["block"]) == frozenset()

    def test_firewall_managers_own_groups_are_seen_beside_the_rules(self) -> None:
        statement = {"RuleGroupReferenceStatement": {"ARN": "arn:group"}}
        acl = {"Rules": [], "PreProcessFirewallManagerRuleGroups": [{"FirewallManagerStatement": statement}]}
        assert references(acl, "RuleGroupReferenceStatement") == {"arn:group"}

    def test_a_group_of_another_account_is_not_asked_for(self, waf: WAFV2Client) -> None:
        arn = "arn:aws:wafv2:us-east-1:{}:regional/{}/1"
        theirs = {"RuleGroupReferenceStatement": {"ARN": arn.format(2, "rulegroup/x")}}
        acl = {"Name": "acl", "Id": "1", "ARN": arn.format(1, "webacl/acl")}
        visible = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}
        group: Any = {
            "Name": "x",
            "Priority": 0,
            "FirewallManagerStatement": theirs,
            "OverrideAction": {"None": {}},
        }
        group["VisibilityConfig"] = visible
        with Stubber(waf) as stub:
            stub.add_response("list_web_acls", {"WebACLs": [acl]})
            described: Any = {**acl, "DefaultAction": {"Allow": {}}, "VisibilityConfig": visible}
            described["PreProcessFirewallManagerRuleGroups"] = [group]
            stub.add_response("get_web_acl", {"WebACL": described})
            lone = MemoryIpSet(name="arn:regional")
            assert finder_of(waf).unreferenced([lone]) == {lone.id}
