"""The ledger is read aside of the loop: nothing waits for it, and no old answer undoes a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.enforcer import AUDIT_S
from f2b_worker.enforcer.alarms import Alarms
from f2b_worker.enforcer.following import (
    FOLLOW_S,
    HELPING,
    LOOK_BACK_S,
    RESYNC_S,
    Following,
    Moment,
    Reading,
    learn,
)
from f2b_worker.errors import Unavailable
from f2b_worker.ports import Changes, StandingBan
from f2b_worker.testing import FakeClock, MemoryLedger
from tests.unit.enforcer.scene import UNBAN_LAG_S, A, B, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

WHO = OffenderId("default", A)


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


class TestReading:
    def reading(self, number: int, halfway: Callable[[], None]) -> Reading:
        ban = Ban(0, 1000, 1, 1000)

        def bans() -> Iterator[StandingBan]:
            for place in range(number):
                if place == HELPING:
                    halfway()
                yield StandingBan(OffenderId("login", str(place)), ban)

        class Book(MemoryLedger):
            def changes(self, cursor: int) -> Changes:
                return Changes(bans(), cursor + 1)

        return Reading(Book(), 7, lambda _: True, began=Moment(0.0, 0))

    def test_as_much_as_an_update_takes_is_there_before_the_rest_is_read(self) -> None:
        taken: list[int] = []
        reading = self.reading(HELPING + 5, lambda: taken.append(len(reading.take())))
        reading.work()
        assert taken == [HELPING]
        assert len(reading.take()) == 5
        assert (reading.is_over, reading.cursor()) == (True, 8)

    def test_less_than_that_is_there_all_at_once(self) -> None:
        reading = self.reading(HELPING - 1, lambda: None)
        assert not reading.has_news.is_set()
        reading.work()
        assert len(reading.take()) == HELPING - 1


class Book(MemoryLedger):
    """A ledger that answers what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[StandingBan] = []
        self.late: Callable[[], list[StandingBan]] = list
        self.everything: Callable[[], list[StandingBan]] = list

    def changes(self, cursor: int) -> Changes:
        return Changes(self.found if cursor else self.everything(), 1)

    def late_changes(self, cursor: int) -> Iterable[StandingBan]:
        del cursor
        return self.late()


class TestWhatIsReadBehind:
    def follower(self) -> tuple[Book, Roster, FakeClock, Following]:
        book, clock = Book(), FakeClock()
        roster = Roster(["block"], Networks())
        mark = learn(book, roster, clock)
        following = Following(book, roster, mark, alarms=Alarms(clock), clock=clock, aside=lambda work: work())
        return book, roster, clock, following

    def ban(self, clock: FakeClock, seconds: int) -> StandingBan:
        now_ms = clock.now_ms()
        return StandingBan(WHO, Ban(now_ms, now_ms + 1000 * seconds, 1, 1000 * seconds, blocklists=("block",)))

    def test_what_a_writer_with_a_slow_clock_stored_is_found(self) -> None:
        book, roster, clock, following = self.follower()
        late = self.ban(clock, 600)
        book.late = lambda: [late]
        clock.advance(LOOK_BACK_S)
        following.follow(0.0, is_waiting=False)
        assert roster.wanted["block"] == {A: late.ban.until_ms}

    @pytest.mark.parametrize(("part", "after_s"), [("late", LOOK_BACK_S), ("everything", RESYNC_S)])
    def test_it_does_not_undo_what_was_followed_since_it_was_asked(self, part: str, after_s: float) -> None:
        book, roster, clock, following = self.follower()
        old, new = self.ban(clock, 600), self.ban(clock, 900)

        def slowly() -> list[StandingBan]:
            clock.advance(FOLLOW_S)
            book.found = [new]
            following.follow(0.0, is_waiting=False)
            return [old]

        clock.advance(after_s)
        following.follow(0.0, is_waiting=False)  # the other question, where both are due
        setattr(book, part, slowly)
        clock.advance(after_s)
        following.follow(0.0, is_waiting=False)
        assert roster.wanted["block"] == {A: new.ban.until_ms}

    def test_its_failure_costs_no_more_than_its_answer(self) -> None:
        book, roster, clock, following = self.follower()

        def fail() -> list[StandingBan]:
            raise Unavailable("no answer")

        book.late = fail
        for _ in range(3):
            clock.advance(LOOK_BACK_S)
            new = self.ban(clock, 600)
            book.found = [new]
            following.follow(0.0, is_waiting=False)
            assert roster.wanted["block"] == {A: new.ban.until_ms}
