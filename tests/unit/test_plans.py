import pytest

from f2b_worker.domain.addresses import Networks
from f2b_worker.domain.plans import CAPACITY, Plan, SetView, Waiting, enforceable, next_set, plan, running
from f2b_worker.domain.verdicts import OffenderId

A, B, C, D = (f"203.0.113.{host}/32" for host in (1, 2, 3, 4))
HOME = "2001:db8::/64"
NOW_MS = 1_000
NOTHING: frozenset[str] = frozenset()


def view(*held: str, ours: frozenset[str] = NOTHING, family: int = 4) -> SetView:
    return SetView(family, frozenset(held), ours)


def needs(added: frozenset[str] = NOTHING, removed: frozenset[str] = NOTHING) -> Plan:
    return Plan(entries=added, added=added, removed=removed, left_out=NOTHING)


@pytest.mark.parametrize(("until_ms", "runs"), [(NOW_MS - 1, False), (NOW_MS, True), (NOW_MS + 1, True)])
def test_a_ban_runs_up_to_and_at_its_end(until_ms: int, runs: bool) -> None:
    assert running({OffenderId("login", A): until_ms}, NOW_MS) == ({A: until_ms} if runs else {})


@pytest.mark.parametrize("ends_ms", [(2000, 3000, 500), (3000, 500, 2000), (500, 2000, 3000)])
def test_a_key_banned_in_several_jails_stays_until_the_latest_end(ends_ms: tuple[int, ...]) -> None:
    bans = {OffenderId(f"jail-{number}", A): until_ms for number, until_ms in enumerate(ends_ms)}
    assert running(bans, NOW_MS) == {A: 3000}


@pytest.mark.parametrize("allowed", ["203.0.113.1", "203.0.113.1/32", "203.0.113.0/31", "0.0.0.0/0"])
def test_nothing_allowlisted_passes_the_last_door(allowed: str) -> None:
    assert enforceable({A: 5, D: 6, HOME: 7}, Networks([allowed])).keys() & {A} == set()


def test_a_network_that_holds_one_allowlisted_address_does_not_pass_and_others_do() -> None:
    active = {A: 5, HOME: 6, "198.51.100.0/24": 7}
    assert enforceable(active, Networks(["2001:db8::77", "198.51.100.9"])) == {A: 5}


def test_a_set_gets_the_active_bans_of_its_family() -> None:
    active = {A: 5, HOME: 6}
    assert plan(view(), active).entries == {A}
    assert plan(view(family=6), active).entries == {HOME}


def test_what_is_foreign_stays_and_what_is_ours_and_over_goes() -> None:
    foreign = "198.51.100.0/24"
    made = plan(view(foreign, A, B, ours=frozenset({A, B, C})), {B: 5, C: 6})
    assert made == Plan(frozenset({foreign, B, C}), frozenset({C}), frozenset({A}), NOTHING)
    assert made.changes


def test_a_set_that_is_right_is_not_written() -> None:
    assert not plan(view(A, D, ours=frozenset({A})), {A: 5}).changes


def test_a_lost_update_is_planned_again() -> None:
    asked = plan(view(), {A: 5})
    assert plan(view(), {A: 5}) == asked
    assert not plan(view(*asked.entries, ours=frozenset({A})), {A: 5}).changes


def test_when_there_is_no_room_the_bans_that_end_soonest_stay_out() -> None:
    made = plan(view(B, ours=frozenset({B})), {A: 30, B: 10, C: 20, D: 40}, capacity=3)
    assert made == Plan(frozenset({A, C, D}), frozenset({A, C, D}), frozenset({B}), frozenset({B}))


def test_foreign_entries_take_room_and_are_never_the_ones_left_out() -> None:
    foreign = [f"198.51.100.{host}/32" for host in range(3)]
    assert plan(view(*foreign), {A: 5, B: 6}, capacity=4).entries == {*foreign, B}
    assert plan(view(*foreign), {A: 5, B: 6}, capacity=2).entries == set(foreign)


def test_a_foreign_entry_that_is_banned_too_takes_room_once() -> None:
    assert plan(view(A), {A: 20, B: 10}, capacity=2).entries == {A, B}


@pytest.mark.parametrize("order", [(A, B, C), (C, B, A), (B, A, C)])
def test_two_enforcers_choose_alike_among_bans_that_end_together(order: tuple[str, ...]) -> None:
    assert plan(view(), dict.fromkeys(order, 5), capacity=2).left_out == {C}


def test_what_stayed_out_enters_when_room_appears() -> None:
    active = {A: 10, B: 20}
    full = plan(view(), active, capacity=1)
    later = plan(view(*full.entries, ours=frozenset(active)), {A: 10}, capacity=1)
    assert full.left_out == later.added == {A}
    assert later.removed == {B}


def test_a_set_holds_ten_thousand_addresses_and_no_more() -> None:
    active = {f"198.18.{n // 250}.{n % 250}/32": n for n in range(CAPACITY + 1)}
    made = plan(view(), active)
    assert len(made.entries) == 10_000
    assert made.left_out == {"198.18.0.0/32"}


ADDED = Plan(frozenset({"a"}), frozenset({"a"}), frozenset(), frozenset())
REMOVED = Plan(frozenset(), frozenset(), frozenset({"b"}), frozenset())
SAME = Plan(frozenset(), frozenset(), frozenset(), frozenset())


def test_a_new_ban_is_due_at_once_and_a_removal_after_the_lag() -> None:
    bans, removals, nothing = Waiting(), Waiting(), Waiting()
    for waiting, planned in ((bans, ADDED), (removals, REMOVED), (nothing, SAME)):
        waiting.note(planned, 10.0)
        waiting.note(planned, 15.0)

    assert (bans.due_s(60), removals.due_s(60), nothing.due_s(60)) == (10.0, 70.0, None)


def test_what_no_longer_waits_is_no_longer_due() -> None:
    waiting = Waiting()
    waiting.note(ADDED, 0.0)
    waiting.note(SAME, 1.0)
    waiting.note(ADDED, 2.0)

    assert waiting.due_s(60) == 2.0


@pytest.mark.parametrize(
    ("dues_s", "number"),
    [
        ({}, None),
        ({0: None, 1: None}, None),
        ({0: 10.1, 1: None}, None),
        ({0: 10.0, 1: None}, 0),
        ({0: 9.0, 1: 8.0}, 1),
        ({0: None, 1: 3.0}, 1),
    ],
)
def test_the_set_that_is_due_for_longest_is_written_next(
    dues_s: dict[int, float | None], number: int | None
) -> None:
    assert next_set(dues_s, now_s=10.0) == number
