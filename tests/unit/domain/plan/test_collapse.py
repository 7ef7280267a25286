"""Banned neighbours as the one network around them."""

from __future__ import annotations

import pytest

from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.domain.plan.groups import Groups
from f2b_worker.domain.plan.origin import Origin
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.domain.plan.updates import next_update
from f2b_worker.domain.plan.wants import Want

NET = "203.0.113.0/24"
NEIGHBOURS = [f"203.0.113.{host}/32" for host in range(1, 6)]
A, B, C, D, E = NEIGHBOURS


class Bench:
    """One blocklist that collapses three neighbours, with one IPv4 set."""

    def __init__(self, *allowed: str, apart: tuple[str, ...] = (), prefix: int = 24, lag_s: float = 0.0) -> None:
        blocklist = Blocklist("block", ("f2b",), collapse=Collapse(3, prefix, 48))
        spared = Networks([*NEVER_BANNED.entries, *apart])
        self.groups = Groups([blocklist], Networks(allowed), apart=spared, unban_lag_s=lag_s)
        self.group = self.groups.by_place["block", 4]
        self.group.add_set("4", 0.0)
        self.group.read("4", frozenset(), lambda _: Origin.FOREIGN, 0.0)
        self.history: list[set[str]] = []

    def want(self, *entries: str, until_ms: int | None = 1000) -> None:
        self.groups.take_in([Want("block", entry, until_ms) for entry in entries], 0.0)

    def settle(self) -> set[str]:
        """Write until nothing is left to write; remember what the set held on the way."""
        while update := next_update([self.group], 0.0, {"4"}):
            self.group.written("4", update.added, update.removed, 0.0)
            self.history.append(set(self.group.sets["4"].held))
            self.groups.settle(0.0)
        return set(self.group.sets["4"].held)


def test_fewer_neighbours_than_enough_are_written_one_by_one() -> None:
    bench = Bench()
    bench.want(A, B)
    assert bench.settle() == {A, B}


def test_enough_neighbours_are_written_as_their_network() -> None:
    bench = Bench()
    bench.want(A, B, C, "198.51.100.1/32")
    assert bench.settle() == {NET, "198.51.100.1/32"}


def test_nobody_is_out_for_a_moment_when_a_network_comes_or_goes() -> None:
    bench = Bench()
    bench.want(A, B)
    bench.settle()
    bench.want(C)
    bench.settle()
    bench.want(A, until_ms=None)
    assert bench.settle() == {B, C}
    assert all(NET in held or {B} <= held for held in bench.history)
    assert any(NET in held for held in bench.history)


def test_the_neighbours_stay_wanted_until_a_set_holds_their_network_and_the_other_way_round() -> None:
    bench = Bench()
    bench.want(A, B, C)
    assert bench.group.wanted.keys() == {A, B, C, NET}
    bench.settle()
    assert bench.group.wanted.keys() == {NET}
    bench.want(C, until_ms=None)
    assert bench.group.wanted.keys() == {A, B, NET}
    bench.settle()
    assert bench.group.wanted.keys() == {A, B}


def test_a_network_goes_when_all_its_bans_end_together() -> None:
    bench = Bench()
    bench.want(A, B, C)
    bench.settle()
    bench.want(A, B, C, until_ms=None)
    assert bench.settle() == set()


def test_an_allowlisted_address_keeps_its_neighbours_apart() -> None:
    bench = Bench("203.0.113.77")
    bench.want(*NEIGHBOURS)
    assert bench.settle() == set(NEIGHBOURS)


def test_a_network_goes_at_once_when_the_allowlist_reaches_into_it() -> None:
    bench = Bench()
    bench.want(*NEIGHBOURS)
    assert bench.settle() == {NET}
    bench.groups.allow(Networks(["203.0.113.77"]), 0.0)
    assert bench.settle() == set(NEIGHBOURS)


@pytest.mark.parametrize("spared", ["203.0.113.77", "203.0.113.0/24", "203.0.0.0/16", "64:ff9b::203.0.113.77"])
def test_an_address_that_any_jail_ignores_keeps_its_neighbours_apart(spared: str) -> None:
    bench = Bench(apart=(spared,))
    bench.want(*NEIGHBOURS)
    assert bench.settle() == (set(NEIGHBOURS) if ":" not in spared else {NET})


