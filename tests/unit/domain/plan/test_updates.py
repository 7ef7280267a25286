"""Which IP set is written next, and what: a pure function of what is wanted, held and waiting."""

from __future__ import annotations

import pytest

from f2b_worker.domain.blocklists import Foreign
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.group import Group
from f2b_worker.domain.plan.lifted import Lifted
from f2b_worker.domain.plan.origin import Origin
from f2b_worker.domain.plan.updates import REMOVALS_WAIT_S, Update, Why, early_update, next_update

LAG_S = 60.0


def keys(number: int, start: int = 0) -> list[str]:
    return [f"198.18.{each // 250}.{each % 250}/32" for each in range(start, start + number)]


A, B, C, D, E, F = keys(6)
FOREIGN = "198.51.100.0/24"


class Bench:
    """One group of IPv4 sets that are usable unless told otherwise."""

    def __init__(self, *sets: list[str], capacity: int = 10, policy: Foreign = Foreign.KEEP) -> None:
        self.group = Group("block", 4, policy=policy, unban_lag_s=LAG_S, capacity=capacity)
        self.usable: set[str] = set()
        self.now_s = 100.0
        for number, held in enumerate(sets):
            self.add(str(number), held)

    def add(self, set_id: str, held: list[str], foreign: tuple[str, ...] = ()) -> None:
        self.group.add_set(set_id, self.now_s)
        self.group.read(
            set_id,
            frozenset([*held, *foreign]),
            lambda entry: Origin.FOREIGN if entry in foreign else Origin.OURS,
            self.now_s,
        )
        self.usable.add(set_id)

    def want(self, *entries: str, until_ms: int = 1000) -> None:
        for entry in entries:
            self.group.want(entry, until_ms, self.now_s)

    def plan(self, *, after_removals: bool = False) -> Update | None:
        return next_update([self.group], self.now_s, self.usable, after_removals=after_removals)

    def planned(self) -> Update:
        update = self.plan()
        assert update is not None
        return update

    def carry_out(self) -> Update:
        update = self.planned()
        self.group.written(update.set_id, update.added, update.removed, self.now_s)
        return update

    def held(self) -> list[set[str]]:
        return [set(kept.held) for kept in self.group.sets.values()]


class TestNewBans:
    def test_all_of_them_go_into_one_set(self) -> None:
        bench = Bench([], [])
        bench.want(A, B, C)
        assert bench.carry_out().added == {A, B, C}
        assert bench.plan() is None

    def test_the_fullest_set_with_room_for_all_takes_them(self) -> None:
        bench = Bench([A], [B, C], keys(9, 100))
        bench.want(A, B, C, *keys(9, 100))
        bench.want(D, E)
        assert (bench.planned().set_id, bench.planned().why) == ("1", Why.BANS)

    def test_a_set_with_removals_waiting_is_preferred_and_they_ride_along(self) -> None:
        bench = Bench([A], [B, C, D])
        bench.want(B, C, D, E)
        update = bench.planned()
        assert (update.set_id, set(update.added), set(update.removed), set(update.entries)) == (
            "0",
            {E},
            {A},
            {E},
        )

    def test_if_none_has_room_for_all_the_set_with_most_room_takes_what_it_can(self) -> None:
        bench = Bench(keys(8), keys(5, 100))
        bench.want(*keys(8), *keys(5, 100))
        bench.want(*keys(7, 200))
        assert (bench.carry_out().set_id, len(bench.planned().added)) == ("1", 2)
        assert bench.carry_out().set_id == "0"
        assert bench.plan() is None
        assert set().union(*bench.held()) == {*keys(8), *keys(5, 100), *keys(7, 200)}

    def test_where_not_all_have_room_the_longest_waiting_goes_first(self) -> None:
        bench = Bench(keys(9), keys(10, 100))
        bench.want(*keys(9), *keys(10, 100))
        bench.group.add_set("unread", bench.now_s)
        bench.want("198.18.9.9/32")
        bench.now_s += 1
        bench.want("198.18.9.8/32")
        assert bench.planned().added == {"198.18.9.9/32"}

    def test_the_group_that_waits_longest_goes_first(self) -> None:
        early, late = Bench([]), Bench([])
        late.want(A)
        early.now_s -= 1
        early.want(B)
        late.usable = early.usable
        update = next_update([late.group, early.group], 100.0, early.usable)
        assert update is not None
        assert update.added == {B}

    def test_a_set_that_is_not_usable_is_passed_over(self) -> None:
        bench = Bench([], [D])
        bench.want(D, A)
        bench.usable = {"0"}
        assert bench.planned().set_id == "0"

    def test_an_entry_stays_in_the_set_where_it_is(self) -> None:
        bench = Bench([A, B, C, D, E, F], keys(6, 100))
        bench.want(A, B, C, D, E, F, *keys(6, 100))
        assert bench.plan() is None


