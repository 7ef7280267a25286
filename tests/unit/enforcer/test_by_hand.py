"""What operators do by hand, in the sets: lifts, allowed addresses, ranges, pauses."""

from __future__ import annotations

import ipaddress
from itertools import islice

import pytest

from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.networks import Networks
from f2b_worker.errors import Unavailable
from f2b_worker.testing import MemoryLease
from tests.unit.enforcer.scene import FOREIGN, UNBAN_LAG_S, V6, A, B, C, Scene, shown, strangers

RANGE = "203.0.113.0/24"
ALLOWED = "203.0.113.77"
SOON_S = 2.0


def addresses(entries: set[str] | frozenset[str]) -> int:
    """Count the addresses that entries hold, none of them twice."""
    return sum(each.num_addresses for each in ipaddress.collapse_addresses(map(ipaddress.IPv4Network, entries)))


def is_blocked(scene: Scene, address: str) -> bool:
    return Networks(scene.v4.held).touches(f"{address}/32")


def part(scene: Scene, *others: str) -> None:
    """Let RANGE be banned and enforced, in pieces."""
    scene.settle(RANGE, *others)
    scene.allow(ALLOWED)
    scene.pass_time(5)
    assert set(scene.v4.held) == {*Networks([ALLOWED]).rest_of(RANGE), *others}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_of_the_pieces_that_find_no_room_the_small_ones_are_left_out() -> None:
    scene = Scene(capacity=4)
    scene.settle(RANGE)
    scene.allow(ALLOWED)
    scene.pass_time(5)
    pieces = Networks([ALLOWED]).rest_of(RANGE)
    assert len(pieces) == 8
    assert set(scene.v4.held) == set(sorted(pieces, key=lambda each: int(each.partition("/")[2]))[:4])
    assert addresses(scene.v4.held) == 128 + 64 + 32 + 16


class TestLifts:
    def test_a_lifted_ban_goes_within_two_seconds_and_one_that_ended_waits_for_company(self, scene: Scene) -> None:
        scene.settle(A, B, V6)
        scene.ban(C, seconds=1)
        scene.pass_time(3)
        scene.lift(A, V6)
        scene.pass_time(SOON_S)
        assert (A in scene.v4.held, scene.v6.held) == (False, frozenset())
        assert B in scene.v4.held

    def test_it_goes_within_two_seconds_while_bans_come_all_the_time(self, scene: Scene) -> None:
        scene.settle(A, V6)
        more = strangers()
        scene.pass_time(20, every_s=0.2, do=lambda: scene.ban(next(more)))
        scene.lift(V6)
        scene.pass_time(SOON_S + 0.5, every_s=0.2, do=lambda: scene.ban(next(more)))
        assert scene.v6.held == frozenset()

    def test_what_had_ended_already_and_waited_goes_when_somebody_lifts_it(self, scene: Scene) -> None:
        scene.settle(B)
        scene.ban(A, seconds=20)
        scene.pass_time(22)
        assert A in scene.v4.held
        scene.lift(A)
        scene.pass_time(SOON_S)
        assert scene.v4.held == {B}

    def test_a_disturbance_does_not_spare_it(self, scene: Scene) -> None:
        scene.settle(A, B)
        scene.ledger.failure = Unavailable("no answer")
        scene.run(8)
        scene.ledger.failure = None
        scene.lift(A)
        scene.pass_time(SOON_S)
        assert scene.v4.held == {B}

    def test_who_takes_over_takes_out_what_was_lifted_meanwhile(self, scene: Scene) -> None:
        scene.settle(A, B)
        scene.lift(A)
        scene.restart()
        scene.pass_time(SOON_S + 1)
        assert scene.v4.held == {B}

    def test_who_is_banned_again_after_a_lift_is_in_again(self, scene: Scene) -> None:
        scene.settle(A)
        scene.lift(A)
        scene.pass_time(0.3)
        scene.ban(A, seconds=20)
        scene.pass_time(10)
        assert scene.v4.held == {A}
        scene.pass_time(12)
        assert scene.v4.held == {A}  # this one came to its end, and may wait
        scene.pass_time(UNBAN_LAG_S)
        assert scene.v4.held == frozenset()

    def test_another_jails_ban_keeps_the_address_in(self, scene: Scene) -> None:
        scene.settle(A)
        scene.ban(A, jail="scan")
        scene.lift(A)
        scene.pass_time(5)
        assert scene.v4.held == {A}

    def test_the_last_but_few_of_a_collapsed_network_take_it_out_at_once(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), collapse=Collapse(3)))
        scene.ban(A, B, C)
        scene.pass_time(UNBAN_LAG_S + 10)
        assert scene.v4.held == {RANGE}
        scene.lift(C)
        scene.pass_time(3.5)
        assert scene.v4.held == {A, B}

    def test_nobody_elses_entry_goes(self, scene: Scene) -> None:
        scene.v4.edit({A, FOREIGN})
        scene.pass_time(5)
        scene.ban(A)
        scene.pass_time(5)
        scene.lift(A)
        scene.pass_time(UNBAN_LAG_S)
        assert scene.v4.held == {A, FOREIGN}


