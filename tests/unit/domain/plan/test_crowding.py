"""Crowded networks are written as one entry each while the sets are full, and never for a moment as neither."""

from __future__ import annotations

import pytest

from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.domain.plan.groups import Groups
from f2b_worker.domain.plan.origin import Origin
from f2b_worker.domain.plan.updates import next_update
from f2b_worker.domain.plan.wants import Want

HONEST = ["192.0.2.1/32", "198.51.100.1/32", "203.0.113.1/32"]
HONEST6 = ["2a02:1::/64", "2a03:1::/64"]
CAPACITY = 100


class Bench:
    """One blocklist whose sets hold a hundred entries each."""

    def __init__(
        self,
        *allowed: str,
        apart: tuple[str, ...] = (),
        family: int = 4,
        sets: int = 1,
        collapse: Collapse | None = None,
    ) -> None:
        spared = Networks([*NEVER_BANNED.entries, *apart])
        blocklist = Blocklist("block", ("f2b",), collapse=collapse)
        self.groups = Groups(
            [blocklist],
            Networks(allowed),
            apart=spared,
            unban_lag_s=0.0,
            capacity=CAPACITY,
            attack=lambda _b, key: (self.ends_ms.get(key, 0) - 1000, 1000),
        )
        self.group = self.groups.by_place["block", family]
        for number in range(sets):
            self.group.add_set(str(number), 0.0)
            self.group.read(str(number), frozenset(), lambda _: Origin.FOREIGN, 0.0)
        self.ends_ms: dict[str, int] = {}
        self.sure: set[str] = set()

    def want(self, *keys: str, until_ms: int | None = 1000) -> None:
        for key in keys:
            if until_ms is None:
                self.ends_ms.pop(key, None)
            else:
                self.ends_ms[key] = until_ms
        self.groups.take_in([Want("block", key, until_ms) for key in keys], 0.0)

    def settle(self) -> set[str]:
        """Write until nothing is left to write; whoever was blocked and is banned stays so all the while."""
        usable = set(self.group.sets)
        while update := next_update([self.group], 0.0, usable):
            assert len(update.entries) <= CAPACITY
            before = {key for key in self.ends_ms if self.blocks(key)}
            self.group.written(update.set_id, update.added, update.removed, 0.0)
            assert not {key for key in before & self.sure if not self.blocks(key)}, "let through in between"
            self.groups.settle(0.0)
        return self.held

    @property
    def held(self) -> set[str]:
        return {entry for kept in self.group.sets.values() for entry in kept.held}

    def blocks(self, key: str) -> bool:
        return not Networks(self.held).rest_of(key)


def of_network(number: int, network: str = "45.0.0", first: int = 0) -> list[str]:
    return [f"{network}.{host}/32" for host in range(first, first + number)]


def of_site(number: int, each: int = 1) -> list[str]:
    return [f"2a00:1:2:{place * each:x}::/64" for place in range(number)]


def test_while_there_is_room_for_all_nothing_collapses() -> None:
    bench = Bench()
    bench.want(*of_network(90), *HONEST)
    assert bench.settle() == {*of_network(90), *HONEST}


def test_a_crowded_network_makes_room_for_everybody_else() -> None:
    bench = Bench()
    bench.want(*HONEST)
    bench.want(*of_network(98))
    assert bench.settle() == {"45.0.0.0/24", *HONEST}


def test_who_is_banned_after_the_sets_were_full_goes_in_with_the_next_update() -> None:
    bench = Bench()
    bench.want(*of_network(100))
    bench.settle()
    bench.want(*HONEST)
    bench.sure = {*HONEST, *bench.ends_ms}
    assert bench.settle() == {"45.0.0.0/24", *HONEST}


def test_a_network_that_becomes_crowded_later_stands_for_all_in_it() -> None:
    bench = Bench()
    bench.want(*of_network(110))
    bench.settle()
    for host in range(70):
        bench.want(f"45.0.1.{host}/32")
    bench.want(*HONEST)
    bench.want(*of_network(60, "45.0.2"))
    assert bench.settle() == {"45.0.0.0/24", "45.0.1.0/24", *HONEST, *of_network(60, "45.0.2")}


def test_of_several_networks_no_more_collapse_than_must() -> None:
    bench = Bench()
    bench.want(*of_network(70), *of_network(20, "45.0.1"))
    bench.want(*of_network(20, "45.0.2"))
    assert bench.settle() == {"45.0.0.0/24", *of_network(20, "45.0.1"), *of_network(20, "45.0.2")}


@pytest.mark.parametrize(
    ("keys", "networks"),
    [
        (of_site(250), {"2a00:1:2::/56"}),
        (of_site(120, each=256), {"2a00:1:2::/48"}),
        (of_site(2000, each=16), {f"2a00:1:2:{place:x}00::/56" for place in range(125)}),
        ([f"2a00:1:2:3::{host:x}/128" for host in range(200)], {"2a00:1:2:3::/64"}),
        ([f"2a00:1:{place:x}::/64" for place in range(2000)], {"2a00:1::/32"}),
    ],
)
def test_networks_of_ipv6_collapse_by_steps(keys: list[str], networks: set[str]) -> None:
    bench = Bench(family=6)
    bench.want(*HONEST6)
    bench.want(*keys)
    held = bench.settle()
    assert held >= set(HONEST6)
    assert held - set(HONEST6) <= networks or len(networks) > CAPACITY
    assert all(bench.blocks(key) for key in HONEST6)


def test_fewer_than_are_a_crowd_stay_apart_however_full_the_sets_are() -> None:
    bench = Bench()
    for network in range(20):
        bench.want(*of_network(15, f"45.0.{network}"))
    assert all(entry.endswith("/32") for entry in bench.settle())
    assert len(bench.held) == CAPACITY


