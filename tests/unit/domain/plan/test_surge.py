"""When more bans than anybody expects start within one minute."""

from __future__ import annotations

import random

from f2b_worker.domain.plan.surge import MINUTE_MS, REMEMBERED_S, SurgeGuard


def test_as_many_as_the_limit_within_a_minute_are_no_surge_and_one_more_is() -> None:
    guard = SurgeGuard(3)
    assert guard.count([0, 20_000, 59_999], 0.0) is None
    assert guard.count([30_000], 1.0) == 0


def test_a_minute_begins_with_any_ban() -> None:
    assert SurgeGuard(2).count([0, MINUTE_MS, MINUTE_MS + 1], 0.0) is None
    assert SurgeGuard(2).count([0, MINUTE_MS, MINUTE_MS + 1, 2 * MINUTE_MS - 1], 0.0) == MINUTE_MS


def test_a_backlog_of_an_hour_that_is_judged_at_once_is_no_surge() -> None:
    starts_ms = [minute * MINUTE_MS + second * 6_000 for minute in range(60) for second in range(10)]
    random.Random(1).shuffle(starts_ms)
    assert SurgeGuard(10).count(starts_ms, 0.0) is None


def test_bans_that_become_known_one_by_one_and_out_of_order_are_counted_together() -> None:
    guard = SurgeGuard(3)
    found = [guard.count([start_ms], 0.0) for start_ms in (50_000, 10_000, 40_000, 20_000)]
    assert found == [None, None, None, 10_000]


def test_an_earlier_surge_that_becomes_known_later_is_found_too() -> None:
    guard = SurgeGuard(1)
    assert guard.count([500_000, 500_001], 0.0) == 500_000
    assert guard.count([100_000, 100_001], 1.0) == 100_000


def test_what_was_released_counts_no_more() -> None:
    guard = SurgeGuard(2)
    guard.count([0, 1, 2], 0.0)
    guard.release(2)
    assert guard.count([1, 3, 4], 1.0) is None
    assert guard.count([5], 2.0) == 3


def test_without_a_limit_nothing_is_a_surge() -> None:
    assert SurgeGuard(0).count([1] * 100_000, 0.0) is None


def test_what_became_known_long_ago_is_forgotten() -> None:
    guard = SurgeGuard(5)
    for number in range(1000):
        guard.count([number * 20_000], number * 20.0)
    assert len(guard._starts_ms) == len(guard._known) <= REMEMBERED_S / 20 + 1


def test_it_agrees_with_counting_every_minute() -> None:
    dice = random.Random(2)
    for _ in range(200):
        starts_ms = [dice.randrange(600_000) for _ in range(40)]
        limit = dice.randrange(3, 9)
        crowded = [
            each for each in starts_ms if sum(each <= other < each + MINUTE_MS for other in starts_ms) > limit
        ]
        assert SurgeGuard(limit).count(starts_ms, 0.0) == min(crowded, default=None)


def test_what_turns_out_not_to_be_new_counts_no_more() -> None:
    guard = SurgeGuard(2)
    assert guard.count([0, 1, 2, 500_000], 0.0) == 0
    guard.uncount([1])
    assert guard.first() is None
    assert guard.count([3], 0.0) == 0
    assert SurgeGuard(2).first() is None
