"""What an IP set promises to the enforcer: in memory and in AWS WAF alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import pytest

from f2b_worker.adapters.waf.ip_set import AT_HAND_S, open_ip_set
from f2b_worker.domain.blocklists import Scope
from f2b_worker.errors import BadEntry, LockLost, Missing, Retryable, Throttled
from f2b_worker.testing import FakeClock, MemoryIpSet
from tests.contract.ip_sets import make_ip_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_wafv2 import WAFV2Client

    from f2b_worker.adapters.waf.ip_set import WafIpSet
    from f2b_worker.ports import IpSet
    from localstack.faults import FaultKind
    from localstack.local_aws import LocalAws

BAD = "195.178.188.66/29"  # host bits: WAF refuses them


class Desk(Protocol):
    """An IP set, and what only somebody at the console sees of it."""

    @property
    def ip_set(self) -> IpSet: ...

    def edit(self, *entries: str) -> None:
        """Change the set as somebody else would."""
        ...

    def delete(self) -> None:
        """Delete the set as somebody else would."""
        ...


class Opener(Protocol):
    def __call__(self, *entries: str, family: Literal[4, 6] = 4) -> Desk: ...


@dataclass
class MemoryDesk:
    ip_set: MemoryIpSet

    def edit(self, *entries: str) -> None:
        self.ip_set.edit(entries)

    def delete(self) -> None:
        self.ip_set.deleted = True


@dataclass
class WafDesk:
    ip_set: WafIpSet
    client: WAFV2Client
    name: str
    set_id: str

    def edit(self, *entries: str) -> None:
        token = self.client.get_ip_set(Name=self.name, Scope="REGIONAL", Id=self.set_id)["LockToken"]
        self.client.update_ip_set(
            Name=self.name, Scope="REGIONAL", Id=self.set_id, Addresses=entries, LockToken=token
        )

    def delete(self) -> None:
        token = self.client.get_ip_set(Name=self.name, Scope="REGIONAL", Id=self.set_id)["LockToken"]
        self.client.delete_ip_set(Name=self.name, Scope="REGIONAL", Id=self.set_id, LockToken=token)


def described(client: WAFV2Client, desk: WafDesk) -> str | None:
    answer = client.get_ip_set(Name=desk.name, Scope="REGIONAL", Id=desk.set_id)
    return answer["IPSet"].get("Description")


@pytest.fixture
def open_waf(waf: WAFV2Client, clock: FakeClock) -> Callable[..., WafDesk]:
    def opener(*entries: str, family: Literal[4, 6] = 4) -> WafDesk:
        name = f"f2b-ipv{family}"
        made = make_ip_set(waf, name, entries)
        ip_set = open_ip_set(
            waf, waf, name=name, set_id=made["Id"], arn=made["ARN"], scope=Scope.REGIONAL, clock=clock
        )
        return WafDesk(ip_set, waf, name, made["Id"])

    return opener


def open_memory(*entries: str, family: Literal[4, 6] = 4) -> MemoryDesk:
    desk = MemoryDesk(MemoryIpSet(family, entries, name=f"f2b-ipv{family}"))
    desk.ip_set.refuses = {BAD}
    return desk


@pytest.fixture(params=["memory", "waf"])
def open_set(request: pytest.FixtureRequest) -> Opener:
    if request.param == "memory":
        return open_memory
    opener: Opener = request.getfixturevalue("open_waf")
    return opener


@pytest.mark.parametrize("family", [4, 6])
def test_a_set_knows_its_name_and_family(open_set: Opener, family: Literal[4, 6]) -> None:
    ip_set = open_set(family=family).ip_set
    assert (ip_set.name, ip_set.family) == (f"f2b-ipv{family}", family)
    assert ip_set.read().entries == frozenset()


def test_what_was_written_is_read_in_canonical_form(open_set: Opener) -> None:
    ip_set = open_set("2001:db8::/64", family=6).ip_set
    assert ip_set.read().entries == {"2001:db8::/64"}
    ip_set.write(["2001:db8:0:1::/64", "::1/128"], ip_set.read().token)
    assert ip_set.read().entries == {"2001:db8:0:1::/64", "::1/128"}


def test_each_update_gives_the_token_for_the_next_one(open_set: Opener) -> None:
    ip_set = open_set("203.0.113.1/32").ip_set
    token = ip_set.read().token
    for last in range(2, 5):
        token = ip_set.write(iter([f"203.0.113.{last}/32"]), token)
    assert ip_set.read().entries == {"203.0.113.4/32"}
    assert ip_set.read().token == token


def test_a_set_can_be_emptied(open_set: Opener) -> None:
    ip_set = open_set("203.0.113.1/32").ip_set
    ip_set.write([], ip_set.read().token)
    assert ip_set.read().entries == frozenset()


def test_a_token_serves_once(open_set: Opener) -> None:
    ip_set = open_set().ip_set
    token = ip_set.read().token
    ip_set.write(["203.0.113.1/32"], token)
    with pytest.raises(LockLost, match=ip_set.name):
        ip_set.write(["203.0.113.2/32"], token)
    assert ip_set.read().entries == {"203.0.113.1/32"}


def test_somebody_elses_edit_is_never_overwritten(open_set: Opener) -> None:
    desk = open_set()
    token = desk.ip_set.read().token
    desk.edit("198.51.100.0/24")
    with pytest.raises(LockLost):
        desk.ip_set.write(["203.0.113.2/32"], token)
    assert desk.ip_set.read().entries == {"198.51.100.0/24"}


def test_an_entry_that_waf_refuses_is_named_and_nothing_is_changed(open_set: Opener) -> None:
    ip_set = open_set("203.0.113.1/32").ip_set
    token = ip_set.read().token
    with pytest.raises(BadEntry, match=ip_set.name) as caught:
        ip_set.write(["203.0.113.2/32", BAD], token)
    assert caught.value.entry == BAD
    assert ip_set.read().entries == {"203.0.113.1/32"}
    ip_set.write(["203.0.113.2/32"], token)


def test_a_set_that_somebody_deleted_is_missing(open_set: Opener) -> None:
    desk = open_set()
    token = desk.ip_set.read().token
    desk.delete()
    with pytest.raises(Missing, match=desk.ip_set.name):
        desk.ip_set.read()
    with pytest.raises(Missing, match=desk.ip_set.name):
        desk.ip_set.write([], token)


def test_a_set_has_an_id_that_another_has_not(open_set: Opener) -> None:
    one, other = open_set(family=4).ip_set, open_set(family=6).ip_set
    assert one.id == one.id != other.id


class TestWaf:
    def test_an_update_keeps_the_description(self, waf: WAFV2Client, open_waf: Callable[..., WafDesk]) -> None:
        desk = open_waf()
        desk.ip_set.write([], desk.ip_set.read().token)
        assert described(waf, desk) == "Kept by f2b"

    def test_an_update_keeps_that_there_is_no_description(
        self, waf: WAFV2Client, open_waf: Callable[..., WafDesk]
    ) -> None:
        desk = open_waf()
        desk.edit()  # an update without a description drops it
        desk.ip_set.forget_opening()
        desk.ip_set.write([], desk.ip_set.read().token)
        assert described(waf, desk) is None

    def test_the_first_reading_takes_no_call_and_the_next_is_a_new_one(
        self, aws_in_process: LocalAws, open_waf: Callable[..., WafDesk]
    ) -> None:
        desk = open_waf("203.0.113.1/32")
        aws_in_process.edge.reset_calls()
        assert desk.ip_set.read().entries == {"203.0.113.1/32"}
        assert aws_in_process.edge.calls() == {}
        desk.edit("203.0.113.2/32")
        assert desk.ip_set.read().entries == {"203.0.113.2/32"}

    def test_what_was_read_at_the_opening_is_news_for_a_minute(
        self, open_waf: Callable[..., WafDesk], clock: FakeClock
    ) -> None:
        desk = open_waf()
        desk.edit("203.0.113.2/32")
        assert desk.ip_set.is_at_hand
        clock.advance(AT_HAND_S + 1)
        assert not desk.ip_set.is_at_hand
        assert desk.ip_set.read().entries == {"203.0.113.2/32"}

    def test_the_token_of_the_opening_is_refused_when_somebody_wrote_since(
        self, open_waf: Callable[..., WafDesk]
    ) -> None:
        desk = open_waf()
        desk.edit("203.0.113.2/32")
        with pytest.raises(LockLost):
            desk.ip_set.write([], desk.ip_set.read().token)
        assert desk.ip_set.read().entries == {"203.0.113.2/32"}

    def test_a_second_update_within_a_second_is_throttled_and_changes_nothing(
        self, aws_in_process: LocalAws, open_waf: Callable[..., WafDesk]
    ) -> None:
        ip_set = open_waf().ip_set
        aws_in_process.edge.set_waf_rate(1.0)
        token = ip_set.write(["203.0.113.1/32"], ip_set.read().token)
        with pytest.raises(Throttled):
            ip_set.write([], token)
        assert ip_set.read().entries == {"203.0.113.1/32"}
        assert aws_in_process.edge.refused()["wafv2:UpdateIPSet"] >= 1

    @pytest.mark.parametrize("kind", ["throttle", "error", "reset_before", "reset_after"])
    def test_every_failure_is_worth_another_try(
        self, aws_in_process: LocalAws, open_waf: Callable[..., WafDesk], kind: FaultKind
    ) -> None:
        ip_set = open_waf().ip_set
        token = ip_set.read().token
        aws_in_process.edge.fault("wafv2:*", kind, times=2)
        with pytest.raises(Retryable):
            ip_set.read()
        with pytest.raises(Retryable):
            ip_set.write(["203.0.113.1/32"], token)
        assert ip_set.read().entries == ({"203.0.113.1/32"} if kind == "reset_after" else set())