class TestRemovals:
    def test_one_alone_waits_for_the_lag(self) -> None:
        bench = Bench([A])
        assert bench.plan() is None
        bench.now_s += LAG_S
        assert (set(bench.planned().removed), bench.planned().why) == ({A}, Why.REMOVALS)

    def test_a_ban_goes_before_a_removal_that_is_just_due(self) -> None:
        bench = Bench([A], [])
        bench.now_s += LAG_S
        bench.group.sets["1"].put_in(keys(3, 50))
        bench.usable = {"0", "1"}
        other = Bench([])
        other.usable = bench.usable
        other.want(B)
        update = next_update([bench.group, other.group], bench.now_s, bench.usable)
        assert update is not None
        assert update.added == {B}

    def test_a_removal_that_waited_for_too_long_takes_every_other_second(self) -> None:
        bench, other = Bench([A]), Bench([])
        other.want(B)
        now_s = bench.now_s + LAG_S + REMOVALS_WAIT_S
        first = next_update([bench.group, other.group], now_s, {"0"})
        second = next_update([bench.group, other.group], now_s, {"0"}, after_removals=True)
        assert first is not None
        assert second is not None
        assert (set(first.removed), set(second.added)) == ({A}, {B})

    def test_who_is_allowed_does_not_wait_for_the_lag(self) -> None:
        bench = Bench([A])
        bench.want(A)
        bench.group.unwant(A, bench.now_s)
        assert bench.plan() is None
        bench.group.allow(Networks([A]), bench.now_s)
        assert bench.planned().removed == {A}

    def test_who_is_wanted_again_before_the_removal_stays(self) -> None:
        bench = Bench([A])
        bench.now_s += LAG_S / 2
        bench.want(A)
        bench.now_s += LAG_S
        assert bench.plan() is None


class TestGoingFree:
    def test_it_comes_before_bans_and_takes_those_along_that_find_room(self) -> None:
        bench = Bench([A, B], [], capacity=3)
        bench.want(A, B)
        bench.group.unwant(A, bench.now_s)
        bench.group.allow(Networks([A]), bench.now_s)
        bench.want(*keys(10, 100))
        update = bench.carry_out()
        assert (update.set_id, update.why, set(update.removed)) == ("0", Why.REMOVALS, {A})
        assert update.added == set(keys(2, 100))
        assert bench.planned().why is Why.BANS

    def test_of_several_sets_that_from_which_most_goes_is_written_first(self) -> None:
        bench = Bench([A], [B, C])
        bench.want(A, B, C)
        for entry in (A, B, C):
            bench.group.unwant(entry, bench.now_s)
        bench.group.allow(Networks([A, B, C]), bench.now_s)
        assert [set(bench.carry_out().removed) for _ in range(2)] == [{B, C}, {A}]

    def test_bans_have_every_other_update_however_much_is_freed(self) -> None:
        bench = Bench([A])
        bench.want(A)
        bench.group.unwant(A, bench.now_s)
        bench.group.allow(Networks([A]), bench.now_s)
        other = Bench([])
        other.want(B)
        for after_removals, removed in ((False, {A}), (True, set())):
            update = next_update([bench.group, other.group], bench.now_s, {"0"}, after_removals=after_removals)
            assert update is not None
            assert update.removed == removed

    def test_who_was_lifted_goes_at_once_though_the_removal_waited_already(self) -> None:
        bench = Bench()
        lifted = Lifted()
        bench.group = Group("block", 4, lifted=lifted, unban_lag_s=LAG_S)
        bench.add("0", [A, B])
        bench.want(A, B)
        bench.group.unwant(A, bench.now_s)
        bench.group.unwant(B, bench.now_s)
        assert bench.plan() is None
        lifted.note(A, 0)
        bench.group.hurry(bench.now_s)
        assert bench.planned().removed == {A, B}
        assert bench.group.sets["0"].hurried == {A}

    def test_in_a_disturbance_it_is_not_spared(self) -> None:
        bench = Bench([A, B])
        bench.want(A, B)
        bench.group.unwant(A, bench.now_s)
        bench.group.unwant(B, bench.now_s)
        bench.group.allow(Networks([A]), bench.now_s)
        bench.now_s += LAG_S
        bench.group.spared_s = bench.now_s
        assert bench.planned().removed == {A}


