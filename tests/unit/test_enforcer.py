"""The loop that keeps the IP sets equal to the active bans, within WAF's budget and nobody else's entries lost."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.addresses import Networks
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.verdicts import Ban, Offender, OffenderId
from f2b_worker.enforcer import AUDIT_S, RESYNC_S, UPDATE_EVERY_S, Enforcer
from f2b_worker.errors import BadEntry, F2bError, LockLost, Missing, Throttled, Unavailable
from f2b_worker.ports import Changes, Sentence
from f2b_worker.testing import FakeClock, MemoryIpSet, MemoryLease, MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

A, B, C = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"
FOREIGN = "198.51.100.0/24"
V6 = "2001:db8::/64"
UNBAN_LAG_S = 30.0


class Clock(FakeClock):
    """A clock that tells somebody whenever time has passed, and finds out a loop that does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.on_wait: Callable[[], None] = lambda: None
        self._spins = 0

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._spins = 0 if seconds > 0.001 else self._spins + 1
        assert self._spins < 100, "the loop spins"

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        is_set = super().wait(event, timeout_s)
        self.on_wait()
        return is_set


class IpSet(MemoryIpSet):
    """An IP set that remembers when it was written, and fails or loses answers where it is told to.

    Attributes:
        tries_s: When an update was tried, on the clock of all sets together.
        fails: What the next updates raise.
        loses_answers: Whether those updates take effect before they raise.
    """

    def __init__(self, clock: Clock, tries_s: list[float], family: int = 4) -> None:
        super().__init__(family)
        self.tries_s = tries_s
        self.fails: list[F2bError] = []
        self.loses_answers = False
        self._clock = clock

    def write(self, entries: Iterable[str], token: str) -> str:
        self.tries_s.append(self._clock.monotonic_s())
        if self.fails:
            if self.loses_answers:
                self.edit(entries)
            raise self.fails.pop(0)
        return super().write(entries, token)


