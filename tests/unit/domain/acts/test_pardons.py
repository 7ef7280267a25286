from __future__ import annotations

import pytest

from f2b_worker.domain.acts.pardons import pardoned
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId
from f2b_worker.domain.networks import Networks

BAN = Ban(0, 2000, 1, 2000)


def of(key: str, ban: Ban = BAN) -> list[OffenderId]:
    return pardoned([(OffenderId("login", key), ban)], Networks(["192.0.2.0/24", "2001:db8::1"]), 1000)


@pytest.mark.parametrize("key", ["192.0.2.7/32", "192.0.2.0/24", "192.0.2.128/25", "2001:db8::/64"])
def test_a_ban_of_which_the_allowlist_leaves_nothing_is_lifted(key: str) -> None:
    assert of(key) == [OffenderId("login", key)]


@pytest.mark.parametrize("key", ["198.51.100.7/32", "192.0.0.0/16", "2001:db8:1::/64", "2001:db8::/32"])
def test_a_ban_of_which_something_is_left_stays(key: str) -> None:
    assert of(key) == []


@pytest.mark.parametrize("key", ["nobody", "192.0.2.7.1/32", "192.0.2.7/33", ""])
def test_what_is_no_address_stays(key: str) -> None:
    assert of(key) == []


@pytest.mark.parametrize("ban", [Ban(0, 999, 1, 999), Ban(0, 2000, 1, 2000, observed=True), UNREADABLE])
def test_what_is_not_enforced_stays_as_it_is(ban: Ban) -> None:
    assert of("192.0.2.7/32", ban) == []


def test_without_an_allowlist_nobody_is_looked_at() -> None:
    assert pardoned([(OffenderId("login", "no address"), BAN)], Networks(), 1000) == []
