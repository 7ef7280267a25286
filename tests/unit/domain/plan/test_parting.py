"""Ranges around whom the allowlist has: as pieces while he is there, and as one again when he is not."""

from __future__ import annotations

import pytest

from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.groups import Groups
from f2b_worker.domain.plan.origin import Origin
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.domain.plan.updates import next_update

RANGE, HALF, WIDE = "203.0.113.0/30", "203.0.113.0/31", "203.0.112.0/22"
ONE, TWO, OTHER = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.9/32"
PIECES = {"203.0.113.0/32", "203.0.113.2/31"}  # of RANGE around ONE
LAG_S = 60.0


class Plan:
    """The bans of one blocklist, and one IPv4 set that is written until nothing is left to write.

    Attributes:
        seen: What the set held after each update since this was last looked at.
    """

    def __init__(self, *allowed: str, collapse: Collapse | None = None, capacity: int = 100) -> None:
        self.roster = Roster(["block"], Networks(allowed))
        self.groups = Groups(
            [Blocklist("block", ("f2b",), collapse=collapse)],
            Networks(allowed),
            lifted=self.roster.lifted,
            unban_lag_s=LAG_S,
            capacity=capacity,
        )
        self.group = self.groups.by_place["block", 4]
        self.now_s = 0.0
        self.group.add_set("set", 0.0)
        self.group.read("set", frozenset(), lambda _: Origin.FOREIGN, 0.0)
        self.seen: list[set[str]] = []

    @property
    def held(self) -> set[str]:
        return set(self.group.sets["set"].held)

    def ban(self, *keys: str, jail: str = "manual", until_ms: int = 9000, lifted_ms: int = 0) -> None:
        for key in keys:
            ban = Ban(0, min(until_ms, lifted_ms or until_ms), 1, until_ms)
            self.roster.take_in(OffenderId(jail, key), ban, 0, lifted_ms)
        self.settle()

    def lift(self, *keys: str, jail: str = "manual") -> None:
        self.ban(*keys, jail=jail, lifted_ms=500)

    def end(self, now_ms: int) -> None:
        self.roster.expire(now_ms)
        self.settle()

    def allow(self, *allowed: str) -> None:
        networks = Networks(allowed)
        self.roster.allow(networks)
        self.groups.allow(networks, self.now_s)
        self.settle()

    def settle(self) -> None:
        """Write what is to be written now."""
        self.seen = []
        self.groups.take_in(self.roster.take_changes(), self.now_s)
        if self.roster.lifted.take_news():
            self.groups.hurry(self.now_s)
        while update := next_update([self.group], self.now_s, {"set"}):
            self.group.written("set", update.added, update.removed, self.now_s)
            self.groups.settle(self.now_s)
            self.seen.append(set(self.held))

    def pass_time(self) -> None:
        """Let all go that is to go."""
        self.now_s += LAG_S
        self.settle()


def test_a_range_is_written_around_whom_the_allowlist_has() -> None:
    plan = Plan("203.0.113.1")
    plan.ban(RANGE, OTHER)
    assert plan.held == PIECES | {OTHER}
    assert (plan.roster.active, plan.roster.allowlisted) == (2, set())


def test_who_comes_onto_the_allowlist_goes_free_in_the_update_that_brings_the_pieces() -> None:
    plan = Plan()
    plan.ban(RANGE)
    plan.allow("203.0.113.1")
    assert plan.seen == [PIECES]


def test_the_range_is_joined_before_its_pieces_go() -> None:
    plan = Plan("203.0.113.1")
    plan.ban(RANGE)
    plan.allow()
    plan.pass_time()
    assert plan.seen == [{RANGE}]
    assert not plan.groups.is_network("block", "203.0.113.0/32")


def test_where_there_is_no_room_for_both_the_range_takes_the_place_of_a_piece() -> None:
    plan = Plan("203.0.113.1", capacity=2)
    plan.ban(RANGE)
    plan.allow()
    assert RANGE in plan.seen[0]
    plan.pass_time()
    assert plan.held == {RANGE}


def test_pieces_that_find_no_room_are_left_out_and_whoever_is_allowed_goes_free_all_the_same() -> None:
    plan = Plan(capacity=1)
    plan.ban(RANGE)
    plan.allow("203.0.113.1")
    assert (plan.held, plan.group.left_out) == ({"203.0.113.2/31"}, 1)


def test_a_second_entry_parts_the_pieces_and_its_end_joins_them() -> None:
    plan = Plan("203.0.113.1")
    plan.ban(RANGE)
    plan.allow("203.0.113.1", "203.0.113.2")
    assert plan.seen == [{"203.0.113.0/32", "203.0.113.3/32"}]
    plan.allow("203.0.113.1")
    assert plan.held > PIECES
    plan.pass_time()
    assert plan.held == PIECES


