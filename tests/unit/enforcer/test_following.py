"""The ledger is read aside of the loop: nothing waits for it, and no old answer undoes a new one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.enforcer import AUDIT_S
from f2b_worker.enforcer.following import FOLLOW_S, Following
from f2b_worker.errors import Unavailable
from f2b_worker.ports import Changes, StandingBan
from f2b_worker.testing import FakeClock
from tests.unit.enforcer.scene import UNBAN_LAG_S, A, B, Scene

if TYPE_CHECKING:
    from collections.abc import Callable


class Aside:
    """Does work at once, or keeps it until it is told to go on."""

    def __init__(self) -> None:
        self.is_held = False
        self.jobs: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], None]) -> None:
        self.jobs.append(work)
        if not self.is_held:
            self.go_on()

    def go_on(self) -> None:
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


@pytest.fixture
def aside() -> Aside:
    return Aside()


@pytest.fixture
def scene(aside: Aside) -> Scene:
    scene = Scene()
    scene.enforcer = scene.another(aside=aside)
    return scene


class TestLedgerThatTakesLong:
    def test_it_keeps_no_update_waiting(self, scene: Scene, aside: Aside) -> None:
        scene.settle(A, B)
        aside.is_held = True
        scene.v4.edit([B])
        scene.pass_time(AUDIT_S + 5)
        assert scene.v4.held == {A, B}

    def test_it_is_not_asked_twice_at_a_time(self, scene: Scene, aside: Aside) -> None:
        scene.settle(A)
        aside.is_held = True
        asked = scene.ledger.asked
        for _ in range(20):
            scene.enforcer.tick(follow=True)
            scene.clock.advance(FOLLOW_S)
        aside.go_on()
        assert scene.ledger.asked == asked + 1

    def test_who_asks_meanwhile_has_it_asked_again(self, scene: Scene, aside: Aside) -> None:
        scene.settle(A)
        aside.is_held = True
        scene.enforcer.tick(follow=True)
        asked = scene.ledger.asked
        aside.go_on()
        scene.ban(B)
        scene.enforcer.tick(follow=True)
        aside.go_on()
        scene.enforcer.tick()
        assert scene.ledger.asked == asked + 2
        assert scene.v4.held == {A, B}

    def test_no_ban_ends_that_may_have_been_extended(self, scene: Scene, aside: Aside) -> None:
        scene.ban(A, seconds=20)
        scene.pass_time(10)
        aside.is_held = True
        scene.pass_time(UNBAN_LAG_S + 30)
        assert scene.v4.held == {A}
        aside.is_held = False
        aside.go_on()
        scene.pass_time(UNBAN_LAG_S + 10)
        assert scene.v4.held == set()

    def test_no_ban_ends_by_an_answer_from_before_its_end(self, scene: Scene, aside: Aside) -> None:
        scene.ban(A, seconds=20)
        scene.pass_time(10)
        aside.is_held = True
        scene.pass_time(5)  # asks
        aside.go_on()  # and is answered; but this process is stopped before it takes the answer, and goes on later
        scene.ban(A, seconds=3600)
        scene.clock.advance(30)
        scene.pass_time(UNBAN_LAG_S + 10)
        assert scene.v4.held == {A}

    def test_its_failure_makes_it_not_ready(self, scene: Scene, aside: Aside) -> None:
        scene.settle(A)
        aside.is_held = True
        scene.ledger.failure = Unavailable("the ledger does not answer")
        wait = scene.clock.wait
        scene.clock.wait = lambda event, timeout_s: (  # type: ignore[method-assign]
            aside.go_on(),  # type: ignore[func-returns-value]
            wait(event, timeout_s),
        )[1]
        scene.run(30)
        assert scene.enforcer.problem == "the ledger does not answer"

    def test_its_answer_after_the_lease_is_lost_does_not_make_the_loop_spin(
        self, scene: Scene, aside: Aside
    ) -> None:
        scene.settle(A)
        aside.is_held = True
        scene.enforcer.tick(follow=True)
        scene.lease.held = False
        aside.go_on()
        scene.run(20)
        assert scene.v4.held == {A}


class Follower:
    """A follower that tells what it is told to."""

    def __init__(self) -> None:
        self.told = Changes((), is_all=True)

    def poll(self) -> Changes:
        told, self.told = self.told, Changes(())
        return told


def test_a_follower_that_begins_anew_makes_whatever_was_known_void() -> None:
    follower, clock = Follower(), FakeClock()
    roster = Roster(["block"], Networks())
    following = Following(follower, roster, clock=clock, aside=_at_once)
    assert following.load(0.0)
    following.begin_term()
    one, other = (StandingBan(OffenderId("default", key), _ban(clock)) for key in (A, B))
    follower.told = Changes((one,))
    clock.advance(FOLLOW_S)
    following.follow(0.0, is_waiting=False)
    assert set(roster.wanted["block"]) == {A}

    follower.told = Changes((other,), is_all=True)
    clock.advance(FOLLOW_S)
    following.follow(0.0, is_waiting=False)

    assert set(roster.wanted["block"]) == {B}


def _ban(clock: FakeClock) -> Ban:
    return Ban(clock.now_ms(), clock.now_ms() + 600_000, 1, 600_000, blocklists=("block",))


def _at_once(work: Callable[[], None]) -> None:
    work()


def test_who_was_given_up_teaches_the_roster_nothing_that_he_still_reads() -> None:
    follower, clock = Follower(), FakeClock()
    jobs: list[Callable[[], None]] = []
    roster = Roster(["block"], Networks())
    following = Following(follower, roster, clock=clock, aside=jobs.append)
    follower.told = Changes((StandingBan(OffenderId("login", A), _ban(clock)),), is_all=True)
    assert not following.load(0.0)
    following.give_up()
    jobs.pop()()
    assert roster.remembered() == set()


def test_all_bans_are_learned_aside_until_a_term_begins_and_their_changes_in_the_loop() -> None:
    follower, clock = Follower(), FakeClock()
    jobs: list[Callable[[], None]] = []
    roster = Roster(["block"], Networks())
    following = Following(follower, roster, clock=clock, aside=jobs.append)
    one, other = (StandingBan(OffenderId("login", key), _ban(clock)) for key in (A, B))
    follower.told = Changes((one,), is_all=True)
    assert not following.load(0.0)
    jobs.pop()()
    assert roster.remembered() == {A}
    assert following.load(0.0)

    following.begin_term()
    follower.told = Changes((other,))
    clock.advance(FOLLOW_S)
    following.follow(0.0, is_waiting=False)
    jobs.pop()()
    assert roster.remembered() == {A}
    following.follow(0.0, is_waiting=False)
    assert roster.remembered() == {A, B}


class TestAPollThatIsNotComplete:
    """Bans may last longer than it tells: what extends them may be what is missing."""

    def test_ends_no_ban(self) -> None:
        follower, clock, roster, following = _followed()
        ban = replace(_ban(clock), until_ms=clock.now_ms() + 1000)
        _tell(follower, clock, following, Changes((StandingBan(OffenderId("default", A), ban),)))
        clock.advance(3)
        _tell(follower, clock, following, Changes((), is_complete=False))
        assert set(roster.wanted["block"]) == {A}
        _tell(follower, clock, following, Changes(()))
        assert set(roster.wanted["block"]) == set()

    def test_takes_no_ban_for_over_that_it_tells_of(self) -> None:
        follower, clock, roster, following = _followed()
        ban = replace(_ban(clock), until_ms=clock.now_ms() + 2000)
        clock.advance(3)
        who = OffenderId("default", A)
        _tell(follower, clock, following, Changes((StandingBan(who, ban),), is_complete=False))
        assert set(roster.wanted["block"]) == {A}
        longer = replace(ban, until_ms=clock.now_ms() + 60_000)
        _tell(follower, clock, following, Changes((StandingBan(who, longer),)))
        assert roster.wanted["block"] == {A: longer.until_ms}

    def test_lifts_what_it_says_was_lifted(self) -> None:
        follower, clock, roster, following = _followed()
        who, ban = OffenderId("default", A), _ban(clock)
        _tell(follower, clock, following, Changes((StandingBan(who, ban),)))
        clock.advance(30)
        lifted_ms = clock.now_ms()
        lifted = StandingBan(who, replace(ban, until_ms=lifted_ms - 1), lifted_ms)
        _tell(follower, clock, following, Changes((lifted,), is_complete=False))
        assert set(roster.wanted["block"]) == set()
        assert roster.lifted.touches(A)

    def test_is_not_what_somebody_waits_for_before_an_update_or_a_term(self) -> None:
        follower, clock, _, following = _followed()
        clock.advance(1)
        follower.told = Changes((), is_complete=False)
        since_s = clock.monotonic_s()
        assert not following.load(since_s)
        assert following.load(since_s)

    def test_is_no_sign_that_the_ledger_was_read(self) -> None:
        follower, clock, _, following = _followed()
        clock.advance(20)  # the takeover is over
        _tell(follower, clock, following, Changes(()))
        clock.advance(30)
        _tell(follower, clock, following, Changes(()))
        clock.advance(20)
        _tell(follower, clock, following, Changes((), is_complete=False))
        assert following.lifting.spared_s == clock.monotonic_s()


def _followed() -> tuple[Follower, FakeClock, Roster, Following]:
    follower, clock = Follower(), FakeClock()
    roster = Roster(["block"], Networks())
    following = Following(follower, roster, clock=clock, aside=_at_once)
    assert following.load(0.0)
    following.begin_term()
    return follower, clock, roster, following


def _tell(follower: Follower, clock: FakeClock, following: Following, changes: Changes) -> None:
    follower.told = changes
    clock.advance(FOLLOW_S)
    following.follow(0.0, is_waiting=False)
