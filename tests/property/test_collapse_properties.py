"""Whoever some jail ignores, or is never banned, is in no network that banned neighbours collapse into."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.jails import Jail
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.domain.plan.groups import Groups
from f2b_worker.domain.plan.origin import Origin
from f2b_worker.domain.plan.updates import next_update
from f2b_worker.domain.plan.wants import Want

PROFILE = settings(deadline=None, max_examples=150)

# Few enough that many are neighbours; some beside what is never banned, some where a /64 is not one customer.
SOMEWHERE = [
    *(0xCB007100, 0xAC0F0000, 0xAC200000, 0xC6110000, 0xC0580000),
    *(0x20010DB8 << 96, 0x2002CB007100 << 80, 0x0064FF9B << 96 | 0xCB007100, 0x20010000 << 96),
]
ADDRESSES = st.builds(
    lambda base, more, bits: ipaddress.ip_address(base + (more << bits)) if base < 1 << 32 else v6(base, more),
    st.sampled_from(SOMEWHERE),
    st.integers(0, 40),
    st.sampled_from([0, 8]),
)


def v6(base: int, more: int) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(base + (more << 64) + more)


@st.composite
def ignored_networks(draw: st.DrawFn) -> str:
    address = draw(ADDRESSES)
    shortest = 8 if address.version == 4 else 32
    prefix = draw(st.integers(shortest, address.max_prefixlen) | st.just(address.max_prefixlen))
    return str(ipaddress.ip_network((address, prefix), strict=False))


class Sets:
    """One set a family, written until nothing is left to write; every state of them is looked at."""

    def __init__(self, collapse: Collapse, apart: Networks) -> None:
        self.groups = Groups(
            [Blocklist("block", ("f2b",), collapse=collapse)], Networks(), apart=apart, unban_lag_s=60
        )
        self.by_family = {family: self.groups.by_place["block", family] for family in (4, 6)}
        for family, group in self.by_family.items():
            group.add_set(str(family), 0.0)
            group.read(str(family), frozenset(), lambda _: Origin.FOREIGN, 0.0)

    def settle(self, now_s: float) -> list[set[str]]:
        seen = []
        self.groups.settle(now_s)
        while update := next_update(list(self.by_family.values()), now_s, {"4", "6"}):
            family = int(update.set_id)
            self.by_family[family].written(update.set_id, update.added, update.removed, now_s)
            self.groups.settle(now_s)
            seen.append(self.held)
        return seen

    @property
    def held(self) -> set[str]:
        return {entry for family, group in self.by_family.items() for entry in group.sets[str(family)].held}


def hit(entries: set[str], keys: set[str], ignored: list[list[str]]) -> list[str]:
    """Find entries that are no bans themselves and hit somebody who is spared, by the standard library."""
    nets: list[Any] = [
        ipaddress.ip_network(each) for spared in (NEVER_BANNED.entries, *ignored) for each in spared
    ]
    networks: list[Any] = [ipaddress.ip_network(entry) for entry in entries - keys]
    return [str(net) for net in networks if any(net.version == o.version and net.overlaps(o) for o in nets)]


def apart_of(ignored: list[list[str]]) -> Networks:
    """Read a jails file in which the defaults and each jail ignore so much."""
    tables = ["[defaults]", *(f"[jails.j{number}]" for number in range(1, len(ignored)))]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "f2b.toml"
        file.write_text(
            "".join(f"{table}\nignoreip = {each}\n" for table, each in zip(tables, ignored, strict=True))
        )
        return read_jails(file).apart


@given(
    st.lists(ADDRESSES, max_size=40),
    st.lists(st.lists(ignored_networks(), max_size=2), min_size=1, max_size=3),
    st.lists(st.lists(ignored_networks(), max_size=2), min_size=1, max_size=3),
    st.builds(Collapse, st.integers(2, 4), st.integers(8, 31), st.integers(16, 63)),
)
@PROFILE
def test_no_planned_entry_hits_whom_any_jail_ignores_before_or_after_a_reload(
    offenders: list[Any], ignored: list[list[str]], after: list[list[str]], collapse: Collapse
) -> None:
    jail = Jail()
    asked = [parse_address(str(each)) for each in offenders]
    keys = {jail.key(each) for each in asked if jail.ignores(each) is None}
    sets = Sets(collapse, apart_of(ignored))
    sets.groups.take_in([Want("block", key, 1000) for key in sorted(keys)], 0.0)
    for entries in sets.settle(0.0):
        assert hit(entries, keys, ignored) == []
    settled = sets.held

    sets.groups.allow(Networks(), 1.0, apart=apart_of(after))
    states = sets.settle(1.0)
    final = states[-1] if states else settled
    assert hit(final, keys, after) == []
    assert uncovered(keys, final) == []
    assert uncovered(keys, settled) == []


def uncovered(keys: set[str], entries: set[str]) -> list[str]:
    nets: list[Any] = [ipaddress.ip_network(entry) for entry in entries]
    wanted: list[Any] = [ipaddress.ip_network(key) for key in keys]
    return [str(key) for key in wanted if not any(n.version == key.version and key.subnet_of(n) for n in nets)]
