"""IP sets that are full: an attacker with many addresses keeps nobody out, also across a takeover."""

from __future__ import annotations

import pytest

from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import BY_HAND
from tests.unit.enforcer.scene import UNBAN_LAG_S, V6, A, Scene

CAPACITY = 300
FOREVER_S = FOREVER_MS / 1000
SITE = "2a00:1234:5678::/48"
CROWD6 = [f"2a00:1234:5678:{place:x}::/64" for place in range(0, 0x10000, 160)]
CROWD4 = [f"45.{place % 200}.{place // 200}.1/32" for place in range(600)]


@pytest.fixture
def scene() -> Scene:
    return Scene(capacity=CAPACITY)


def test_thousands_of_one_site_take_nobody_out_and_keep_nobody_out(scene: Scene) -> None:
    scene.settle(V6)
    scene.ban(*CROWD6, seconds=FOREVER_S)
    scene.pass_time(5)
    later = "2a02:99::/64"
    scene.ban(later, seconds=600)
    scene.pass_time(5)
    assert {V6, later, SITE} <= scene.v6.held


def test_among_bans_for_ever_that_fill_the_sets_the_newest_attacker_goes_in_at_once(scene: Scene) -> None:
    scene.ban(*CROWD4[:300], seconds=FOREVER_S)
    scene.pass_time(20)
    for place in range(60):
        scene.ban(f"203.0.{place}.1/32", seconds=FOREVER_S if place % 2 else 600)
        scene.pass_time(3)
        assert f"203.0.{place}.1/32" in scene.v4.held


def test_who_is_banned_by_hand_goes_in_and_stays(scene: Scene) -> None:
    scene.ban(A, seconds=FOREVER_S, jail="manual", origin=BY_HAND)
    scene.pass_time(5)
    for first in range(0, 600, 100):
        scene.ban(*CROWD4[first : first + 100], seconds=FOREVER_S)
        scene.pass_time(5)
        assert A in scene.v4.held


def test_nobody_of_the_allowlist_is_hit_by_the_network_around_him(scene: Scene) -> None:
    scene.allow("2a00:1234:5678:1::1")
    scene.ban(V6, *CROWD6, seconds=3600)
    scene.pass_time(10)
    assert V6 in scene.v6.held
    assert SITE not in scene.v6.held
    assert all(not entry.endswith("/48") for entry in scene.v6.held)


@pytest.mark.parametrize("has_notes", [True, False])
def test_who_takes_over_knows_the_network_as_ours_and_takes_it_out_when_its_bans_end(*, has_notes: bool) -> None:
    scene = Scene(capacity=CAPACITY)
    scene.ban(*CROWD6, seconds=300)
    scene.pass_time(60)
    assert scene.v6.held == {SITE}
    if not has_notes:
        scene.notebook.note_entries("networks", scene.v6.id, frozenset())
    scene.tries_s.clear()
    scene.restart()
    scene.pass_time(60)
    assert (set(scene.v6.held), scene.tries_s) == ({SITE}, [])
    scene.pass_time(300 + UNBAN_LAG_S)
    assert scene.v6.held == set()


def test_who_takes_over_full_sets_changes_nothing_in_them(scene: Scene) -> None:
    for first in range(0, 600, 50):
        scene.ban(*CROWD4[first : first + 50], seconds=3600 if first % 100 else FOREVER_S)
        scene.pass_time(5)
    scene.pass_time(60)
    held = set(scene.v4.held)
    scene.restart()
    scene.pass_time(60)
    assert scene.v4.held == held


def test_that_networks_are_blocked_as_a_whole_is_said(scene: Scene) -> None:
    scene.ban(*CROWD6)
    scene.pass_time(10)
    assert scene.enforcer.remark == "crowded networks that are blocked as a whole: 1; their IP sets are full"
