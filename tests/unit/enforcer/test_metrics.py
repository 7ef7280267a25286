"""What enforcers show of themselves: each of its own Region, and nothing once somebody else reports."""

from __future__ import annotations

from itertools import islice

from f2b_worker.enforcer import AUDIT_S
from f2b_worker.testing import MemoryLease
from tests.unit.enforcer.scene import FOREIGN, A, B, Scene, shown, strangers


def test_a_region_that_stands_by_ends_no_alarm_of_a_region_that_enforces() -> None:
    scene = Scene(limit=10)
    scene.ban(*islice(strangers(), 30))
    scene.pass_time(10)
    assert shown("f2b_surge") == 1
    other = scene.another(lease=MemoryLease(held=False), region="us-east-1")
    other.tick()
    assert (shown("f2b_surge"), shown("f2b_surge", "us-east-1")) == (1, 0)


def test_what_was_shown_ends_when_the_lease_is_lost() -> None:
    scene = Scene(capacity=3)
    scene.finder.not_referenced = {scene.v4.id}
    scene.v4.edit({FOREIGN})
    scene.ban(*islice(strangers(), 9))
    scene.pass_time(30)
    of_a_set = ("f2b_foreign_entries", "f2b_foreign_allowlisted", "f2b_ip_set_unreferenced")
    assert shown("f2b_bans_active") == 9
    assert (shown("f2b_bans_left_out", blocklist="block") or 0) > 0
    assert [shown(name, ip_set=scene.v4.name) for name in of_a_set] == [1, 0, 1]
    scene.lease.held = False
    scene.pass_time(5)
    assert shown("f2b_bans_active") == 0
    assert shown("f2b_bans_left_out", blocklist="block") == 0
    assert [shown(name, ip_set=scene.v4.name) for name in of_a_set] == [None, None, None]


def test_what_was_shown_of_a_deleted_set_ends() -> None:
    scene = Scene()
    gone = scene.make_set(4)
    gone.edit({FOREIGN})
    scene.finder.not_referenced = {gone.id}
    scene.ban(A)
    scene.pass_time(30)
    assert shown("f2b_foreign_entries", ip_set=gone.name) == 1
    assert shown("f2b_ip_set_unreferenced", ip_set=gone.name) == 1
    gone.deleted = True
    scene.ban(B)
    scene.pass_time(AUDIT_S + 5)
    assert shown("f2b_foreign_entries", ip_set=gone.name) is None
    assert shown("f2b_ip_set_unreferenced", ip_set=gone.name) is None
    assert shown("f2b_foreign_entries", ip_set=scene.v4.name) == 0
