"""Updates, sets, the ledger or the lease fail: what can still be done is done, and the rest is made up for."""

from __future__ import annotations

import threading

import pytest

from f2b_worker.errors import BadEntry, Missing, Rejected, Unavailable
from f2b_worker.testing import MemoryLease
from tests.unit.enforcer.scene import FOREIGN, V6, A, B, C, Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestFailures:
    @pytest.mark.parametrize("loses_answers", [False, True])
    def test_an_update_without_an_answer_is_brought_to_an_end(self, scene: Scene, loses_answers: bool) -> None:
        scene.v4.fails = [Unavailable("no answer")] * 3
        scene.v4.loses_answers = loses_answers
        scene.ban(A)
        scene.run(20)
        assert scene.v4.held == {A}
        assert len(scene.tries_s) == (1 if loses_answers else 4)

    @pytest.mark.parametrize("outage_s", [3, 60, 61.7, 63.4, 1000])
    def test_a_ban_is_in_its_set_within_three_seconds_after_an_outage(self, scene: Scene, outage_s: float) -> None:
        scene.settle(A)
        scene.v4.failure = Unavailable("no answer")
        scene.ban(B)
        scene.run(outage_s)
        scene.v4.failure = None
        scene.run(3)
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

    def test_many_bad_entries_do_not_keep_the_good_ones_out(self, scene: Scene) -> None:
        scene.settle()
        bad = [f"198.18.0.{number}/32" for number in range(60)]
        scene.v4.refuses = set(bad)
        scene.ban(*bad, seconds=99_999)
        scene.pass_time(1)
        scene.ban(A, seconds=99_999)
        scene.pass_time(9)
        assert scene.v4.held == {A}

    def test_bad_entries_are_tried_again_one_by_one_and_after_the_good_ones(self, scene: Scene) -> None:
        bad = [f"198.18.0.{number}/32" for number in range(5)]
        scene.v4.refuses = set(bad)
        scene.ban(*bad, seconds=99_999)
        scene.pass_time(3595)
        for number in range(20):
            scene.ban(f"198.18.1.{number}/32")
            scene.pass_time(2.2)
            assert f"198.18.1.{number}/32" in scene.v4.held

    @pytest.mark.parametrize("failing", ["finder", "ledger", "notebook"])
    def test_new_bans_do_not_keep_what_fails_busy(self, scene: Scene, failing: str) -> None:
        asked_s: list[float] = []

        part = getattr(scene, failing)
        name = {"finder": "find", "ledger": "changed_since", "notebook": "read"}[failing]

        def fail(*_: object) -> None:
            asked_s.append(scene.clock.monotonic_s())
            scene.clock.advance(0.05)
            wake.set()
            if scene.clock.monotonic_s() > 60:
                stop.set()
            raise Unavailable("no answer")

        setattr(part, name, fail)
        wake, stop = threading.Event(), threading.Event()
        scene.enforcer.run(wake, stop)
        assert 10 < len(asked_s) < 40

    def test_a_refusal_of_another_kind_makes_it_not_ready(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.fails = [Rejected("too many references")] * 2
        scene.ban(B)
        scene.pass_time(3)
        assert (scene.enforcer.ready, scene.enforcer.problem) == (False, "too many references")
        scene.pass_time(12)
        assert (scene.enforcer.ready, set(scene.v4.held)) == (True, {A, B})

    def test_a_blocklist_without_any_set_makes_it_not_ready(self, scene: Scene) -> None:
        scene.settle(A)
        scene.v4.deleted = scene.v6.deleted = True
        scene.pass_time(70)
        assert scene.enforcer.problem == "no IP set of blocklist block is there"
        fresh = scene.make_set()
        scene.pass_time(70)
        assert (scene.enforcer.ready, set(fresh.held)) == (True, {A})


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
