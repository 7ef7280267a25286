from __future__ import annotations

import pytest

from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.notices import group as groups
from f2b_worker.domain.notices.group import Group, network_around
from f2b_worker.domain.notices.news import News

BAN = Ban(0, 1000, 1, 1000)


def news(key: str, jail: str = "login") -> News:
    return News("ban", OffenderId(jail, key), BAN, 0)


def test_a_group_lists_so_many_and_counts_all_of_them() -> None:
    group = Group(3)
    group.add(news(f"203.0.113.{last}/32") for last in range(3))
    assert group.is_listed
    group.add([news("198.51.100.1/32", "admin")])
    assert not group.is_listed
    assert group.count == 4
    assert len(group.first) == 3
    assert group.top_jails() == [("login", 3), ("admin", 1)]
    assert group.top_networks() == [("203.0.0.0/16", 3)]


def test_however_many_networks_there_are_no_more_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "COUNTED_MAX", 10)
    group = Group(1)
    group.add(news(f"10.{middle}.0.1/32") for middle in range(100))
    assert group.count == 100
    assert len(group._networks) == 10
    assert len(group.first) == 1


@pytest.mark.parametrize(
    ("key", "network"),
    [
        ("203.0.113.7/32", "203.0.0.0/16"),
        ("2001:db8:1:2::/64", "2001:db8::/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("junk", "junk"),
        ("203.0.113.7", "203.0.113.7"),
        ("", ""),
    ],
)
def test_addresses_are_counted_by_the_network_of_a_provider_and_a_key_that_is_none_by_itself(
    key: str, network: str
) -> None:
    assert network_around(key) == network
