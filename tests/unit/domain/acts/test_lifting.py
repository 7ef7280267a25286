from __future__ import annotations

from dataclasses import replace

import pytest

from f2b_worker.domain.acts.lifting import is_running, lifted
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.soundness import wrong_in_ban
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, Hit, Offender

NOW_MS = 10_000
BAN = Ban(9_000, 12_000, 3, 3_000)
RUNNING = Offender(frozenset({Hit(9_500, "a")}), BAN, 4)


def lift(offender: Offender, now_ms: int = NOW_MS, *, forget: bool = False) -> Offender:
    found = lifted(offender, now_ms, forget=forget)
    assert found
    assert found.ban is None or wrong_in_ban(found.ban) is None
    return found


def test_a_running_ban_counts_no_more_from_this_moment_on_and_is_counted_all_the_same() -> None:
    after = lift(RUNNING)
    assert after == Offender(RUNNING.hits, replace(BAN, until_ms=9_999), 5, NOW_MS)
    assert not is_running(after.ban, NOW_MS)


@pytest.mark.parametrize("ban", [BAN, replace(BAN, until_ms=NOW_MS), replace(BAN, until_ms=FOREVER_MS)])
def test_every_ban_that_counts_now_is_ended(ban: Ban) -> None:
    assert lift(replace(RUNNING, ban=ban)).ban == replace(ban, until_ms=9_999)


def test_a_ban_that_is_over_stays_as_it_is_and_infractions_are_spent_all_the_same() -> None:
    over = replace(RUNNING, ban=replace(BAN, until_ms=9_999))
    assert lift(over) == replace(over, revision=5, lifted_ms=NOW_MS)


def test_who_only_has_unused_infractions_has_none_then() -> None:
    assert lift(Offender(RUNNING.hits)) == Offender(RUNNING.hits, None, 1, NOW_MS)


def test_of_a_stranger_there_is_nothing_to_lift() -> None:
    assert lifted(Offender(), NOW_MS) is None


def test_a_ban_of_a_clock_that_is_ahead_is_over_too() -> None:
    ahead = replace(BAN, start_ms=11_000, until_ms=14_000)
    after = lift(replace(RUNNING, ban=ahead))
    assert after.ban == replace(ahead, start_ms=9_999, until_ms=9_999)
    assert after.lifted_ms == 11_000


def test_unused_infractions_of_a_clock_that_is_ahead_are_spent_too() -> None:
    assert lift(replace(RUNNING, hits=frozenset({Hit(10_700, "a")}))).lifted_ms == 10_700


def test_of_two_lifts_the_later_one_decides_whoever_was_first() -> None:
    assert lift(lift(RUNNING, NOW_MS + 5)).lifted_ms == NOW_MS + 5


def test_a_ban_that_is_forgotten_too_counts_for_none_and_leaves_no_infraction() -> None:
    after = lift(RUNNING, forget=True)
    assert after == Offender(frozenset(), replace(BAN, until_ms=9_999, count=0), 5, NOW_MS)


def test_a_ban_that_cannot_be_read_is_no_running_one() -> None:
    assert not is_running(UNREADABLE, -FOREVER_MS)
