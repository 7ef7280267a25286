"""The loop that keeps the IP sets equal to the active bans, within WAF's budget and nobody else's entries lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.networks import Networks
from f2b_worker.enforcer import AUDIT_S, UPDATE_EVERY_S
from f2b_worker.enforcer.pace import PACE_MAX_S
from f2b_worker.errors import LockLost, Throttled
from tests.unit.enforcer.scene import FOREIGN, UNBAN_LAG_S, V6, A, B, C, Scene, gaps_s, strangers


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestBans:
    def test_all_new_bans_of_a_tick_go_in_with_one_write(self, scene: Scene) -> None:
        scene.ban(A, B, C)
        scene.pass_time(5)
        assert scene.v4.held == {A, B, C}
        assert (scene.v4.writes, scene.v6.writes) == (1, 0)

    def test_a_ban_is_in_its_set_within_two_seconds(self, scene: Scene) -> None:
        scene.settle(A)
        scene.ban(B)
        scene.pass_time(2)
        assert scene.v4.held == {A, B}

    def test_a_ban_of_this_worker_is_written_at_once(self, scene: Scene) -> None:
        scene.settle(A)
        scene.enforcer.tick()
        scene.ban(B)
        before_s = scene.clock.monotonic_s()
        scene.enforcer.tick(follow=True)
        assert scene.v4.held == {A, B}
        assert scene.tries_s == [before_s]

    def test_each_family_goes_into_its_own_set(self, scene: Scene) -> None:
        scene.ban(A, V6)
        scene.pass_time(5)
        assert scene.held == ({A}, {V6})

    def test_a_family_without_a_set_is_left_alone(self, scene: Scene) -> None:
        scene.finder.ip_sets["block"] = [scene.v6]
        scene.ban(A, V6)
        scene.pass_time(5)
        assert scene.held == (set(), {V6})

    def test_an_address_banned_in_two_jails_stays_until_both_bans_end(self, scene: Scene) -> None:
        scene.ban(A, seconds=60, jail="fast")
        scene.ban(A, seconds=300, jail="slow")
        scene.pass_time(60 + UNBAN_LAG_S + 10)
        assert scene.v4.held == {A}
        scene.pass_time(300)
        assert scene.v4.held == set()

    def test_a_ban_for_ever_stays(self, scene: Scene) -> None:
        scene.ban(A, seconds=FOREVER_MS / 1000 - scene.clock.now_ms() / 1000)
        scene.pass_time(3 * AUDIT_S)
        scene.clock.advance(10 * 365 * 24 * 3600)
        scene.pass_time(3 * AUDIT_S)
        assert scene.v4.held == {A}

    def test_a_ban_that_was_over_before_it_was_found_is_not_enforced(self, scene: Scene) -> None:
        scene.ban(A, seconds=600, ago_s=601)
        scene.pass_time(10)
        assert scene.tries_s == []

    def test_who_is_banned_again_after_the_end_is_in_the_set_again(self, scene: Scene) -> None:
        scene.ban(A, seconds=60)
        scene.pass_time(60 + UNBAN_LAG_S + 5)
        assert scene.v4.held == set()
        scene.ban(A, seconds=60)
        scene.pass_time(5)
        assert scene.v4.held == {A}

    def test_who_is_banned_again_before_the_removal_is_never_out(self, scene: Scene) -> None:
        scene.ban(A, seconds=60)
        scene.pass_time(60 + UNBAN_LAG_S / 2)
        scene.ban(A, seconds=600)
        scene.tries_s.clear()
        scene.pass_time(2 * UNBAN_LAG_S)
        assert scene.v4.held == {A}
        assert scene.tries_s == []

    @pytest.mark.parametrize(("hot", "quiet"), [(4, V6), (6, B)])
    def test_a_flood_of_bans_in_one_family_does_not_keep_the_other_waiting(
        self, scene: Scene, hot: int, quiet: str
    ) -> None:
        keys = strangers(hot)

        def flood() -> None:
            scene.ban(next(keys))

        scene.pass_time(10, every_s=0.5, do=flood)
        scene.ban(quiet)
        scene.pass_time(4, every_s=0.5, do=flood)
        assert quiet in scene.v4.held | scene.v6.held


class TestObservedBans:
    def test_an_observed_ban_is_never_written(self, scene: Scene) -> None:
        scene.ban(A, seconds=600, observed=True)
        scene.ban(B)
        scene.pass_time(10)
        assert scene.v4.held == {B}

    def test_an_entry_of_somebody_elses_stays_when_its_observed_ban_ends(self, scene: Scene) -> None:
        scene.v4.edit([A])
        scene.ban(A, seconds=600, observed=True)
        scene.pass_time(2000)
        assert scene.v4.held == {A}

    def test_an_entry_of_ours_goes_although_an_observed_ban_follows(self, scene: Scene) -> None:
        scene.ban(A, seconds=20)
        scene.pass_time(5)
        scene.ban(A, seconds=600, observed=True)
        scene.pass_time(20 + UNBAN_LAG_S + 5)
        assert scene.v4.held == set()


class TestRemovals:
    def test_an_ended_ban_goes_after_the_lag_and_no_sooner(self, scene: Scene) -> None:
        scene.ban(A, seconds=60)
        scene.pass_time(60 + UNBAN_LAG_S - 2)
        assert scene.v4.held == {A}
        scene.pass_time(5)
        assert scene.v4.held == set()

    def test_an_ended_ban_rides_along_with_the_next_update(self, scene: Scene) -> None:
        scene.ban(A, seconds=60)
        scene.pass_time(65)
        assert scene.v4.held == {A}
        scene.ban(B)
        scene.pass_time(2)
        assert scene.v4.held == {B}
        assert scene.v4.writes == 2

    def test_removals_that_wait_for_the_lag_go_with_one_write(self, scene: Scene) -> None:
        for number, key in enumerate([A, B, C]):
            scene.ban(key, seconds=60 + number)
        scene.pass_time(10)
        scene.v4.writes = 0
        scene.pass_time(60 + UNBAN_LAG_S + 5)
        assert scene.held == (set(), set())
        assert scene.v4.writes == 1

    def test_a_flood_in_one_family_does_not_keep_the_removals_of_the_other_waiting(self, scene: Scene) -> None:
        keys = strangers()
        scene.ban(V6, seconds=20)
        scene.pass_time(10)
        scene.pass_time(10 + UNBAN_LAG_S + 10, every_s=0.5, do=lambda: scene.ban(next(keys)))
        assert scene.v6.held == set()


class TestBudget:
    def test_nothing_is_written_when_nothing_changed(self, scene: Scene) -> None:
        scene.settle(A, V6)
        scene.pass_time(1000)
        assert scene.tries_s == []

    def test_starting_with_sets_that_are_right_writes_nothing(self, scene: Scene) -> None:
        scene.ban(A, V6)
        scene.v4.edit([A, FOREIGN])
        scene.v6.edit([V6])
        scene.pass_time(30)
        assert scene.tries_s == []

    def test_at_most_one_update_a_second_leaves_for_both_families_together(self, scene: Scene) -> None:
        keys, others = strangers(4), strangers(6)
        scene.pass_time(120, every_s=0.3, do=lambda: scene.ban(next(keys), next(others), seconds=7))
        assert len(scene.tries_s) > 60
        assert min(gaps_s(scene.tries_s)) >= 1.0

    def test_no_set_is_read_between_updates(self, scene: Scene) -> None:
        scene.settle(A, V6)
        keys = strangers()
        scene.pass_time(30, every_s=3, do=lambda: scene.ban(next(keys)))
        assert scene.v4.writes == 10
        assert scene.v4.reads + scene.v6.reads <= 2 * (30 // AUDIT_S + 1)

    def test_the_ledger_is_asked_four_times_a_second(self, scene: Scene) -> None:
        scene.pass_time(100)
        assert 360 <= scene.ledger.asked <= 401

    def test_a_new_holder_waits_out_the_slot_of_the_one_before(self, scene: Scene) -> None:
        scene.ban(A)
        scene.pass_time(10)
        assert scene.tries_s[0] >= 1.0

    def test_an_update_that_stays_throttled_is_tried_again_ever_more_slowly(self, scene: Scene) -> None:
        scene.v4.fails = [Throttled("rate exceeded")] * 20
        scene.ban(A)
        scene.run(60)
        waits_s = [round(each, 3) for each in gaps_s(scene.tries_s)]
        assert len(waits_s) == 20
        assert waits_s == sorted(waits_s)
        assert min(map(sum, pairwise(waits_s))) > 1.0, "three calls in one second"
        assert UPDATE_EVERY_S < waits_s[-1] <= PACE_MAX_S
        assert scene.v4.held == {A}

    def test_the_pace_is_back_after_a_success(self, scene: Scene) -> None:
        scene.v4.fails = [Throttled("rate exceeded")] * 3
        scene.ban(A)
        scene.run(30)
        scene.tries_s.clear()
        keys = strangers()
        scene.pass_time(10, every_s=0.5, do=lambda: scene.ban(next(keys)))
        assert len(scene.tries_s) >= 7


class TestOthers:
    def test_foreign_entries_stay_whatever_comes_and_goes(self, scene: Scene) -> None:
        scene.v4.edit([FOREIGN, C])
        scene.ban(A, seconds=60)
        scene.pass_time(10)
        assert scene.v4.held == {FOREIGN, C, A}
        scene.pass_time(60 + UNBAN_LAG_S)
        assert scene.v4.held == {FOREIGN, C}

    def test_after_a_lost_lock_both_edits_survive(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.edit([A, FOREIGN])
        scene.ban(B)
        scene.pass_time(5)
        assert scene.v4.held == {A, B, FOREIGN}
        assert (scene.v4.reads, scene.v4.writes) == (1, 1)

    def test_a_lock_lost_again_and_again_is_won_in_the_end(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.fails = [LockLost("stale")] * 5
        scene.ban(B)
        scene.run(15)
        assert scene.v4.held == {A, B}
        assert min(gaps_s(scene.tries_s)) >= 1.0

    def test_a_ban_that_somebody_removed_is_put_back(self, scene: Scene) -> None:
        scene.settle(A, B)
        scene.v4.edit([B, FOREIGN])
        scene.pass_time(AUDIT_S + 5)
        assert scene.v4.held == {A, B, FOREIGN}

    def test_nobody_on_the_allowlist_is_written(self, scene: Scene) -> None:
        scene.enforcer = scene.another("203.0.113.2", "2001:db8::42")
        scene.ban(A, B, V6)
        scene.pass_time(5)
        assert scene.held == ({A}, set())

    def test_who_is_named_while_his_removal_waits_is_out_at_once(self, scene: Scene) -> None:
        scene.ban(A, B, seconds=20)
        scene.pass_time(22)
        scene.enforcer.allow(Networks([A]))
        scene.pass_time(4)
        assert A not in scene.v4.held

    def test_a_key_in_the_ledger_that_is_no_address_is_named_and_costs_the_others_nothing(
        self, scene: Scene
    ) -> None:
        scene.ban("not-an-address", "203.0.113.1", A)
        with capture_logs() as lines:
            scene.run(5)
        assert scene.v4.held == {A}
        (line,) = [line for line in lines if line["event"] == "key_unreadable"]
        assert line["keys"] == ["203.0.113.1", "not-an-address"]

    def test_who_was_banned_before_the_allowlist_named_him_is_let_out(self, scene: Scene) -> None:
        scene.settle(A, B)
        scene.enforcer = scene.another("203.0.113.2")
        scene.pass_time(UNBAN_LAG_S + 5)
        assert scene.v4.held == {A}