@pytest.mark.parametrize(
    ("prefix", "keys", "network"),
    [
        (8, ["172.1.0.1/32", "172.2.0.1/32", "172.3.0.1/32"], None),
        (9, ["172.200.0.1/32", "172.201.0.1/32", "172.202.0.1/32"], "172.128.0.0/9"),
        (8, ["198.51.0.1/32", "198.52.0.1/32", "198.53.0.1/32"], None),
        (8, ["9.0.0.1/32", "9.1.0.1/32", "9.2.0.1/32"], "9.0.0.0/8"),
        (16, ["192.88.1.1/32", "192.88.2.1/32", "192.88.3.1/32"], None),
    ],
)
def test_no_network_is_written_that_reaches_into_a_range_that_is_never_banned(
    prefix: int, keys: list[str], network: str | None
) -> None:
    bench = Bench(prefix=prefix)
    bench.want(*keys)
    assert bench.settle() == ({network} if network else set(keys))


def test_a_network_goes_at_once_and_whole_when_a_jail_ignores_somebody_in_it_and_may_come_again() -> None:
    bench = Bench()
    bench.want(*NEIGHBOURS)
    assert bench.settle() == {NET}
    bench.groups.allow(Networks(), 0.0, apart=Networks(["203.0.113.77"]))
    bench.history.clear()
    assert bench.settle() == set(NEIGHBOURS)
    assert bench.history == [set(NEIGHBOURS)]
    bench.groups.allow(Networks(), 0.0, apart=Networks(["198.51.100.1"]))
    bench.groups.settle(0.0)
    assert bench.settle() == {NET}


def test_a_network_that_was_found_in_a_set_goes_at_once_if_a_jail_ignores_somebody_in_it() -> None:
    bench = Bench(apart=("203.0.113.77",), lag_s=60.0)
    bench.group.read("4", frozenset({NET}), lambda _: Origin.OURS, 0.0)
    bench.want(*NEIGHBOURS)
    update = next_update([bench.group], 0.0, {"4"})
    assert update is not None
    assert (set(update.added), set(update.removed)) == (set(NEIGHBOURS), {NET})


def test_a_key_no_smaller_than_its_network_is_written_as_it_is() -> None:
    bench = Bench()
    bench.want(NET, "198.51.0.0/16")
    assert bench.settle() == {NET, "198.51.0.0/16"}
    bench.want(A, B, C)
    bench.want(NET, until_ms=None)
    assert NET in bench.settle()


def test_a_key_counts_as_held_while_its_network_is() -> None:
    bench = Bench()
    bench.want(A, B, C)
    bench.settle()
    assert bench.groups.holds("block", A)
    assert not bench.groups.holds("block", "198.51.100.1/32")


def told(ends_ms: dict[str, int]) -> Roster:
    roster = Roster(["block"], Networks())
    for key, until_ms in ends_ms.items():
        roster.take_in(OffenderId("login", key), Ban(0, until_ms, 1, until_ms), now_ms=5)
    return roster


@pytest.mark.parametrize("remembered", [{A: 5, B: 5, C: 5}, {A: 5, B: 5}])
def test_a_network_of_ours_is_recognised_by_the_bans_in_it(remembered: dict[str, int]) -> None:
    groups = Bench().groups
    assert groups.is_explained("block", NET, told(remembered), 0) is (len(remembered) == 3)


def test_a_key_is_explained_by_a_ban_that_lasted_long_enough() -> None:
    groups = Bench().groups
    assert groups.is_explained("block", A, told({A: 5}), 5)
    assert not groups.is_explained("block", A, told({A: 5}), 6)
    assert not groups.is_explained("block", A, told({}), -1)


def test_what_is_no_address_among_the_bans_does_not_matter() -> None:
    groups = Bench().groups
    assert groups.is_explained("block", NET, told({A: 5, B: 5, C: 5, "not-an-address": 5}), 0)