class TestRanges:
    def test_who_is_allowed_inside_a_banned_range_goes_free_and_the_rest_stays_blocked(self, scene: Scene) -> None:
        scene.settle(RANGE, B)
        scene.allow(ALLOWED)
        scene.pass_time(SOON_S, every_s=0.01, do=lambda: self._is_whole_or_parted(scene))
        assert not is_blocked(scene, ALLOWED)
        assert addresses(scene.v4.held) == 255
        scene.allow()
        scene.pass_time(SOON_S)
        assert RANGE in scene.v4.held
        scene.pass_time(UNBAN_LAG_S + 5)
        assert scene.v4.held == {RANGE, B}

    def _is_whole_or_parted(self, scene: Scene) -> None:
        assert addresses(scene.v4.held) in {255, 256}

    def test_lifting_the_range_takes_all_pieces_out_within_two_seconds(self, scene: Scene) -> None:
        part(scene, A)
        scene.lift(RANGE)
        scene.pass_time(SOON_S)
        assert scene.v4.held == {A}

    @pytest.mark.parametrize("before_s", [0.0, 10.0])
    def test_so_it_is_when_the_lease_changes_hands_meanwhile(self, scene: Scene, before_s: float) -> None:
        part(scene, A)
        scene.restart(ALLOWED)
        scene.pass_time(before_s)
        scene.lift(RANGE)
        scene.restart(ALLOWED)
        scene.pass_time(SOON_S + 1)
        assert scene.v4.held == {A}

    @pytest.mark.parametrize("after", ["", "203.0.113.200", RANGE])
    def test_who_takes_over_with_another_allowlist_knows_the_pieces_for_ours(
        self, scene: Scene, after: str
    ) -> None:
        part(scene)
        scene.restart(*([after] if after else []))
        scene.pass_time(UNBAN_LAG_S + 5)
        assert scene.v4.held == set(Networks([after] if after else []).rest_of(RANGE))
        assert scene.notebook.read().foreign == {}

    def test_pieces_stay_whose_ban_cannot_be_read(self, scene: Scene) -> None:
        part(scene)
        pieces = set(scene.v4.held)
        (who,) = [each.who for each in scene.ledger.standing()]
        scene.ledger.unreadable.add(who)
        scene.restart(ALLOWED)
        scene.pass_time(UNBAN_LAG_S + 60)
        assert scene.v4.held == pieces

    def test_a_range_that_is_somebody_elses_too_stays_theirs(self, scene: Scene) -> None:
        scene.v4.edit({RANGE})
        scene.pass_time(5)
        scene.ban(RANGE)
        scene.allow(ALLOWED)
        scene.pass_time(UNBAN_LAG_S)
        assert RANGE in scene.v4.held
        scene.lift(RANGE)
        scene.pass_time(SOON_S)
        assert scene.v4.held == {RANGE}

    @pytest.mark.parametrize("first", [RANGE, B])
    def test_lifting_the_wide_ban_leaves_the_narrow_one_and_the_other_way_round(
        self, scene: Scene, first: str
    ) -> None:
        scene.settle(RANGE, B)
        scene.lift(first)
        scene.pass_time(SOON_S)
        assert scene.v4.held == {RANGE, B} - {first}


class TestPauses:
    def test_while_it_lasts_nothing_goes_in_or_out_and_then_all_does_by_itself(self, scene: Scene) -> None:
        scene.settle(A)
        scene.ban(B, seconds=5)
        scene.pass_time(3)
        scene.pause(seconds=200)
        scene.ban(C, V6)
        scene.pass_time(195)
        assert scene.held == ({A, B}, set())
        scene.pass_time(5 + SOON_S)
        assert scene.held == ({A, C}, {V6})

    def test_whoever_is_freed_by_hand_goes_free_all_the_same(self, scene: Scene) -> None:
        scene.settle(A, B, RANGE)
        scene.pause()
        scene.ban(V6)
        scene.lift(A)
        scene.allow(ALLOWED)
        scene.pass_time(SOON_S)
        assert not is_blocked(scene, ALLOWED)
        assert A not in scene.v4.held
        # The pieces are no new bans: they take the place of the range.
        assert (addresses(scene.v4.held), set(scene.v6.held)) == (255, set())

    def test_one_blocklist_may_be_paused_while_others_go_on(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",)), Blocklist("captcha", ("c",)))
        scene.pause("captcha")
        scene.ban(A, blocklists=("block", "captcha"))
        scene.pass_time(5)
        captcha = scene.finder.ip_sets["captcha"][0]
        assert (set(scene.v4.held), set(captcha.held)) == ({A}, set())
        assert [shown("f2b_paused", blocklist=name) for name in ("block", "captcha")] == [0, 1]
        scene.resume("captcha")
        scene.pass_time(3)
        assert captcha.held == {A}

    def test_somebody_can_see_it(self, scene: Scene) -> None:
        scene.settle(A)
        scene.pause(seconds=100)
        scene.ban(*islice(strangers(), 7))
        scene.pass_time(40)
        assert scene.enforcer.remark == (
            "blocklist block is paused by jane@console (looked at it), for another 60 s; 7 bans wait for that"
        )
        assert scene.enforcer.ready
        assert (shown("f2b_paused", blocklist="block"), shown("f2b_bans_waiting")) == (1, 7)
        assert shown("f2b_oldest_waiting_seconds") == 0
        scene.pass_time(65)
        assert scene.enforcer.remark is None
        assert shown("f2b_paused", blocklist="block") == 0

    def test_a_pause_without_an_end_lasts_until_somebody_resumes(self, scene: Scene) -> None:
        scene.pause()
        scene.ban(A)
        scene.pass_time(4000)
        assert scene.v4.held == frozenset()
        assert "until somebody resumes it" in (scene.enforcer.remark or "")
        scene.ban(B)
        scene.resume()
        scene.pass_time(SOON_S)
        assert scene.v4.held == {B}

    def test_it_outlasts_a_restart_and_a_takeover(self, scene: Scene) -> None:
        scene.settle(A)
        scene.pause(seconds=60)
        scene.ban(B)
        scene.restart()
        scene.pass_time(20)
        other = scene.another(lease=MemoryLease())
        for _ in range(50):
            scene.clock.advance(other.tick())
        assert scene.v4.held == {A}
        scene.enforcer = other
        scene.pass_time(60)
        assert scene.v4.held == {A, B}
