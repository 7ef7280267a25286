"""How long a ban takes from its infraction and its verdict to an IP set, how full the sets are, who is banned."""

from __future__ import annotations

from itertools import islice

import pytest
from prometheus_client import REGISTRY

from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.jails import Jail, Policy
from f2b_worker.domain.judge.verdicts import BY_HAND
from f2b_worker.domain.plan.awaiting import Awaited, Awaiting
from f2b_worker.observe.jail_metrics import jails
from f2b_worker.testing import MemoryLease
from tests.observed import Since
from tests.unit.enforcer.scene import REGION, A, B, C, Scene, shown, strangers

REPORTED, HEARD = "f2b_report_to_enforced_seconds", "f2b_verdict_to_enforced_seconds"


@pytest.fixture(autouse=True)
def _nobody_else_enforces() -> None:
    """Hide what enforcers of other tests left in the metrics of this process."""
    for region in tuple(jails._banned):
        jails.hide_banned(region)


def banned(jail: str) -> float | None:
    return REGISTRY.get_sample_value("f2b_jail_banned_current", {"jail": jail})


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.pass_time(10)
    return scene


def test_a_ban_is_measured_once_from_its_infraction_and_once_from_when_it_was_heard_of(scene: Scene) -> None:
    since = Since(REPORTED, HEARD)
    scene.ban(A, ago_s=7)
    scene.pass_time(5)
    assert scene.v4.held == {A}
    reported, heard = since(REPORTED), since(HEARD)
    assert (reported.number, heard.number) == (1, 1)
    assert 7 <= reported.total <= 8.5
    assert 0 <= heard.total <= 1.1
    scene.pass_time(300)
    assert (since(REPORTED), since(HEARD)) == (reported, heard)


def test_a_longer_ban_and_one_that_a_set_holds_already_are_not_measured_again(scene: Scene) -> None:
    scene.settle(A)
    since = Since(REPORTED, HEARD)
    scene.ban(A, seconds=7200, ago_s=20)
    scene.ban(A, seconds=7200, jail="sshd")
    scene.pass_time(30)
    assert since(HEARD).number == 0
    assert len(scene.enforcer._roster.awaiting) == 0
    scene.v4.edit(())  # somebody took it out: to put it back is no new ban
    scene.pass_time(120)
    assert scene.v4.held == {A}
    assert since(HEARD).number == 0


def test_a_ban_by_hand_has_no_infraction_and_is_measured_from_its_order(scene: Scene) -> None:
    since = Since(REPORTED, HEARD)
    scene.ban(A, origin=BY_HAND)
    scene.pass_time(5)
    assert (since(REPORTED).number, since(HEARD).number) == (0, 1)


def test_a_ban_that_waits_for_the_end_of_a_pause_is_measured_with_that(scene: Scene) -> None:
    since = Since(REPORTED, HEARD)
    scene.pause(seconds=40)
    scene.ban(A)
    scene.pass_time(60)
    assert since(HEARD).number == 1
    assert 38 <= since(HEARD).total <= 43


def test_at_a_takeover_bans_of_the_last_minute_are_measured_and_none_before(
    scene: Scene,
) -> None:
    scene.ban(A, ago_s=3000)
    scene.ban(B, ago_s=30)
    since = Since(REPORTED, HEARD)
    scene.restart()
    scene.pass_time(10)
    assert scene.v4.held == {A, B}
    assert since(REPORTED).number == 1
    assert 30 <= since(REPORTED).total <= 41


def test_who_loses_the_lease_measures_nothing_that_the_next_one_wrote(scene: Scene) -> None:
    scene.ban(*islice(strangers(), 3))
    scene.pause()
    scene.pass_time(5)
    scene.lease.held = False
    scene.pass_time(5)
    since = Since(REPORTED, HEARD)
    scene.resume()
    scene.lease.held = True
    scene.pass_time(200)
    assert since(HEARD).number == 0


def test_of_more_bans_than_are_remembered_the_latest_half_is() -> None:
    awaiting = Awaiting(most=4)
    for number in range(7):
        awaiting.note(str(number), Awaited(number, None))
    assert awaiting.take(map(str, range(7))) == [Awaited(number, None) for number in (4, 5, 6)]
    assert awaiting.take(map(str, range(7))) == []


def test_bans_that_a_network_comes_to_stand_for_are_measured_and_those_that_it_holds_already_are_not() -> None:
    scene = Scene(Blocklist("block", ("f2b",), collapse=Collapse(3, 24, 48)))
    scene.pass_time(10)
    since = Since(REPORTED, HEARD)
    scene.ban(A, B, C)
    scene.pass_time(5)
    assert since(HEARD).number == 3
    scene.pass_time(120)
    assert scene.v4.held == {"203.0.113.0/24"}
    scene.ban("203.0.113.9/32")
    scene.pass_time(60)
    assert since(HEARD).number == 3


def test_the_sizes_of_the_sets_and_the_budget_are_shown_by_who_enforces_and_by_nobody_else(scene: Scene) -> None:
    scene.ban(A, B)
    scene.pass_time(5)
    of_a_set = {name: shown(name, ip_set=scene.v4.name) for name in ("f2b_ip_set_entries", "f2b_ip_set_capacity")}
    assert of_a_set == {"f2b_ip_set_entries": 2, "f2b_ip_set_capacity": 10_000}
    assert shown("f2b_lease_holder") == 1
    assert shown("f2b_waf_update_budget_used_ratio") == pytest.approx(1 / 60)
    scene.pass_time(62)
    assert shown("f2b_waf_update_budget_used_ratio") == 0
    scene.lease.held = False
    scene.pass_time(5)
    assert [shown(name, ip_set=scene.v4.name) for name in of_a_set] == [None, None]
    assert shown("f2b_lease_holder") == 0


def test_how_full_a_blocklist_is_counts_all_its_sets_and_the_family_that_is_fuller(scene: Scene) -> None:
    scene.ban(A, B, "2001:db8::/64")
    scene.pass_time(5)
    assert shown("f2b_ip_sets_used_ratio", blocklist="block") == pytest.approx(2 / 10_000)
    scene.lease.held = False
    scene.pass_time(5)
    assert shown("f2b_ip_sets_used_ratio", blocklist="block") == 0


def test_who_is_banned_is_shown_by_jail_and_jails_that_nobody_configured_are_one(scene: Scene) -> None:
    jails.use(Policy(jails={"sshd": Jail("sshd")}))
    scene.ban(A, B, jail="sshd")
    scene.ban(A, jail="x1")
    scene.ban(C, jail="x2")
    scene.pass_time(5)
    assert (banned("sshd"), banned("default"), banned("other"), banned("x1")) == (2, 0, 2, None)
    scene.lift(B, jail="sshd")
    scene.pass_time(5)
    assert banned("sshd") == 1
    scene.lease.held = False
    scene.pass_time(5)
    assert (banned("sshd"), banned("other")) == (None, None)


def test_a_ban_that_two_regions_enforce_is_one_and_is_shown_until_neither_does(scene: Scene) -> None:
    scene.ban(A)
    scene.pass_time(5)
    lease = MemoryLease()
    other = scene.another(lease=lease, region="us-east-1")
    for _ in range(4):
        scene.clock.advance(1)
        other.tick()
    assert (shown("f2b_lease_holder"), shown("f2b_lease_holder", "us-east-1")) == (1, 1)
    assert banned("default") == 1
    scene.lease.held = False
    scene.pass_time(5)
    assert banned("default") == 1
    lease.held = False
    other.tick()
    assert banned("default") is None
    assert shown("f2b_lease_holder", REGION) == 0