def test_a_range_that_lies_wholly_in_an_allowed_network_stays_out_and_comes_back() -> None:
    plan = Plan("203.0.113.0/24")
    plan.ban(RANGE, WIDE)
    assert plan.held == {"203.0.112.0/24", "203.0.114.0/23"}
    assert plan.roster.allowlisted == {RANGE}
    plan.allow()
    plan.pass_time()
    assert plan.held == {RANGE, WIDE}


@pytest.mark.parametrize("ends", ["lifted", "at its end"])
def test_the_end_of_a_parted_range_takes_all_its_pieces_out(ends: str) -> None:
    plan = Plan("203.0.113.1")
    plan.ban(RANGE, OTHER, until_ms=9000)
    plan.ban(OTHER, jail="login", until_ms=99_000)
    if ends == "lifted":
        plan.lift(RANGE)
        assert plan.seen == [{OTHER}]
    else:
        plan.end(9001)
        assert plan.held == PIECES | {OTHER}
        plan.pass_time()
    assert plan.held == {OTHER}


def test_an_end_that_moves_moves_that_of_the_pieces() -> None:
    plan = Plan("203.0.113.1")
    plan.ban(RANGE, until_ms=5000)
    plan.ban(RANGE, until_ms=9000)
    assert plan.group.wanted == dict.fromkeys(PIECES, 9000)


class TestOverlaps:
    @pytest.mark.parametrize("lifted_first", [RANGE, TWO])
    def test_lifting_one_of_a_wide_and_a_narrow_ban_leaves_the_other(self, lifted_first: str) -> None:
        plan = Plan()
        plan.ban(RANGE, TWO)
        plan.lift(lifted_first)
        assert plan.held == {RANGE, TWO} - {lifted_first}
        plan.lift(RANGE, TWO)
        assert plan.held == set()

    def test_a_piece_that_is_banned_itself_stays_until_the_last_of_both_ends(self) -> None:
        for first, second in ((RANGE, "203.0.113.0/32"), ("203.0.113.0/32", RANGE)):
            plan = Plan("203.0.113.1")
            plan.ban(first, second)
            plan.lift(first)
            assert "203.0.113.0/32" in plan.held
            plan.lift(second)
            assert plan.held == set()

    def test_it_is_wanted_until_the_later_end(self) -> None:
        plan = Plan("203.0.113.1")
        plan.ban("203.0.113.0/32", until_ms=7000)
        plan.ban(RANGE, until_ms=5000)
        assert plan.group.end_ms("203.0.113.0/32") == 7000
        plan.ban(RANGE, until_ms=9000)
        assert plan.group.end_ms("203.0.113.0/32") == 9000
        plan.end(9001)
        assert plan.group.wanted == {}

    def test_ranges_share_pieces(self) -> None:
        plan = Plan("203.0.113.1")
        plan.ban(RANGE, HALF, WIDE)
        assert HALF not in plan.held
        plan.lift(WIDE)
        assert plan.held == PIECES
        plan.lift(RANGE)
        assert plan.held == {"203.0.113.0/32"}
        plan.lift(HALF)
        assert plan.held == set()

    def test_a_piece_that_is_a_range_of_its_own_is_not_parted_with_it(self) -> None:
        plan = Plan("203.0.113.1")
        plan.ban(RANGE, "203.0.113.2/31")
        plan.allow("203.0.113.1", "203.0.113.3")
        assert plan.held == {"203.0.113.0/32", TWO}
        plan.allow()
        plan.pass_time()
        assert plan.held == {RANGE, "203.0.113.2/31"}


class TestCollapsed:
    def test_pieces_count_for_no_network(self) -> None:
        plan = Plan("203.0.113.1", collapse=Collapse(2, ipv4_prefix=29))
        plan.ban(RANGE)
        plan.allow()
        plan.pass_time()
        assert plan.held == {RANGE}

    def test_a_network_with_somebody_allowed_is_its_bans_and_beside_a_parted_range(self) -> None:
        plan = Plan(collapse=Collapse(2, ipv4_prefix=30))
        plan.ban("203.0.113.0/32", TWO, RANGE)
        plan.lift(RANGE)
        assert plan.held == {RANGE}
        plan.ban(RANGE, jail="other")
        plan.allow("203.0.113.1")
        assert plan.held == PIECES | {TWO}
        plan.lift(RANGE, jail="other")
        assert plan.held == {"203.0.113.0/32", TWO}
        plan.allow()
        plan.pass_time()
        assert plan.held == {RANGE}


class TestOwnership:
    def test_a_piece_bears_no_bans_name(self) -> None:
        plan = Plan("203.0.113.1")
        plan.ban(RANGE, OTHER)
        assert {each for each in plan.held if plan.groups.is_network("block", each)} == PIECES

    def test_a_piece_is_explained_and_another_part_of_the_range_is_not(self) -> None:
        plan = Plan("203.0.113.1")
        plan.ban(RANGE)
        assert plan.groups.is_explained("block", "203.0.113.0/32", plan.roster, 0)
        assert not plan.groups.is_explained("block", "203.0.113.3/32", plan.roster, 0)