class TestPaused:
    def test_nothing_is_put_in_and_nothing_ended_is_taken_out(self) -> None:
        bench = Bench([A], [B], capacity=10)
        bench.want(B, C)
        bench.group.is_paused = True
        bench.now_s += 10 * LAG_S
        assert bench.plan() is None
        bench.group.is_paused = False
        assert (set(bench.planned().added), set(bench.planned().removed)) == ({C}, {A})

    def test_who_is_to_go_free_goes_alone(self) -> None:
        bench = Bench([A, B])
        bench.want(A, C)
        bench.group.is_paused = True
        bench.now_s += 10 * LAG_S
        bench.group.unwant(A, bench.now_s)
        bench.group.allow(Networks([A]), bench.now_s)
        update = bench.carry_out()
        assert (set(update.added), set(update.removed), set(update.entries)) == (set(), {A}, {B})
        assert bench.plan() is None

    def test_what_is_blocked_already_may_take_the_place_of_the_range_that_goes(self) -> None:
        bench = Bench(["198.18.0.0/31", C])
        bench.want("198.18.0.0/31", C)
        bench.group.is_paused = True
        bench.want(A, D)
        bench.group.unwant("198.18.0.0/31", bench.now_s)
        bench.group.allow(Networks([B]), bench.now_s)
        assert bench.carry_out().entries == {A, C}

    def test_another_group_goes_on(self) -> None:
        bench, other = Bench([]), Bench([])
        bench.want(A)
        other.want(B)
        bench.group.is_paused = True
        update = next_update([bench.group, other.group], bench.now_s, {"0"})
        assert update is not None
        assert update.added == {B}


class TestForeign:
    def test_an_entry_of_somebody_elses_stays_and_takes_room(self) -> None:
        bench = Bench(capacity=2)
        bench.add("0", [], foreign=(FOREIGN,))
        bench.want(A, until_ms=10)
        bench.want(B, until_ms=20)
        assert bench.carry_out().entries == {FOREIGN, B}
        assert (bench.group.left_out, bench.plan()) == (1, None)

    def test_one_that_is_banned_too_is_not_written_again_and_outlives_the_ban(self) -> None:
        bench = Bench()
        bench.add("0", [], foreign=(A,))
        bench.want(A)
        assert bench.plan() is None
        bench.group.unwant(A, bench.now_s)
        bench.now_s += 10 * LAG_S
        assert bench.plan() is None

    def test_what_is_removed_goes_in_a_spare_second(self) -> None:
        bench = Bench(policy=Foreign.REMOVE)
        bench.add("0", [A], foreign=(FOREIGN,))
        bench.want(A)
        assert bench.planned().removed == {FOREIGN}

    def test_what_is_adopted_is_ours_as_soon_as_it_is_wanted_and_goes_when_it_no_longer_is(self) -> None:
        bench = Bench(policy=Foreign.ADOPT)
        bench.add("0", [], foreign=(FOREIGN,))
        assert bench.group.sets["0"].foreign == {FOREIGN}
        bench.want(FOREIGN)
        assert bench.group.sets["0"].foreign == set()
        bench.group.unwant(FOREIGN, bench.now_s)
        bench.now_s += LAG_S
        assert bench.planned().removed == {FOREIGN}

    def test_one_that_its_owner_removed_is_no_longer_foreign(self) -> None:
        bench = Bench()
        bench.add("0", [], foreign=(A,))
        bench.group.read("0", frozenset(), lambda _: Origin.FOREIGN, bench.now_s)
        bench.group.read("0", frozenset([A]), lambda _: Origin.OURS, bench.now_s)
        bench.now_s += LAG_S
        assert bench.planned().removed == {A}


