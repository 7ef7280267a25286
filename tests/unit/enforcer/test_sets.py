"""The enforcer with several sets and blocklists: deleted sets, new ones, drift, foreign entries, a full house."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.blocklists import Blocklist, Collapse, Foreign
from f2b_worker.domain.jails import Jail
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.enforcer import AUDIT_S, FIND_S, LedgerAdopter
from f2b_worker.errors import AccessDenied, BadEntry, LockLost, Throttled, Unavailable
from tests.unit.enforcer.scene import (
    FOREIGN,
    UNBAN_LAG_S,
    V6,
    A,
    B,
    C,
    IpSet,
    Scene,
    gaps_s,
    shown,
    strangers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.ports import IpSet as AnyIpSet
    from f2b_worker.ports import IpSetContents
    from f2b_worker.testing import MemoryIpSet

BLOCK = Blocklist("block", ("f2b",))
CAPTCHA = Blocklist("captcha", ("f2b-captcha",))


def metric(name: str, **labels: str) -> float:
    return shown(name, **labels) or 0.0


class MadeAgain(IpSet):
    """A set that was made anew, perhaps under the name of another."""

    @property
    def id(self) -> str:
        return f"{super().id}#again"


def home_of(key: str, scene: Scene) -> MemoryIpSet:
    """The set of the first blocklist that holds a key."""
    return next(each for each in scene.finder.ip_sets["block"] if key in each.held and not each.deleted)


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestSeveralBlocklists:
    def test_each_ban_goes_into_the_sets_of_its_blocklists_and_of_no_other(self) -> None:
        scene = Scene(BLOCK, CAPTCHA)
        scene.ban(A, blocklists=("block", "captcha"))
        scene.ban(B, blocklists=("captcha",))
        scene.ban(C, blocklists=("count",))
        scene.pass_time(10)
        assert scene.v4.held == {A}
        assert scene.finder.ip_sets["captcha"][0].held == {A, B}

    def test_a_ban_that_moves_to_another_blocklist_is_in_the_new_one_before_it_leaves_the_old_one(self) -> None:
        scene = Scene(BLOCK, CAPTCHA)
        scene.ban(A, blocklists=("captcha",))
        scene.pass_time(10)
        scene.clock.advance(1)
        scene.ban(A, blocklists=("block",))
        scene.pass_time(3)
        assert scene.v4.held == {A}
        scene.pass_time(UNBAN_LAG_S + 5)
        assert scene.finder.ip_sets["captcha"][0].held == set()

    def test_one_budget_serves_all_of_them(self) -> None:
        scene = Scene(BLOCK, CAPTCHA)
        keys, others = strangers(4), strangers(6)

        def attack() -> None:
            scene.ban(next(keys), next(others), blocklists=("block", "captcha"), seconds=20)

        scene.pass_time(60, every_s=0.5, do=attack)
        assert min(gaps_s(scene.tries_s)) >= 1.0
        assert len(scene.tries_s) > 40


class TestSetsThatComeAndGo:
    def test_a_set_that_somebody_deleted_costs_the_others_nothing_and_its_bans_move(self, scene: Scene) -> None:
        scene.make_set()
        scene.settle(A, V6)
        home_of(A, scene).deleted = True
        scene.ban(B)
        scene.pass_time(AUDIT_S + 5)
        assert home_of(A, scene).held == {A, B}
        assert scene.v6.held == {V6}
        assert metric("f2b_ip_sets_deleted_total") >= 1

    def test_bans_of_a_set_found_deleted_by_a_write_are_elsewhere_with_the_next_update(self, scene: Scene) -> None:
        scene.make_set()
        scene.settle(A)
        home_of(A, scene).deleted = True
        scene.ban(B)
        scene.pass_time(4)
        assert home_of(A, scene).held == {A, B}

    def test_a_set_that_was_made_while_it_runs_takes_bans_in(self, scene: Scene) -> None:
        scene.finder.ip_sets["block"] = [scene.v6]
        scene.ban(A)
        scene.pass_time(10)
        scene.finder.ip_sets["block"] = [scene.v4, scene.v6]
        scene.pass_time(FIND_S + 3)
        assert scene.v4.held == {A}

    @pytest.mark.parametrize("empty_for_s", [0, 4, 30])
    @pytest.mark.parametrize("name", ["block-ipv4-0", "block-ipv4-9"])
    def test_the_set_that_replaces_a_deleted_one_has_its_bans_within_15_s(
        self, scene: Scene, name: str, empty_for_s: float
    ) -> None:
        scene.settle(A, B)
        scene.v4.deleted = True
        scene.pass_time(empty_for_s)
        scene.ban(C)
        remade = MadeAgain(scene.clock, scene.tries_s, 4, name)
        scene.finder.ip_sets["block"] = [remade, scene.v6]
        scene.pass_time(15)
        assert remade.held == {A, B, C}

    def test_sets_are_looked_for_seldom_enough_that_others_may_ask_waf(self, scene: Scene) -> None:
        searches_s: list[float] = []

        class SlowFinder(type(scene.finder)):  # type: ignore[misc]
            takes_s = 0.2

            def find(
                self, tell: Callable[[str, AnyIpSet], None] = lambda *_: None
            ) -> Mapping[str, Sequence[AnyIpSet]]:
                searches_s.append(scene.clock.monotonic_s())
                scene.clock.advance(self.takes_s)
                found: Mapping[str, Sequence[AnyIpSet]] = super().find(tell)
                return found

        scene.finder = SlowFinder(scene.finder.ip_sets)
        scene.enforcer = scene.another()
        scene.pass_time(60)
        assert 10 <= len(searches_s) <= 13
        scene.finder.takes_s = 5.0
        searches_s.clear()
        scene.pass_time(200)
        assert 8 <= len(searches_s) <= 11

    def test_rules_are_looked_at_again_when_a_set_is_new(self, scene: Scene) -> None:
        scene.pass_time(30)
        other = MadeAgain(scene.clock, scene.tries_s, 4, scene.v4.name)
        scene.v4.deleted = True
        scene.finder.ip_sets["block"] = [other, scene.v6]
        scene.finder.not_referenced = {other.id}
        scene.pass_time(40)
        assert metric("f2b_ip_set_unreferenced", ip_set=other.name) == 1

    @pytest.mark.parametrize("slow", ["finder", "references"])
    def test_a_check_that_fails_costs_nothing_else(self, scene: Scene, slow: str) -> None:
        scene.settle(A)
        scene.finder.failure = Unavailable(f"no {slow}")
        scene.run(1000)
        scene.ban(B)
        scene.run(5)
        assert scene.v4.held == {A, B}
        assert scene.enforcer.ready

    def test_a_set_that_no_rule_refers_to_is_shown(self, scene: Scene) -> None:
        scene.finder.not_referenced = {scene.v6.id}
        scene.pass_time(30)
        assert metric("f2b_ip_set_unreferenced", ip_set=scene.v6.name) == 1
        assert metric("f2b_ip_set_unreferenced", ip_set=scene.v4.name) == 0

    def test_no_set_is_read_more_than_once_a_minute_and_at_most_four_in_a_second(self, scene: Scene) -> None:
        reads_s: list[float] = []

        class Watched(IpSet):
            def read(self) -> IpSetContents:
                reads_s.append(self._clock.monotonic_s())
                return super().read()

        scene.finder.ip_sets["block"] = [Watched(scene.clock, [], 4, f"watched-{number}") for number in range(20)]
        scene.pass_time(10 * AUDIT_S)
        assert 20 * 9 <= len(reads_s) <= 20 * 11
        assert all(later - earlier >= 1.0 for earlier, later in zip(reads_s, reads_s[4:], strict=False))


class TestDrift:
    def test_what_somebody_added_and_took_out_is_counted_and_the_bans_are_put_back(self, scene: Scene) -> None:
        scene.settle(A, B)
        before = metric("f2b_ip_set_drift_total", ip_set=scene.v4.name)
        scene.v4.edit([B, FOREIGN])
        scene.pass_time(AUDIT_S + 5)
        assert scene.v4.held == {A, B, FOREIGN}
        assert metric("f2b_ip_set_drift_total", ip_set=scene.v4.name) - before == 2

    def test_a_set_that_somebody_emptied_has_its_bans_back_soon_after_the_next_search(self, scene: Scene) -> None:
        scene.settle(A, V6)
        for _ in range(3):  # as often as somebody does it
            scene.v4.edit([])
            scene.v6.edit([])
            scene.pass_time(FIND_S + 3)
            assert scene.v4.held == {A}
            assert scene.v6.held == {V6}

    def test_nothing_is_read_more_often_because_an_own_update_is_newer_than_the_list(self, scene: Scene) -> None:
        keys = strangers()
        before = scene.v4.reads
        scene.pass_time(AUDIT_S / 2, every_s=0.5, do=lambda: scene.ban(next(keys)))
        assert scene.v4.reads <= before + 1

    def test_a_list_that_is_always_wrong_costs_one_reading_a_minute(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.be_listed = lambda: setattr(scene.v4, "listed_token", f"never had, {scene.clock.monotonic_s()}")  # type: ignore[method-assign]
        before = scene.v4.reads
        scene.pass_time(5 * AUDIT_S)
        assert 4 <= scene.v4.reads - before <= 12

    def test_an_update_without_an_answer_is_no_drift_and_its_bans_stay_ours(self, scene: Scene) -> None:
        scene.v4.fails, scene.v4.loses_answers = [Unavailable("no answer")], True
        scene.ban(A, seconds=60)
        scene.run(10)
        scene.pass_time(60 + UNBAN_LAG_S + 5)
        assert scene.v4.held == set()


class TestForeignEntries:
    def test_one_that_is_banned_later_survives_the_end_of_the_ban_and_a_restart(self, scene: Scene) -> None:
        scene.settle(B)
        scene.v4.edit([A, B])
        scene.pass_time(AUDIT_S + 5)
        scene.ban(A, seconds=30)
        scene.restart()
        scene.pass_time(30 + UNBAN_LAG_S + 10)
        scene.restart()
        scene.pass_time(AUDIT_S)
        assert scene.v4.held == {A, B}

    def test_one_that_its_owner_removed_is_banned_and_let_out_like_any_other(self, scene: Scene) -> None:
        scene.v4.edit([A])
        scene.pass_time(5)
        scene.v4.edit([])
        scene.pass_time(AUDIT_S + 5)
        scene.ban(A, seconds=30)
        scene.pass_time(5)
        assert scene.v4.held == {A}
        scene.pass_time(30 + UNBAN_LAG_S + 5)
        assert scene.v4.held == set()

    def test_nothing_is_noted_again_while_nothing_changes(self, scene: Scene) -> None:
        scene.v4.edit([FOREIGN])
        scene.pass_time(1000)
        scene.restart()
        scene.pass_time(1000)
        assert scene.notebook.written == 1

    def test_a_notebook_that_fails_is_tried_again(self, scene: Scene) -> None:
        scene.pass_time(5)
        scene.notebook.failure = Unavailable("no answer")
        scene.v4.edit([FOREIGN])
        scene.ban(A)
        scene.pass_time(AUDIT_S + 5)
        assert scene.v4.held == {A, FOREIGN}
        scene.notebook.failure = None
        scene.pass_time(3)
        assert scene.notebook.read().foreign == {scene.v4.id: {FOREIGN}}

    def test_what_is_removed_by_policy_goes_and_bans_stay(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), foreign=Foreign.REMOVE))
        scene.settle(A)
        scene.v4.edit([A, FOREIGN])
        scene.pass_time(AUDIT_S + 5)
        assert scene.v4.held == {A}

    def test_an_allowlisted_address_in_a_foreign_range_is_shown_and_the_range_stays(self, scene: Scene) -> None:
        scene.v4.edit([FOREIGN])
        scene.pass_time(5)
        assert metric("f2b_foreign_allowlisted", ip_set=scene.v4.name) == 0
        scene.enforcer.allow(Networks(["198.51.100.7"]))
        scene.pass_time(5)
        assert metric("f2b_foreign_allowlisted", ip_set=scene.v4.name) == 1
        assert scene.v4.held == {FOREIGN}


class TestAdoption:
    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene(Blocklist("block", ("f2b",), foreign=Foreign.ADOPT))
        scene.jail = Jail("adopted", bantime_ms=120_000)
        return scene

    def test_a_foreign_entry_gets_a_ban_of_the_jails_length_and_goes_when_it_ends(self, scene: Scene) -> None:
        scene.v4.edit([FOREIGN, A])
        scene.pass_time(60)
        assert scene.v4.held == {FOREIGN, A}
        assert [each.ban.count for each in scene.ledger.standing_of(FOREIGN)] == [1]
        scene.pass_time(60 + UNBAN_LAG_S + 10)
        assert (set(scene.v4.held), scene.v4.writes) == (set(), 1)

    def test_who_is_put_in_again_is_adopted_again_and_counted(self, scene: Scene) -> None:
        scene.v4.edit([A])
        scene.pass_time(200)
        scene.v4.edit([A])
        scene.pass_time(AUDIT_S + 5)
        assert [each.ban.count for each in scene.ledger.standing_of(A)] == [2]

    def test_an_entry_that_touches_the_allowlist_is_not_adopted(self, scene: Scene) -> None:
        scene.enforcer = scene.another("198.51.100.7")
        scene.v4.edit([FOREIGN, A])
        scene.pass_time(10)
        assert scene.ledger.standing_of(FOREIGN) == []
        assert len(scene.ledger.standing_of(A)) == 1

    def test_an_entry_inside_a_network_of_ours_is_adopted_once_and_goes(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), foreign=Foreign.ADOPT, collapse=Collapse(3)))
        scene.ban(A, B, C, seconds=30_000)
        scene.pass_time(150)
        scene.v4.edit(scene.v4.held | {"203.0.113.77/32", C})
        scene.pass_time(AUDIT_S + UNBAN_LAG_S + 10)
        assert scene.v4.held == {"203.0.113.0/24"}
        adopted = OffenderId("adopted", "203.0.113.77/32")
        assert scene.ledger.offender(adopted).revision == 1

    def test_a_banned_entry_is_adopted_once_a_blocklist_and_no_more(self, scene: Scene) -> None:
        adopter = LedgerAdopter(scene.ledger, lambda: scene.policy, scene.clock)
        for blocklist in ("block", "block", "captcha"):
            adopter.adopt([A], blocklist)
        (standing,) = scene.ledger.standing_of(A)
        assert (standing.ban.count, standing.ban.blocklists) == (1, ("block", "captcha"))


class TestFailures:
    def test_an_audit_that_fails_keeps_no_ban_waiting(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.reads_fail = Throttled("rate exceeded")
        scene.clock.advance(AUDIT_S)
        scene.ban(B)
        scene.pass_time(3)
        assert scene.v4.held == {A, B}

    def test_without_access_it_is_not_ready_and_is_again_when_it_has_access(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.fails = [AccessDenied("not authorised")]
        scene.ban(B)
        scene.pass_time(3)
        assert (scene.enforcer.ready, scene.enforcer.problem) == (False, "not authorised")
        scene.pass_time(6)
        assert (scene.enforcer.ready, scene.enforcer.problem) == (True, None)
        assert scene.v4.held == {A, B}

    def test_a_ledger_that_fails_makes_it_not_ready_and_removes_nothing(self, scene: Scene) -> None:
        scene.settle(A)
        scene.restart()
        scene.ledger.failure = Unavailable("no answer")
        scene.run(UNBAN_LAG_S + 100)
        assert (scene.enforcer.ready, set(scene.v4.held), scene.tries_s) == (False, {A}, [])
        scene.ledger.failure = None
        scene.run(10)
        assert (scene.enforcer.ready, scene.tries_s) == (True, [])

    def test_a_refused_entry_is_tried_again_after_an_hour(self, scene: Scene) -> None:
        scene.v4.fails = [BadEntry("refused", A)]
        scene.ban(A, B, seconds=10_000)
        scene.pass_time(1000)
        assert (set(scene.v4.held), metric("f2b_entries_quarantined")) == ({B}, 1)
        scene.pass_time(3000)
        assert (set(scene.v4.held), metric("f2b_entries_quarantined")) == ({A, B}, 0)

    def test_locks_lost_in_a_row_are_tried_again_with_a_wider_gap(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.fails = [LockLost("stale")] * 4
        scene.ban(B)
        scene.run(15)
        first_s, *others_s = gaps_s(scene.tries_s)
        assert min(others_s) > first_s >= 1.0
        assert scene.v4.reads == 4

    def test_another_writer_who_wins_most_seconds_loses_no_edit_and_keeps_no_ban_out(self, scene: Scene) -> None:
        scene.settle(A)
        edits: list[str] = []

        def edit() -> None:
            edits.append(f"198.51.{len(edits)}.0/24")
            scene.v4.edit([*scene.v4.held, edits[-1]])

        scene.pass_time(30, every_s=0.9, do=edit)
        scene.ban(B)
        scene.pass_time(3, every_s=0.9, do=edit)
        assert scene.v4.held >= {A, B, *edits}

    def test_who_took_the_slot_and_changed_the_set_costs_one_slot_and_not_two(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.fails = [Throttled("rate exceeded")]
        scene.v4.edit([A, "198.51.1.0/24"])
        scene.tries_s.clear()
        scene.ban(B)
        scene.pass_time(3)
        assert scene.v4.held == {A, B, "198.51.1.0/24"}
        assert len(scene.tries_s) == 2

    def test_an_outage_of_one_set_sends_its_bans_to_another(self, scene: Scene) -> None:
        scene.make_set()
        scene.settle(A)
        home = home_of(A, scene)
        home.failure = Unavailable("no answer")
        scene.ban(B)
        scene.pass_time(6)
        assert home_of(B, scene) is not home

    def test_who_shares_the_budget_slows_it_down_and_success_brings_the_pace_back(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.fails = [Throttled("rate exceeded")] * 4
        scene.ban(B)
        scene.pass_time(30)
        scene.tries_s.clear()
        for number in range(5):
            scene.ban(f"198.18.0.{number}/32")
            scene.pass_time(1.1)
        assert len(scene.tries_s) >= 3


class TestRemovals:
    def test_three_sets_lose_half_of_their_bans_in_three_seconds_and_three_updates(self) -> None:
        scene = Scene(capacity=260)
        for number, ip_set in enumerate([scene.v4, scene.make_set(), scene.make_set()]):
            keys = [f"198.18.{number}.{host}/32" for host in range(250)]
            ip_set.edit(keys)
            scene.ban(*keys[:125], seconds=100)
            scene.ban(*keys[125:], seconds=1000)
        scene.pass_time(100 + UNBAN_LAG_S + 5)
        assert len(scene.tries_s) == 3
        assert scene.tries_s[2] - scene.tries_s[0] < 3.0
        assert {len(each.held) for each in scene.finder.ip_sets["block"]} == {125, 0}


class TestFull:
    def test_what_finds_no_room_is_counted_by_blocklist(self) -> None:
        scene = Scene(BLOCK, CAPTCHA, capacity=2)
        scene.ban(A, seconds=1000, blocklists=("captcha",))
        scene.ban(B, C, seconds=2000, blocklists=("captcha",))
        scene.pass_time(10)
        assert scene.finder.ip_sets["captcha"][0].held == {B, C}
        assert metric("f2b_bans_left_out", blocklist="captcha") == 1
        assert metric("f2b_bans_left_out", blocklist="block") == 0


class TestRestart:
    def test_nothing_is_written_before_every_set_was_looked_into(self) -> None:
        scene = Scene(capacity=300)
        sets = [scene.v4, *(scene.make_set() for _ in range(11))]
        for number, ip_set in enumerate(sets):
            ip_set.edit([f"198.18.{number}.{host}/32" for host in range(250)])
            scene.ban(*ip_set.held)
        scene.pass_time(30)
        assert scene.tries_s == []

    def test_a_collapsed_network_is_known_as_ours_again_and_goes_when_its_bans_end(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), collapse=Collapse(3)))
        scene.ban(A, B, C, seconds=100)
        scene.pass_time(10 + UNBAN_LAG_S)
        assert scene.v4.held == {"203.0.113.0/24"}
        scene.tries_s.clear()
        scene.restart()
        scene.pass_time(20)
        assert (set(scene.v4.held), scene.tries_s) == ({"203.0.113.0/24"}, [])
        scene.pass_time(100 + UNBAN_LAG_S)
        assert scene.v4.held == set()
