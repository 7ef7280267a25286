"""The bans that run: each as it was put in, in little memory."""

from __future__ import annotations

import pytest

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.domain.plan.running import Running, RunningBans
from tests.memory import bytes_of

A, B = "203.0.113.1/32", "203.0.113.2/32"
LISTS = ("block",)
BAN, OTHER = Running(1, 2, LISTS), Running(3, 4, ("block", "captcha"))


@pytest.mark.parametrize("blocklists", [(), LISTS, ("a", "b", "c")])
@pytest.mark.parametrize("until_ms", [-FOREVER_MS, -1, 0, 1_764_000_000_000, FOREVER_MS])
@pytest.mark.parametrize("start_ms", [-FOREVER_MS, -1, 0, 1_764_000_000_000, FOREVER_MS])
def test_a_ban_is_found_as_it_was_put_in(start_ms: int, until_ms: int, blocklists: tuple[str, ...]) -> None:
    bans, ban = RunningBans(), Running(start_ms, until_ms, blocklists)
    for number in range(3):
        bans.put("login", B, Running(number, number, (f"other-{number}",)))
    bans.put("login", A, ban)
    assert bans.get("login", A) == ban
    assert bans.of(A) == [("login", ban)]
    assert dict(bans)[A] == ban
    assert bans.pop("login", A) == ban
    assert bans.get("login", A) is None


def test_each_jail_has_its_own_ban_of_a_key_and_all_are_counted() -> None:
    bans = RunningBans()
    bans.put("login", A, BAN)
    bans.put("scan", A, OTHER)
    bans.put("scan", A, BAN)
    bans.put("scan", B, OTHER)
    assert (len(bans), sorted(bans.of(A))) == (3, [("login", BAN), ("scan", BAN)])
    assert (bans.banned(), bans.banned_by_jail()) == ({A, B}, {"login": {A}, "scan": {A, B}})
    assert bans.pop("login", A) == BAN
    assert (A in bans, len(bans)) == (True, 2)
    assert bans.pop("scan", A) == BAN
    assert (A in bans, len(bans), bans.pop("scan", A), bans.pop("nowhere", A)) == (False, 1, None, None)


def test_a_ban_takes_less_than_100_bytes_beside_its_key() -> None:
    keys = [f"198.18.{number // 250}.{number % 250}/32" for number in range(10_000)]

    def make() -> RunningBans:
        bans = RunningBans()
        for number, key in enumerate(keys):
            bans.put("login", key, Running(1_764_000_000_000 + number, 1_764_000_000_000 + DAY_MS + number, LISTS))
        return bans

    bans, size = bytes_of(make)
    assert len(bans) == len(keys)
    assert size / len(keys) < 100
