"""What somebody types, and which bans it is about."""

from __future__ import annotations

import pytest

from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.ports import StandingBan
from f2b_worker.query.search import Search

BAN = Ban(0, 1000, 1, 1000)
WHO = [
    OffenderId("login", "203.0.113.7/32"),
    OffenderId("Login-API", "203.0.113.0/24"),
    OffenderId("ssh", "198.51.100.7/32"),
    OffenderId("ssh", "2001:db8:1:2::/64"),
    OffenderId("ssh", "no address"),
]
UNREADABLE_KEY = "no address"


def found(q: str) -> set[str]:
    is_asked_for = Search(q=q).is_asked_for()
    return {who.key for who in WHO if is_asked_for(StandingBan(who, BAN))}


@pytest.mark.parametrize("q", ["", "  "])
def test_nothing_typed_is_about_all(q: str) -> None:
    assert len(found(q)) == len(WHO)


@pytest.mark.parametrize(
    ("q", "keys"),
    [
        ("203.0.113.7", {"203.0.113.7/32", "203.0.113.0/24"}),
        (" 203.0.113.9 ", {"203.0.113.0/24"}),
        ("203.0.113.0/25", {"203.0.113.7/32", "203.0.113.0/24"}),
        ("203.0.0.0/16", {"203.0.113.7/32", "203.0.113.0/24"}),
        ("2001:DB8:1:2::99", {"2001:db8:1:2::/64"}),
        ("2001:db8::/32", {"2001:db8:1:2::/64"}),
        ("::ffff:203.0.113.7", {"203.0.113.7/32", "203.0.113.0/24"}),
        ("192.0.2.1", set()),
    ],
)
def test_a_network_is_about_bans_inside_it_and_around_it_and_about_whatever_no_address_is(
    q: str, keys: set[str]
) -> None:
    assert found(q) == {*keys, UNREADABLE_KEY}


@pytest.mark.parametrize(
    ("q", "keys"),
    [
        ("LOGIN", {"203.0.113.7/32", "203.0.113.0/24"}),
        ("api", {"203.0.113.0/24"}),
        ("203.0.", {"203.0.113.7/32", "203.0.113.0/24"}),
        ("2001:db8:1", {"2001:db8:1:2::/64"}),
        ("nothing like it", set()),
    ],
)
def test_a_word_is_about_jails_that_have_it_and_addresses_that_begin_so(q: str, keys: set[str]) -> None:
    assert found(q) == keys


def test_a_network_that_is_none_finds_nothing_and_is_named() -> None:
    search = Search(q="203.0.113.0/99")
    assert found(search.q) == set()
    assert "'203.0.113.0/99' is no network" in search.remark
    assert Search(q="203.0.113.0/24").remark == Search(q="login").remark == ""
