"""However full the sets are: nobody who is spared is hit, nobody is forgotten, nothing is there for nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.domain.blocklists import Blocklist
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.domain.plan import crowding
from f2b_worker.domain.plan.groups import Groups
from f2b_worker.domain.plan.origin import Origin
from f2b_worker.domain.plan.updates import next_update
from f2b_worker.domain.plan.wants import Want

if TYPE_CHECKING:
    from f2b_worker.domain.plan.group import Group

CAPACITY = 6
LEAST = 2
"""Of a network that stays until half of its members are gone."""

LADDER = {4: ((24, 6), (24, 4)), 6: ((64, 4), (56, 6), (56, 4), (48, 4), (32, 6))}
KEYS = [
    *(f"45.{network // 4}.{network % 4}.{host}/32" for network in range(8) for host in range(6)),
    *("45.0.0.0/24", "45.0.0.0/28", "192.168.7.1/32", "192.168.7.2/32", "192.168.7.3/32"),
    *(
        f"2a00:{org}:{site}:{home:x}::/64"
        for org in range(2)
        for site in range(3)
        for home in (0, 1, 2, 3, 256, 257)
    ),
    *(f"2a00:1:1:1::{host}/128" for host in range(1, 5)),
    *("2a00:1:1::/56", "2a00:1:1::/48"),
]
SPARED = ["45.0.0.3", "45.1.0.0/16", "45.0.1.128/25", "2a00:1:1:1::1", "2a00:0:2::/48", "2a00::/32"]

KEY = st.sampled_from(KEYS)
BAN = st.tuples(st.just("ban"), st.lists(KEY, min_size=10, max_size=50, unique=True), st.integers(1, 50))
LIFT = st.tuples(st.just("lift"), st.lists(KEY, min_size=1, max_size=25, unique=True), st.just(0))
SPARE = st.tuples(st.sampled_from(["allow", "ignore"]), st.lists(st.sampled_from(SPARED), max_size=2), st.just(0))
WRITE = st.tuples(st.just("write"), st.just(list[str]()), st.integers(1, 4))
TAKE_OUT = st.tuples(st.just("take out"), st.lists(KEY, max_size=3), st.just(0))
REFUSE = st.tuples(st.just("refuse"), st.sampled_from([["45.0.0.0/24"], ["2a00:1:1::/48"]]), st.just(0))
STEPS = st.lists(BAN | BAN | LIFT | SPARE | WRITE | TAKE_OUT | REFUSE, max_size=25)


class Sets:
    """Two sets of IPv4 and one of IPv6, and what is banned."""

    def __init__(self) -> None:
        self.ends_ms: dict[str, int] = {}
        self.spared = self.ignored = Networks()
        self.now_s = 0.0
        self.groups = Groups(
            [Blocklist("block", ("f2b",))],
            Networks(),
            apart=NEVER_BANNED,
            unban_lag_s=0.0,
            capacity=CAPACITY,
            attack=lambda _b, key: (self.ends_ms[key], 1) if key in self.ends_ms else None,
        )
        for family, number in ((4, 2), (6, 1)):
            group = self.group(family)
            for each in range(number):
                group.add_set(f"{family}-{each}", 0.0)
                group.read(f"{family}-{each}", frozenset(), lambda _: Origin.FOREIGN, 0.0)

    def group(self, family: int) -> Group:
        return self.groups.by_place["block", family]

    @property
    def all(self) -> list[Group]:
        return [self.group(4), self.group(6)]

    def held(self, group: Group) -> set[str]:
        return {entry for kept in group.sets.values() for entry in kept.held}

    def do(self, what: str, given: list[str], number: int) -> None:
        self.now_s += 1
        if what == "ban":
            self.ends_ms |= dict.fromkeys(given, number)
            self.take_in(given)
        elif what == "lift":
            self.ends_ms = {key: until_ms for key, until_ms in self.ends_ms.items() if key not in given}
            self.take_in(given)
        elif what in ("allow", "ignore"):
            if what == "allow":
                self.spared = Networks(given)
            else:
                self.ignored = Networks(given)
            apart = Networks([*NEVER_BANNED.entries, *self.ignored.entries, *self.spared.entries])
            self.groups.allow(self.spared, self.now_s, apart=apart)
            self.take_in(list(self.ends_ms))
        elif what == "write":
            for _ in range(number):
                self.write()
        elif what == "take out":
            for group in self.all:
                for set_id, kept in group.sets.items():
                    group.read(set_id, kept.held - set(given), lambda _: Origin.FOREIGN, self.now_s)
            self.groups.settle(self.now_s)
        else:
            self.groups.refuse(given[0], self.now_s)
            self.groups.settle(self.now_s)
            self.groups.accept(given[0], self.now_s)
            self.groups.settle(self.now_s)

    def take_in(self, keys: list[str]) -> None:
        """Tell what is wanted of these, as the roster does: of who is spared nothing, of ranges the rest."""
        wants = []
        for key in dict.fromkeys(keys):
            rest = self.spared.rest_of(key) if key in self.ends_ms else ()
            until_ms = self.ends_ms.get(key) if rest else None
            wants.append(Want("block", key, until_ms, () if rest in ((), (key,)) else rest))
        self.groups.take_in(wants, self.now_s)

    def write(self) -> bool:
        usable = {set_id for group in self.all for set_id in group.sets}
        self.now_s += 1
        update = next_update(self.all, self.now_s, usable)
        if update is None:
            return False
        assert len(update.entries) <= CAPACITY
        before = {id(update.group): self.held(update.group)}[id(update.group)]
        update.group.written(update.set_id, update.added, update.removed, self.now_s)
        self.groups.settle(self.now_s)
        for entry in self.held(update.group) - before:
            self._see(entry)
        return True

    def _see(self, entry: str) -> None:
        assert not self.spared.touches(entry), f"{entry} hits somebody who is allowed"
        if entry not in self.ends_ms and not any(entry in self.spared.rest_of(key) for key in self.ends_ms):
            assert not self.ignored.touches(entry), f"{entry} hits somebody whom a jail ignores"
            assert not NEVER_BANNED.touches(entry), f"{entry} is never banned"

    def check(self) -> None:
        """Check what is true when nothing is left to write."""
        for group in self.all:
            held = self.held(group)
            room = CAPACITY * len(group.sets)
            family = group.family
            pieces = [p for key in self.ends_ms for p in self.spared.rest_of(key) if (":" in p) is (family == 6)]
            for entry in held:
                self._see(entry)
                inside = [key for key in pieces if Networks([entry]).touches(key) and key != entry]
                assert entry in pieces or len(inside) >= LEAST, f"{entry} is there for nobody"
            covered = [piece for piece in pieces if not Networks(held).rest_of(piece)]
            assert len(covered) == len(pieces) or len(held) == room, "there was room for more"
            assert len(set(pieces)) > 0.9 * room or held == set(pieces), "no network is needed"


@given(STEPS)
@settings(deadline=None, max_examples=600)
def test_whatever_is_banned_lifted_and_spared_full_sets_hold_what_they_should(
    steps: list[tuple[str, list[str], int]],
) -> None:
    with patch.object(crowding, "LADDER", LADDER):
        sets = Sets()
        for step in steps:
            sets.do(*step)
        for _ in range(60):
            if not sets.write():
                break
        else:
            raise AssertionError("it is never done")
        sets.check()
