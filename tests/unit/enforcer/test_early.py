"""Who is banned while an enforcer takes over is written before the last of many IP sets was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.enforcer.loop import EARLY_AFTER_S, LATELY_MS
from f2b_worker.errors import LockLost, Unavailable
from f2b_worker.testing import MemoryLease
from tests.unit.enforcer.scene import FOREIGN, UNBAN_LAG_S, A, B, C, IpSet, Scene, gaps_s, strangers

if TYPE_CHECKING:
    from f2b_worker.ports import IpSetContents

LONG_AGO_S = LATELY_MS / 1000 + 1
D = "203.0.113.4/32"


@pytest.fixture
def scene() -> Scene:
    """A was banned long ago and is in the first set; the holder is dead, and a search finds the last set only."""
    return taken_over(Scene())


def taken_over(scene: Scene) -> Scene:
    scene.make_set(4)
    scene.ban(A, seconds=86_400, ago_s=LONG_AGO_S)
    scene.v4.edit({A})
    find_only_the_last(scene)
    scene.enforcer = scene.another(lease=MemoryLease())
    return scene


def find_only_the_last(scene: Scene) -> None:
    scene.finder.failure = Unavailable("too many reads")
    scene.finder.finds_first = 1


def find_all(scene: Scene) -> None:
    scene.finder.failure = None


def last(scene: Scene) -> IpSet:
    return scene.finder.ip_sets["block"][-1]  # type: ignore[return-value]


class TestBeforeTheLastSetWasRead:
    def test_a_new_ban_is_in_waf(self, scene: Scene) -> None:
        scene.pass_time(1)
        scene.ban(B)
        scene.pass_time(EARLY_AFTER_S + 1)
        assert scene.v4.reads == 0
        assert last(scene).held == {B}

    def test_so_is_one_of_the_time_in_which_nobody_enforced(self, scene: Scene) -> None:
        scene.ban(B, ago_s=20)
        scene.pass_time(EARLY_AFTER_S + 2)
        assert last(scene).held == {B}

    def test_so_is_a_ban_by_hand(self, scene: Scene) -> None:
        scene.ban(B, origin="by hand")
        scene.pass_time(EARLY_AFTER_S + 2)
        assert last(scene).held == {B}

    def test_where_all_sets_are_read_soon_nobody_is_written_into_two(self, scene: Scene) -> None:
        scene.ban(B, ago_s=20)
        scene.v4.edit({A, B})
        scene.pass_time(EARLY_AFTER_S - 1)
        find_all(scene)
        scene.pass_time(60)
        assert scene.tries_s == []

    def test_whose_ban_is_older_is_looked_for_in_every_set_first(self, scene: Scene) -> None:
        scene.pass_time(30)
        assert scene.tries_s == []
        find_all(scene)
        scene.pass_time(60)
        assert (set(scene.v4.held), scene.tries_s) == ({A}, [])

    def test_nothing_leaves_a_set(self, scene: Scene) -> None:
        scene.ban(C, seconds=20, ago_s=21)
        last(scene).edit({C})
        scene.ban(B)
        scene.pass_time(UNBAN_LAG_S + 60)
        assert last(scene).held == {B, C}
        find_all(scene)
        scene.pass_time(UNBAN_LAG_S + 30)
        assert C not in last(scene).held

    def test_the_latest_go_first_where_there_is_not_room_for_all(self) -> None:
        scene = Scene()
        scene.capacity = 2
        taken_over(scene)
        scene.ban(B, ago_s=30)
        scene.ban(C, ago_s=10)
        scene.ban(D, ago_s=20)
        scene.pass_time(EARLY_AFTER_S + 10)
        assert last(scene).held == {C, D}

    def test_who_is_on_the_allowlist_is_not_written(self, scene: Scene) -> None:
        scene.enforcer = scene.another("203.0.113.2", lease=MemoryLease())
        scene.ban(B, C)
        scene.pass_time(EARLY_AFTER_S + 10)
        assert last(scene).held == {C}

    def test_a_paused_blocklist_stays_as_it_is(self, scene: Scene) -> None:
        scene.pause("block")
        scene.ban(B)
        scene.pass_time(EARLY_AFTER_S + 10)
        assert scene.tries_s == []

    def test_no_more_than_one_update_a_second_leaves(self, scene: Scene) -> None:
        keys = strangers()
        scene.pass_time(60, every_s=0.3, do=lambda: scene.ban(next(keys)))
        assert len(scene.tries_s) > 30
        assert min(gaps_s(scene.tries_s)) > 1

    def test_each_family_has_its_turn(self, scene: Scene) -> None:
        scene.finder.finds_first = 2
        keys, others = strangers(), strangers(6)
        scene.pass_time(30, every_s=0.3, do=lambda: scene.ban(next(keys), next(others)))
        assert len(last(scene).held) > 50
        assert len(scene.v6.held) > 50

    def test_with_a_surge_guard_as_many_as_its_limit_are_written(self) -> None:
        scene = taken_over(Scene(limit=2))
        scene.ban(B, C)
        scene.pass_time(EARLY_AFTER_S + 2)
        assert last(scene).held == {B, C}

    def test_of_more_than_the_limit_nobody_is_written_for_the_guard_counts_who_is_in_no_set(self) -> None:
        scene = taken_over(Scene(limit=2))
        scene.ban(B, C, D)
        scene.pass_time(30)
        assert scene.tries_s == []
        find_all(scene)
        scene.pass_time(60)
        assert (set(scene.v4.held), set(last(scene).held)) == ({A}, set())

    def test_while_a_surge_is_held_back_nobody_is_written(self) -> None:
        scene = Scene(limit=2)
        scene.notebook.note_surge(scene.clock.now_ms())
        taken_over(scene)
        scene.ban(B)
        scene.pass_time(EARLY_AFTER_S + 10)
        assert scene.tries_s == []

    def test_a_set_that_the_holder_before_still_wrote_is_read_again(self, scene: Scene) -> None:
        scene.ban(B, C)
        scene.pass_time(2)
        last(scene).edit({C})
        scene.pass_time(EARLY_AFTER_S + 2)
        assert last(scene).held == {B, C}

    def test_a_blocklist_of_which_no_set_was_found_yet_is_nobodys_problem(self) -> None:
        scene = taken_over(Scene(Blocklist("block", ("f2b",)), Blocklist("captcha", ("c",))))
        scene.pass_time(EARLY_AFTER_S)
        assert scene.enforcer.ready


class TestOnceAllSetsWereRead:
    def test_who_is_in_two_sets_leaves_the_emptier_one(self, scene: Scene) -> None:
        scene.ban(B)
        scene.v4.edit({A, B})
        scene.pass_time(EARLY_AFTER_S + 2)
        assert last(scene).held == {B}
        find_all(scene)
        scene.pass_time(UNBAN_LAG_S + 10)
        assert (set(scene.v4.held), set(last(scene).held)) == ({A, B}, set())

    def test_whom_somebody_else_had_put_into_a_set_stays_there_alone(self, scene: Scene) -> None:
        scene.notebook.note_entries("foreign", scene.v4.id, frozenset({B}))
        scene.ban(B)
        scene.v4.edit({A, B})
        scene.pass_time(EARLY_AFTER_S + 2)
        assert last(scene).held == {B}
        find_all(scene)
        scene.pass_time(UNBAN_LAG_S + 10)
        assert (set(scene.v4.held), set(last(scene).held)) == ({A, B}, set())
        assert scene.notebook.read().foreign == {scene.v4.id: {B}}

    def test_neighbours_who_collapsed_are_in_their_network_alone(self) -> None:
        scene = taken_over(Scene(Blocklist("block", ("f2b",), collapse=Collapse(3))))
        scene.ban(B, C)
        scene.pass_time(EARLY_AFTER_S + 2)
        assert last(scene).held == {B, C}
        scene.v4.edit({"203.0.113.0/24"})
        scene.notebook.note_entries("networks", scene.v4.id, frozenset({"203.0.113.0/24"}))
        find_all(scene)
        scene.pass_time(UNBAN_LAG_S + 30)
        assert scene.v4.held | last(scene).held == {"203.0.113.0/24"}

    def test_who_finds_no_room_is_left_out_as_ever(self) -> None:
        scene = Scene()
        scene.capacity = 1
        taken_over(scene)
        scene.ban(B, seconds=500)
        scene.ban(C, seconds=100)
        scene.pass_time(EARLY_AFTER_S + 2)
        find_all(scene)
        scene.pass_time(UNBAN_LAG_S + 30)
        # A was banned before the takeover: whoever attacked last finds room.
        assert (set(scene.v4.held), set(last(scene).held)) == ({C}, {B})

    def test_new_bans_go_into_the_set_with_the_lowest_number_whichever_was_found_first(self, scene: Scene) -> None:
        scene.v4.edit({FOREIGN})
        last(scene).edit({"198.51.101.0/24"})
        scene.pass_time(2)
        find_all(scene)
        scene.pass_time(20)
        assert A in scene.v4.held


class SlowSet(IpSet):
    """A set that was read when it was found, and takes long to be taken in."""

    def read(self) -> IpSetContents:
        if self.is_at_hand:
            self._clock.advance(0.3)
        return super().read()


def test_who_is_banned_does_not_wait_until_all_sets_that_were_found_are_taken_in() -> None:
    scene = Scene()
    for number in range(2, 40):
        scene.finder.ip_sets["block"].append(SlowSet(scene.clock, scene.tries_s, 4, f"block-ipv4-{number}"))
        scene.finder.ip_sets["block"][-1].is_at_hand = True
    scene.ban(B)
    scene.pass_time(EARLY_AFTER_S + 1)
    ip_sets = scene.finder.ip_sets["block"]
    assert [set(each.held) for each in ip_sets if each.held] == [{B}]
    assert sum(each.reads for each in ip_sets) < 20


def test_an_early_update_that_loses_its_lock_is_made_again(scene: Scene) -> None:
    last(scene).fails = [LockLost("somebody wrote first")]
    scene.ban(B)
    scene.pass_time(EARLY_AFTER_S + 4)
    assert last(scene).held == {B}
