"""Bans as other programs read them."""

from __future__ import annotations

import pytest

from f2b_worker.cli.formats import WRITERS, Entry, aggregated, disjoint
from f2b_worker.domain.jails import FOREVER_MS

ENTRIES = [
    Entry("203.0.113.0/24", 3_600_000),
    Entry("203.0.113.7/32", 60_500),
    Entry("203.0.114.7/32", FOREVER_MS),
    Entry("2001:db8:1:2::/64", 100),
]


@pytest.mark.parametrize(
    ("form", "lines"),
    [
        ("plain", ["203.0.113.0/24", "203.0.113.7", "203.0.114.7", "2001:db8:1:2::/64"]),
        ("cidr", ["203.0.113.0/24", "203.0.113.7/32", "203.0.114.7/32", "2001:db8:1:2::/64"]),
        ("haproxy", ["203.0.113.0/24", "203.0.113.7/32", "203.0.114.7/32", "2001:db8:1:2::/64"]),
        (
            "nginx",
            ["deny 203.0.113.0/24;", "deny 203.0.113.7/32;", "deny 203.0.114.7/32;", "deny 2001:db8:1:2::/64;"],
        ),
        (
            "nft",
            [
                "add table inet f2b",
                "add set inet f2b banned4 { type ipv4_addr; flags interval, timeout; }",
                "flush set inet f2b banned4",
                "add element inet f2b banned4 { 203.0.113.0/24 timeout 3600s, 203.0.114.7/32 }",
                "add set inet f2b banned6 { type ipv6_addr; flags interval, timeout; }",
                "flush set inet f2b banned6",
                "add element inet f2b banned6 { 2001:db8:1:2::/64 timeout 1s }",
            ],
        ),
        (
            "ipset",
            [
                "create f2b4 hash:net family inet timeout 0 maxelem 1048576 -exist",
                "flush f2b4",
                "add f2b4 203.0.113.0/24 timeout 3600 -exist",
                "add f2b4 203.0.113.7/32 timeout 60 -exist",
                "add f2b4 203.0.114.7/32 timeout 0 -exist",
                "create f2b6 hash:net family inet6 timeout 0 maxelem 1048576 -exist",
                "flush f2b6",
                "add f2b6 2001:db8:1:2::/64 timeout 1 -exist",
            ],
        ),
        (
            "mikrotik",
            [
                "/ip firewall address-list add list=f2b address=203.0.113.0/24 timeout=3600s",
                "/ip firewall address-list add list=f2b address=203.0.113.7/32 timeout=60s",
                "/ip firewall address-list add list=f2b address=203.0.114.7/32",
                "/ipv6 firewall address-list add list=f2b address=2001:db8:1:2::/64 timeout=1s",
            ],
        ),
    ],
)
def test_every_program_gets_its_own_lines(form: str, lines: list[str]) -> None:
    assert list(WRITERS[form](ENTRIES)) == lines


def test_where_nobody_is_banned_sets_are_emptied() -> None:
    assert [line for line in WRITERS["nft"]([]) if "element" in line] == []
    assert "flush set inet f2b banned4" in WRITERS["nft"]([])


def test_aggregated_networks_hold_the_same_addresses() -> None:
    found = aggregated([Entry("203.0.113.0/25", 1), Entry("203.0.113.128/25", 2), Entry("203.0.113.7/32", 3)])
    assert [each.network for each in found] == ["203.0.113.0/24"]


def test_of_networks_inside_each_other_the_larger_one_stands() -> None:
    assert [each.network for each in disjoint(reversed(ENTRIES))] == [
        "203.0.113.0/24",
        "203.0.114.7/32",
        "2001:db8:1:2::/64",
    ]