class TestFull:
    def test_the_bans_that_end_soonest_stay_out_and_held_ones_make_room_for_later_ends(self) -> None:
        bench = Bench([B], capacity=3)
        for entry, until_ms in ((A, 30), (B, 10), (C, 20), (D, 40)):
            bench.want(entry, until_ms=until_ms)
        update = bench.carry_out()
        assert (set(update.entries), set(update.removed), bench.group.left_out) == ({A, C, D}, {B}, 1)

    @pytest.mark.parametrize("order", [(A, B, C), (C, B, A), (B, A, C)])
    def test_two_enforcers_choose_alike_among_bans_that_end_together(self, order: tuple[str, ...]) -> None:
        bench = Bench([], capacity=2)
        bench.want(*order)
        assert bench.planned().entries == {A, B}

    def test_what_stayed_out_enters_when_room_appears(self) -> None:
        bench = Bench([], capacity=1)
        bench.want(A, until_ms=10)
        bench.want(B, until_ms=20)
        assert bench.carry_out().entries == {B}
        bench.group.unwant(B, bench.now_s)
        assert bench.carry_out().entries == {A}

    def test_an_extension_brings_in_who_was_left_out(self) -> None:
        bench = Bench([], capacity=1)
        bench.want(A, until_ms=10)
        bench.want(B, until_ms=20)
        bench.carry_out()
        bench.want(A, until_ms=30)
        assert (set(bench.planned().added), set(bench.planned().removed)) == ({A}, {B})

    def test_nothing_is_displaced_while_a_set_was_never_read(self) -> None:
        bench = Bench([A, B], capacity=2)
        bench.group.add_set("unknown", bench.now_s)
        bench.want(A, B, until_ms=10)
        bench.want(C, D, until_ms=20)
        assert bench.plan() is None

    def test_a_set_that_vanishes_sends_its_bans_to_the_others_at_once(self) -> None:
        bench = Bench([A, B, C], [D, E, F, *keys(5, 100)])
        bench.want(A, B, C, D, E, F, *keys(5, 100))
        bench.group.drop_set("0", bench.now_s)
        assert (set(bench.carry_out().added), bench.group.left_out) == ({A, B, C}, 1)
        assert (len(bench.held()[0]), bench.plan()) == (10, None)

    def test_a_refused_entry_stays_out_until_it_is_accepted(self) -> None:
        bench = Bench([])
        bench.want(A, B)
        bench.group.refuse(A, bench.now_s)
        assert bench.carry_out().entries == {B}
        bench.group.accept(A, bench.now_s)
        assert bench.planned().added == {A}