class Ledger(MemoryLedger):
    """A ledger that counts how often it is asked for changes, and hides some if it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.hides_changes = False

    def changes(self, cursor: int) -> Changes:
        self.asked += 1
        changes = super().changes(cursor)
        return Changes((), changes.cursor) if self.hides_changes and cursor else changes


class Scene:
    """One enforcer, and everything around it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = Ledger()
        self.tries_s: list[float] = []
        self.v4 = IpSet(self.clock, self.tries_s, 4)
        self.v6 = IpSet(self.clock, self.tries_s, 6)
        self.lease = MemoryLease()
        self.enforcer = self.another()

    @property
    def held(self) -> tuple[set[str], set[str]]:
        """What the IPv4 set and the IPv6 set hold."""
        return set(self.v4.held), set(self.v6.held)

    def another(self, *allowed: str) -> Enforcer:
        return Enforcer(
            self.ledger,
            [self.v4, self.v6],
            self.lease,
            allowed=Networks(allowed),
            clock=self.clock,
            unban_lag_s=UNBAN_LAG_S,
        )

    def ban(self, *keys: str, seconds: float = 3600, ago_s: float = 0, jail: str = "default") -> None:
        start_ms = self.clock.now_ms() - round(ago_s * 1000)
        for key in keys:
            who = OffenderId(jail, key)
            seen = self.ledger.record({who: []})[who]
            assert isinstance(seen, Offender)
            ban = Ban(start_ms, start_ms + round(seconds * 1000), 1, round(seconds * 1000))
            self.ledger.commit({who: Sentence(seen, (ban,))})

    def pass_time(
        self, seconds: float, *, every_s: float | None = None, do: Callable[[], None] | None = None
    ) -> None:
        """Tick for *seconds*, as the loop does; *do* something now and then."""
        ends_s = self.clock.monotonic_s() + seconds
        next_s = self.clock.monotonic_s()
        while self.clock.monotonic_s() < ends_s:
            if do and every_s and self.clock.monotonic_s() >= next_s:
                do()
                next_s += every_s
            self.clock.advance(min(self.enforcer.tick(), ends_s - self.clock.monotonic_s() + 1e-6))

    def run(self, seconds: float) -> None:
        """Run the loop itself for *seconds*, and stop it."""
        wake, stop = threading.Event(), threading.Event()
        ends_s = self.clock.monotonic_s() + seconds

        def look() -> None:
            if self.clock.monotonic_s() >= ends_s:
                stop.set()
                wake.set()

        self.clock.on_wait = look
        self.enforcer.run(wake, stop)

    def settle(self, *keys: str) -> None:
        """Let *keys* be banned and enforced, and forget what that took."""
        self.ban(*keys)
        self.pass_time(10)
        assert self.v4.held | self.v6.held >= set(keys)
        self.tries_s.clear()
        self.v4.reads = self.v6.reads = self.v4.writes = self.v6.writes = 0


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
        scene.enforcer = Enforcer(
            scene.ledger, [scene.v6], scene.lease, allowed=Networks(), clock=scene.clock, unban_lag_s=UNBAN_LAG_S
        )
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
        scene.pass_time(3 * RESYNC_S)
        scene.clock.advance(10 * 365 * 24 * 3600)
        scene.pass_time(3 * RESYNC_S)
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

    def test_a_change_that_was_missed_is_found_by_the_full_reading(self, scene: Scene) -> None:
        scene.settle(A)
        scene.ledger.hides_changes = True
        scene.ban(B)
        scene.pass_time(RESYNC_S + 3)
        assert scene.v4.held == {A, B}

    @pytest.mark.parametrize(("hot", "quiet"), [(4, V6), (6, B)])
    def test_a_flood_of_bans_in_one_family_does_not_keep_the_other_waiting(
        self, scene: Scene, hot: int, quiet: str
    ) -> None:
        numbers = iter(range(10_000))

        def flood() -> None:
            number = next(numbers)
            scene.ban(f"198.18.{number // 256}.{number % 256}/32" if hot == 4 else f"2001:db8:{number:x}::/64")

        scene.pass_time(10, every_s=0.5, do=flood)
        scene.ban(quiet)
        scene.pass_time(4, every_s=0.5, do=flood)
        assert quiet in scene.v4.held | scene.v6.held


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
        numbers = iter(range(10_000))

        def flood() -> None:
            number = next(numbers)
            scene.ban(f"198.18.{number // 256}.{number % 256}/32")

        scene.ban(V6, seconds=20)
        scene.pass_time(10)
        scene.pass_time(10 + UNBAN_LAG_S + 10, every_s=0.5, do=flood)
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
        numbers = iter(range(10_000))

        def attack() -> None:
            number = next(numbers)
            scene.ban(f"198.18.{number // 256}.{number % 256}/32", f"2001:db8:{number:x}::/64", seconds=7)

        scene.pass_time(120, every_s=0.3, do=attack)
        assert len(scene.tries_s) > 60
        assert min(later - earlier for earlier, later in pairwise(scene.tries_s)) >= 1.0

    def test_no_set_is_read_between_updates(self, scene: Scene) -> None:
        scene.settle(A, V6)
        numbers = iter(range(100))
        scene.pass_time(30, every_s=3, do=lambda: scene.ban(f"198.18.0.{next(numbers)}/32"))
        assert scene.v4.writes == 10
        assert scene.v4.reads + scene.v6.reads <= 2 * (30 // AUDIT_S + 1)

    def test_the_ledger_is_asked_about_once_a_second(self, scene: Scene) -> None:
        scene.pass_time(100)
        assert 90 <= scene.ledger.asked <= 101

    def test_a_new_holder_waits_out_the_slot_of_the_one_before(self, scene: Scene) -> None:
        scene.ban(A)
        scene.pass_time(10)
        assert scene.tries_s[0] >= 1.0

    def test_a_throttled_update_is_tried_again_ever_more_slowly(self, scene: Scene) -> None:
        scene.v4.fails = [Throttled("rate exceeded")] * 6
        scene.ban(A)
        scene.run(60)
        gaps_s = [later - earlier for earlier, later in pairwise(scene.tries_s)]
        assert len(gaps_s) == 6
        assert gaps_s == sorted(gaps_s)
        assert gaps_s[0] > UPDATE_EVERY_S
        assert gaps_s[-1] <= 6
        assert scene.v4.held == {A}

    def test_the_pace_is_back_after_a_success(self, scene: Scene) -> None:
        scene.v4.fails = [Throttled("rate exceeded")] * 3
        scene.ban(A)
        scene.run(30)
        scene.tries_s.clear()
        numbers = iter(range(100))
        scene.pass_time(10, every_s=0.5, do=lambda: scene.ban(f"198.18.0.{next(numbers)}/32"))
        assert len(scene.tries_s) >= 8


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
        assert min(later - earlier for earlier, later in pairwise(scene.tries_s)) >= 1.0

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

    def test_who_was_banned_before_the_allowlist_named_him_is_let_out(self, scene: Scene) -> None:
        scene.settle(A, B)
        scene.enforcer = scene.another("203.0.113.2")
        scene.pass_time(UNBAN_LAG_S + 5)
        assert scene.v4.held == {A}


class TestFailures:
    @pytest.mark.parametrize("loses_answers", [False, True])
    def test_an_update_without_an_answer_is_brought_to_an_end(self, scene: Scene, loses_answers: bool) -> None:
        scene.v4.fails = [Unavailable("no answer")] * 3
        scene.v4.loses_answers = loses_answers
        scene.ban(A)
        scene.run(20)
        assert scene.v4.held == {A}
        assert len(scene.tries_s) == (1 if loses_answers else 4)

    @pytest.mark.parametrize("outage_s", [3, 60, 1000])
    def test_a_ban_is_in_its_set_within_five_seconds_after_an_outage(self, scene: Scene, outage_s: int) -> None:
        scene.settle(A)
        scene.v4.failure = Unavailable("no answer")
        scene.ban(B)
        scene.run(outage_s)
        scene.v4.failure = None
        scene.run(5)
        assert scene.v4.held == {A, B}

    def test_an_outage_of_one_set_does_not_keep_the_other_waiting(self, scene: Scene) -> None:
        scene.settle(A, V6)
        scene.v4.fails = [Missing("somebody deleted it")] * 1000
        scene.ban(B, "2001:db8:0:1::/64")
        scene.run(20)
        assert "2001:db8:0:1::/64" in scene.v6.held

    def test_one_bad_entry_stays_out_alone(self, scene: Scene) -> None:
        scene.v4.refuses = {B}
        scene.ban(A, B, C)
        scene.run(10)
        assert scene.v4.held == {A, C}
        assert len(scene.tries_s) == 2

    def test_a_bad_entry_is_not_tried_again_with_later_bans(self, scene: Scene) -> None:
        scene.v4.refuses = {B}
        scene.ban(A, B)
        scene.run(10)
        scene.ban(C)
        scene.run(10)
        assert scene.v4.held == {A, C}
        assert len(scene.tries_s) == 3

    def test_a_bad_entry_is_known_by_any_way_of_writing_it(self, scene: Scene) -> None:
        scene.v6.fails = [BadEntry("refused", "2001:0db8:0000:0000:0000:0000:0000:0000/64")]
        scene.ban(V6, "2001:db8:0:1::/64")
        scene.run(10)
        assert scene.v6.held == {"2001:db8:0:1::/64"}

    def test_a_refusal_that_names_nobody_of_ours_stops_nothing_for_long(self, scene: Scene) -> None:
        scene.v4.fails = [BadEntry("refused", "")]
        scene.ban(A)
        scene.run(10)
        assert scene.v4.held == {A}


class TestLease:
    def test_without_the_lease_nothing_is_read_or_written(self, scene: Scene) -> None:
        scene.lease.held = False
        scene.ban(A)
        scene.run(30)
        assert (scene.v4.reads, scene.tries_s, scene.ledger.asked) == (0, [], 0)

    def test_stopping_lifts_nothing_and_gives_the_lease_back(self, scene: Scene) -> None:
        scene.settle(A, V6)
        scene.run(3)
        assert scene.lease.released
        assert (scene.held, scene.tries_s) == (({A}, {V6}), [])

    def test_a_lease_that_cannot_be_given_back_does_not_keep_the_worker_from_stopping(self, scene: Scene) -> None:
        class Stuck(MemoryLease):
            def release(self) -> None:
                raise Unavailable("no answer")

        scene.lease = Stuck()
        scene.enforcer = scene.another()
        scene.run(3)
        assert scene.clock.monotonic_s() < 10

    def test_who_loses_the_lease_stops_and_reads_anew_when_it_comes_back(self, scene: Scene) -> None:
        scene.settle(A)
        scene.lease.held = False
        scene.ban(B)
        scene.pass_time(10)
        scene.v4.edit([A, B, FOREIGN])  # by the enforcer in between
        scene.lease.held = True
        scene.ban(C)
        scene.pass_time(5)
        assert scene.v4.held == {A, B, C, FOREIGN}
        assert (scene.v4.reads, len(scene.tries_s)) == (1, 1)

    def test_a_lease_that_cannot_be_asked_for_is_asked_for_again(self, scene: Scene) -> None:
        class Shaky(MemoryLease):
            asked = 0

            def hold(self) -> bool:
                self.asked += 1
                if self.asked < 4:
                    raise Unavailable("no answer")
                return True

        scene.lease = Shaky()
        scene.enforcer = scene.another()
        scene.ban(A)
        scene.run(20)
        assert scene.v4.held == {A}
