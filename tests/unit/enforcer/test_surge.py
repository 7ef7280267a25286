"""The surge guard at work: new bans are held back, old ones stay, and a release lets all in."""

from __future__ import annotations

import pytest

from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.blocklists import Blocklist
from f2b_worker.domain.judge.verdicts import BY_HAND, IMPORTED, OffenderId
from f2b_worker.enforcer.lifting import GRACE_S
from f2b_worker.errors import Throttled, Unavailable
from tests.unit.enforcer.scene import UNBAN_LAG_S, A, B, C, Scene

LIMIT = 10
CROWD = [f"198.18.0.{host}/32" for host in range(30)]


@pytest.fixture
def scene() -> Scene:
    return Scene(limit=LIMIT)


def release(scene: Scene) -> None:
    scene.notebook.note_release(scene.clock.now_ms())
    scene.pass_time(8)


def test_up_to_the_limit_all_go_in(scene: Scene) -> None:
    scene.ban(*CROWD[:LIMIT])
    scene.pass_time(10)
    assert scene.v4.held == set(CROWD[:LIMIT])


def test_more_than_the_limit_stay_out_and_who_is_in_stays_in(scene: Scene) -> None:
    scene.settle(A)
    scene.clock.advance(60)
    scene.ban(*CROWD)
    scene.pass_time(600)
    assert scene.v4.held == {A}


def test_bans_of_other_minutes_are_held_back_too_until_somebody_has_looked(scene: Scene) -> None:
    scene.ban(*CROWD)
    scene.pass_time(600)
    scene.ban(B)
    scene.pass_time(10)
    assert B not in scene.v4.held


@pytest.mark.parametrize("origin", [BY_HAND, IMPORTED])
def test_whoever_is_banned_by_order_goes_in_although_others_are_held_back(scene: Scene, origin: str) -> None:
    scene.ban(*CROWD)
    scene.pass_time(100)
    scene.ban(B, jail="manual", origin=origin)
    scene.ban(CROWD[0], jail="manual", origin=origin)
    scene.pass_time(3)
    assert scene.v4.held == {B, CROWD[0]}


@pytest.mark.parametrize("origin", [BY_HAND, IMPORTED])
def test_any_number_of_bans_that_somebody_orders_is_no_surge(scene: Scene, origin: str) -> None:
    scene.ban(*CROWD, jail="manual", origin=origin)
    scene.ban(A)
    scene.pass_time(10)
    assert scene.v4.held == {A, *CROWD}


def test_removals_go_on(scene: Scene) -> None:
    scene.ban(A, seconds=100)
    scene.pass_time(70)
    scene.ban(*CROWD)
    scene.pass_time(30 + UNBAN_LAG_S + 5)
    assert scene.v4.held == set()


def test_a_release_lets_all_in_within_seconds(scene: Scene) -> None:
    scene.ban(*CROWD)
    scene.pass_time(100)
    release(scene)
    assert scene.v4.held == set(CROWD)


def test_a_surge_that_goes_on_after_the_release_is_held_back_again(scene: Scene) -> None:
    scene.ban(*CROWD)
    scene.pass_time(100)
    release(scene)
    scene.ban(*(f"198.18.1.{host}/32" for host in range(30)))
    scene.pass_time(30)
    assert scene.v4.held == set(CROWD)


def test_it_stays_tripped_across_a_restart_and_nobody_falls_out(scene: Scene) -> None:
    scene.settle(A)
    scene.clock.advance(60)
    scene.ban(*CROWD)
    scene.pass_time(5)
    scene.v4.edit([A, CROWD[0]])  # somebody let one in by hand
    scene.pass_time(70)
    scene.restart()
    scene.pass_time(UNBAN_LAG_S + 100)
    assert scene.v4.held == {A, CROWD[0]}
    release(scene)
    assert scene.v4.held == {A, *CROWD}


def test_a_ban_in_a_set_that_starts_after_the_surge_stays_in_across_a_restart(scene: Scene) -> None:
    scene.settle(A)
    scene.clock.advance(60)
    scene.ban(*CROWD)
    scene.pass_time(5)
    scene.ban(A, seconds=7200)
    scene.restart()
    scene.pass_time(4000)
    assert scene.v4.held == {A}


def test_a_start_with_many_active_bans_in_the_sets_trips_nothing(scene: Scene) -> None:
    scene.v4.edit(CROWD)
    scene.ban(*CROWD)
    scene.pass_time(10)
    scene.ban(A)
    scene.pass_time(5)
    assert scene.v4.held == {*CROWD, A}
    assert scene.notebook.read().held_back_from_ms is None


def test_a_backlog_judged_at_once_trips_nothing(scene: Scene) -> None:
    for number, key in enumerate(CROWD):
        scene.ban(key, seconds=7200, ago_s=10 * number)
    scene.pass_time(10)
    assert scene.v4.held == set(CROWD)