class TestDuplicatesAndCompaction:
    def test_a_duplicate_goes_out_of_the_emptier_set(self) -> None:
        bench = Bench([A], [A, *keys(8, 100)])
        bench.want(A, *keys(8, 100))
        bench.now_s += LAG_S
        assert (bench.planned().set_id, set(bench.planned().removed)) == ("0", {A})

    def test_one_copy_goes_only_while_the_other_is_certain(self) -> None:
        bench = Bench([A], [A, *keys(8, 100)])
        bench.want(A, *keys(8, 100))
        bench.now_s += LAG_S
        bench.usable = {"0"}
        assert bench.plan() is None

    def test_a_half_empty_set_is_copied_into_a_fuller_one_and_emptied_later(self) -> None:
        bench = Bench([A, B], [C, D, E])
        bench.want(A, B, C, D, E)
        copied = bench.carry_out()
        assert (copied.set_id, copied.why, set(copied.removed)) == ("1", Why.COMPACTION, set())
        assert bench.plan() is None
        bench.now_s += LAG_S
        assert bench.carry_out().set_id == "0"
        assert bench.held() == [set(), {A, B, C, D, E}]
        assert bench.plan() is None

    def test_sets_that_do_not_fit_into_one_stay_apart(self) -> None:
        bench = Bench(keys(5), keys(5, 100))
        bench.want(*keys(5), *keys(5, 100))
        assert bench.plan() is None


@pytest.mark.parametrize("number", [3, 9])
def test_a_group_that_starts_with_all_bans_is_as_one_that_learned_them_one_by_one(number: int) -> None:
    ends_ms = {f"203.0.113.{host}/32": 1000 + host for host in range(number)}
    at_once, one_by_one = (Group("block", 4, capacity=5) for _ in range(2))
    for group in (at_once, one_by_one):
        group.add_set("0", 0.0)
    at_once.start(ends_ms, 7.0)
    for entry, until_ms in ends_ms.items():
        one_by_one.want(entry, until_ms, 7.0)
    for group in (at_once, one_by_one):
        group.read("0", frozenset(["203.0.113.1/32", "192.0.2.1/32"]), lambda _: Origin.OURS, 8.0)
    assert at_once.wanted == one_by_one.wanted
    assert at_once.pending == one_by_one.pending
    assert at_once.left_out == one_by_one.left_out
    assert at_once.sets["0"] == one_by_one.sets["0"]


class TestEarly:
    """Before every set was looked into."""

    def early(self, bench: Bench, **newcomers: int) -> Update | None:
        named = dict(zip("ABCDEF", (A, B, C, D, E, F), strict=True))
        return early_update([bench.group], {named[name]: ms for name, ms in newcomers.items()}, bench.usable)

    def test_only_newcomers_go_in_and_nothing_goes_out(self) -> None:
        bench = Bench([A, B])
        bench.want(A, C, D)
        bench.group.unwant(B, 0.0)
        update = self.early(bench, D=1)
        assert update
        assert update.entries == {A, B, D}
        assert update.added == {D}
        assert not update.removed

    def test_who_is_in_a_set_is_not_written_again(self) -> None:
        bench = Bench([A])
        bench.want(A, B)
        assert self.early(bench, A=1) is None

    def test_a_set_never_gets_more_than_it_holds_and_the_latest_go_first(self) -> None:
        bench = Bench([A], [B, C], capacity=3)
        bench.want(A, B, C, D, E, F)
        update = self.early(bench, D=1, E=3, F=2)
        assert update
        assert update.set_id == "0"
        assert update.added == {E, F}

    def test_the_fullest_set_with_room_for_all_takes_them(self) -> None:
        bench = Bench([], [A, B], capacity=4)
        bench.want(A, B, C, D)
        update = self.early(bench, C=1, D=1)
        assert update
        assert update.entries == {A, B, C, D}

    def test_a_set_whose_contents_are_not_certain_is_left_alone(self) -> None:
        bench = Bench([A])
        bench.want(A, B)
        bench.usable.clear()
        assert self.early(bench, B=1) is None

    def test_full_sets_take_nobody(self) -> None:
        bench = Bench([A], capacity=1)
        bench.group.expect_more()
        bench.want(A, B)
        assert self.early(bench, B=1) is None

    def test_before_all_sets_are_found_nobody_is_displaced(self) -> None:
        bench = Bench([A], capacity=1)
        bench.group.expect_more()
        bench.want(A, until_ms=1000)
        bench.want(B, until_ms=2000)
        assert bench.plan() is None
        before = bench.group.left_out
        bench.group.have_all(["0"], bench.now_s)
        assert (before, bench.group.left_out) == (0, 1)
        assert bench.planned().entries == {B}
