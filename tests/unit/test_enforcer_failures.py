"""The loop that keeps the IP sets equal to the active bans, within WAF's budget and nobody else's entries lost."""

from __future__ import annotations

import pytest

from f2b_worker.errors import BadEntry, Missing, Unavailable
from f2b_worker.testing import MemoryLease
from tests.unit.enforcer_scene import FOREIGN, V6, A, B, C, Scene


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