def test_offenders_who_are_banned_again_count_again(scene: Scene) -> None:
    scene.pass_time(GRACE_S + 1)
    for number in range(LIMIT + 1):
        scene.ban(CROWD[number % 2], seconds=1)
        scene.pass_time(2.5)
    scene.ban(B)
    scene.pass_time(5)
    assert B not in scene.v4.held


def test_a_surge_that_could_not_be_noted_is_noted_later(scene: Scene) -> None:
    scene.pass_time(5)
    scene.notebook.failure = Unavailable("no answer")
    scene.ban(*CROWD)
    scene.pass_time(30)
    assert scene.v4.held == set()
    scene.notebook.failure = None
    scene.pass_time(3)
    assert scene.notebook.read().held_back_from_ms is not None


def test_without_a_limit_an_old_note_holds_nobody_back() -> None:
    scene = Scene()
    scene.notebook.note_surge(0)
    scene.ban(*CROWD)
    scene.pass_time(10)
    assert scene.v4.held == set(CROWD)


def test_switching_the_guard_off_ends_a_surge_for_good(scene: Scene) -> None:
    scene.ban(*CROWD, seconds=600)
    scene.pass_time(20)
    scene.limit = 0
    scene.restart()
    scene.pass_time(2000)
    scene.limit = 1000
    scene.restart()
    scene.pass_time(10)
    scene.ban(A)
    scene.pass_time(10)
    assert scene.v4.held == {A}


@pytest.mark.parametrize("unreadable_s", [1, 30])
def test_bans_in_a_set_that_could_not_be_read_at_first_are_no_surge(unreadable_s: float) -> None:
    scene = Scene()
    scene.ban(*CROWD, seconds=36_000)
    scene.pass_time(100)
    scene.limit = LIMIT
    scene.v4.reads_fail = Throttled("rate exceeded")
    scene.restart()
    scene.pass_time(unreadable_s)
    scene.v4.reads_fail = None
    scene.pass_time(120)
    scene.ban(A)
    scene.pass_time(10)
    assert scene.v4.held == {*CROWD, A}
    assert scene.notebook.read().held_back_from_ms is None


def test_a_surge_stays_one_although_a_set_is_read_for_the_first_time_meanwhile(scene: Scene) -> None:
    scene.v6.reads_fail = Throttled("rate exceeded")
    scene.ban(*CROWD)
    scene.pass_time(20)
    scene.v6.reads_fail = None
    scene.pass_time(100)
    assert scene.v4.held == set()


def test_who_goes_from_one_blocklist_into_another_counts_as_new_there() -> None:
    scene = Scene(Blocklist("block", ("f2b",)), Blocklist("captcha", ("c",)))
    scene.ban(*CROWD, seconds=99_999, blocklists=("captcha",))
    scene.pass_time(1000)
    scene.limit = LIMIT
    scene.restart()
    scene.pass_time(20)
    scene.ban(*CROWD, seconds=99_999, jail="recidive", blocklists=("block", "captcha"))
    scene.pass_time(20)
    assert scene.v4.held == set()


def test_a_ban_that_is_held_back_goes_in_when_somebody_orders_it_by_hand_even_for_a_shorter_time() -> None:
    scene = Scene(limit=2)
    scene.pass_time(1)
    scene.ban(A, B, C)
    scene.pass_time(2)
    assert scene.held == (set(), set())
    who = OffenderId("default", B)
    order = Order(scene.clock.now_ms() + 60_000)
    scene.acts.ban(scene.act(Verb.BAN), {who: order})
    scene.pass_time(2)
    assert scene.held == ({B}, set())


def dated_over_a_day(scene: Scene) -> list[str]:
    """Ban a crowd that is known at once, as if one of it had been banned each three quarters of an hour."""
    for number, key in enumerate(CROWD):
        scene.ban(key, seconds=7 * 86_400, ago_s=2700 * number)
    return CROWD


def test_a_crowd_that_is_dated_over_a_day_and_becomes_known_at_once_is_held_back(scene: Scene) -> None:
    scene.settle(A)
    scene.clock.advance(60)
    dated_over_a_day(scene)
    scene.pass_time(600)
    assert scene.v4.held == {A}
    release(scene)
    assert scene.v4.held == {A, *CROWD}


def test_who_takes_over_lets_nobody_of_a_crowd_in_that_is_dated_over_a_day(scene: Scene) -> None:
    dated_over_a_day(scene)
    scene.pass_time(60)
    scene.restart()
    scene.pass_time(600)
    assert scene.v4.held == set()


def test_who_takes_over_before_the_surge_could_be_noted_finds_it_too(scene: Scene) -> None:
    scene.pass_time(5)
    scene.notebook.failure = Unavailable("no answer")
    dated_over_a_day(scene)
    scene.pass_time(60)
    scene.notebook.failure = None
    scene.restart()
    scene.pass_time(600)
    assert scene.v4.held == set()