@pytest.mark.parametrize("spared", ["45.0.0.200", "45.0.0.0/30", "45.0.0.0/16"])
def test_no_network_is_written_over_somebody_who_is_allowed_or_whom_any_jail_ignores(spared: str) -> None:
    for bench in (Bench(spared), Bench(apart=(spared,))):
        bench.want(*of_network(120, first=10), *of_network(60, "45.1.0"))
        assert "45.0.0.0/24" not in bench.settle()
        assert "45.1.0.0/24" in bench.held


def test_a_step_that_would_hit_somebody_leaves_the_smaller_ones() -> None:
    bench = Bench("2a00:1:2:ff01::1", family=6)
    bench.want(*of_site(2000, each=16))
    held = bench.settle()
    assert "2a00:1:2::/48" not in held
    assert held
    assert all(entry.endswith("/56") for entry in held)


def test_a_network_goes_at_once_when_somebody_in_it_is_spared() -> None:
    bench = Bench()
    bench.want(*of_network(110))
    bench.settle()
    bench.groups.allow(Networks(["45.0.0.200"]), 0.0)
    update = next_update([bench.group], 0.0, {"0"})
    assert update is not None
    assert "45.0.0.0/24" in update.removed
    assert len(update.added) == CAPACITY


def test_a_network_that_is_never_banned_is_not_written() -> None:
    bench = Bench()
    bench.want(*of_network(120, "192.168.0"), *HONEST)
    assert all(entry.endswith("/32") for entry in bench.settle())


def test_where_a_64_is_not_one_customer_nothing_collapses() -> None:
    bench = Bench(family=6)
    bench.want(*(f"64:ff9b::2d00:{place:x}/128" for place in range(1, 201)))
    assert all(entry.endswith("/128") for entry in bench.settle())


@pytest.mark.parametrize("sets", [1, 3])
def test_nobody_is_let_through_when_a_network_comes_or_goes(sets: int) -> None:
    bench = Bench(sets=sets)
    room = CAPACITY * sets
    keys = [f"45.0.{number // 100}.{number % 100}/32" for number in range(room - 10)]
    bench.want(*keys)
    bench.settle()
    bench.sure = set(keys)
    others = [f"45.{number}.0.1/32" for number in range(1, 91)]
    bench.want(*others, until_ms=2000)
    bench.settle()
    assert any(entry.endswith("/24") for entry in bench.held)
    assert all(bench.blocks(key) for key in bench.ends_ms)
    bench.want(*others, until_ms=None)
    bench.want(*keys[room // 2 :], until_ms=None)
    assert bench.settle() == set(keys[: room // 2])


def test_a_network_lasts_as_long_as_the_longest_ban_in_it_and_no_longer() -> None:
    bench = Bench()
    keys = of_network(150)
    bench.want(*keys)
    bench.settle()
    assert bench.group.wanted == {"45.0.0.0/24": 1000}
    bench.want(keys[0], until_ms=5000)
    assert bench.group.wanted == {"45.0.0.0/24": 5000}
    bench.want(keys[0], until_ms=None)
    assert bench.group.wanted == {"45.0.0.0/24": 1000}
    bench.want(*keys, until_ms=None)
    assert bench.settle() == set()


def test_a_key_counts_as_held_and_as_ours_while_its_network_is() -> None:
    bench = Bench()
    bench.want(*of_network(150), *HONEST)
    bench.settle()
    assert bench.groups.holds("block", "45.0.0.1/32")
    assert bench.groups.keeps("block", "45.0.0.1/32")
    assert bench.groups.is_network("block", "45.0.0.0/24")
    assert not bench.groups.holds("block", "45.0.1.1/32")


def test_a_network_that_waf_refuses_is_parted_again() -> None:
    bench = Bench()
    bench.want(*of_network(110))
    assert bench.groups.refuse("45.0.0.0/24", 0.0)
    assert len(bench.settle()) == CAPACITY
    bench.groups.accept("45.0.0.0/24", 0.0)
    bench.groups.settle(0.0)
    assert bench.settle() == {"45.0.0.0/24"}


def test_networks_that_collapse_by_the_file_go_on_doing_so_in_a_crowded_larger_one() -> None:
    bench = Bench(family=6, collapse=Collapse(2, 24, 60))
    bench.want(*of_site(2000), *HONEST6)
    assert {"2a00:1:2::/56", *HONEST6} <= bench.settle()
    assert all(bench.blocks(key) for key in bench.ends_ms)


def test_a_whole_start_above_the_room_is_planned_as_one_by_one() -> None:
    one, other = Bench(), Bench()
    keys = [*of_network(90), *of_network(90, "45.0.1"), *HONEST]
    one.want(*keys)
    other.ends_ms = one.ends_ms
    other.groups.start({"block": dict(one.ends_ms)}, {}, 0.0)
    assert other.settle() == one.settle() == {"45.0.0.0/24", "45.0.1.0/24", *HONEST}


def test_the_pieces_of_a_range_for_ever_leave_room_for_short_bans() -> None:
    bench = Bench()
    pieces = tuple(f"{first}.0.0.0/8" for first in range(1, 9)) + tuple(f"99.{n}.0.0/17" for n in range(200))
    bench.ends_ms = {"0.0.0.0/1": 10**15}
    bench.groups.take_in([Want("block", "0.0.0.0/1", 10**15, pieces)], 0.0)
    bench.settle()
    bench.want(*(f"203.0.{place}.1/32" for place in range(20)), until_ms=DAY_MS)
    held = bench.settle()
    assert len([entry for entry in held if entry.startswith("203.0.")]) == 20
