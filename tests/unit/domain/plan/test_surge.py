"""When more bans than anybody expects start within one minute."""

from __future__ import annotations

import random

from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.domain.plan.surge import BACKLOG_MS, SurgeGuard

HOUR_MS = 3_600_000


def test_as_many_as_the_limit_within_a_minute_are_no_surge_and_one_more_is() -> None:
    guard = SurgeGuard(3)
    assert guard.count([0, 20_000, 59_999], MINUTE_MS) is None
    assert guard.count([30_000], MINUTE_MS + 1000) == 0


def test_a_minute_begins_with_any_ban() -> None:
    assert SurgeGuard(2).count([0, MINUTE_MS, MINUTE_MS + 1], 2 * MINUTE_MS) is None
    assert SurgeGuard(2).count([0, MINUTE_MS, MINUTE_MS + 1, 2 * MINUTE_MS - 1], 2 * MINUTE_MS) == MINUTE_MS


def test_a_backlog_of_an_hour_that_is_judged_at_once_is_no_surge() -> None:
    starts_ms = [minute * MINUTE_MS + second * 6_000 for minute in range(60) for second in range(10)]
    random.Random(1).shuffle(starts_ms)
    assert SurgeGuard(10).count(starts_ms, HOUR_MS) is None


def test_bans_that_become_known_one_by_one_and_out_of_order_are_counted_together() -> None:
    guard = SurgeGuard(3)
    found = [guard.count([start_ms], MINUTE_MS) for start_ms in (50_000, 10_000, 40_000, 20_000)]
    assert found == [None, None, None, 10_000]


def test_an_earlier_surge_that_becomes_known_later_is_found_too() -> None:
    guard = SurgeGuard(1)
    assert guard.count([500_000, 500_001], HOUR_MS) == 500_000
    assert guard.count([100_000, 100_001], HOUR_MS + 1000) == 100_000


def test_what_was_released_counts_no_more() -> None:
    guard = SurgeGuard(2)
    guard.count([0, 1, 2], 10)
    guard.release(2)
    assert guard.count([1, 3, 4], 1010) is None
    assert guard.count([5], 2010) == 3


def test_without_a_limit_nothing_is_a_surge() -> None:
    assert SurgeGuard(0).count([1] * 100_000, 0) is None


def test_what_became_known_long_ago_is_forgotten() -> None:
    guard = SurgeGuard(5)
    for number in range(1000):
        guard.count([number * 20_000], number * 20_000)
    assert len(guard) <= (BACKLOG_MS + MINUTE_MS) / 20_000 + 1


def test_it_agrees_with_counting_every_minute() -> None:
    dice = random.Random(2)
    for _ in range(200):
        starts_ms = [dice.randrange(600_000) for _ in range(40)]
        limit = dice.randrange(3, 9)
        crowded = [
            each for each in starts_ms if sum(each <= other < each + MINUTE_MS for other in starts_ms) > limit
        ]
        assert SurgeGuard(limit).count(starts_ms, HOUR_MS) == min(crowded, default=None)


def test_what_turns_out_not_to_be_new_counts_no_more() -> None:
    guard = SurgeGuard(2)
    assert guard.count([0, 1, 2, 500_000], HOUR_MS) == 0
    guard.uncount([1])
    assert guard.first() is None
    assert guard.count([3], HOUR_MS) == 0
    assert SurgeGuard(2).first() is None


def test_bans_that_are_dated_over_a_day_and_become_known_at_once_are_a_surge_of_all_of_them() -> None:
    known_ms = 24 * HOUR_MS
    starts_ms = [HOUR_MS + number * 27_600 for number in range(3000)]  # over 23 hours: two a minute
    assert SurgeGuard(50).count(starts_ms, known_ms) == HOUR_MS


def test_whatever_dates_somebody_writes_only_an_hours_worth_passes_above_the_limit_a_minute() -> None:
    dice = random.Random(5)
    guard, passed, minutes = SurgeGuard(10), 0, 300
    for minute in range(minutes):
        known_ms = 24 * HOUR_MS + minute * MINUTE_MS
        for _ in range(30):
            start_ms = known_ms - dice.randrange(24 * HOUR_MS)
            if guard.count([start_ms], known_ms) is None:
                passed += 1
            else:
                guard.uncount([start_ms])
    assert minutes * 10 * 0.5 < passed <= (minutes + 61) * 10


def test_a_backlog_of_more_than_an_hour_is_no_surge_if_it_becomes_known_slowly_enough() -> None:
    guard = SurgeGuard(10)
    for number in range(3000):
        assert guard.count([number], 24 * HOUR_MS + number * 6001) is None


def test_thousands_of_bans_that_come_a_few_at_a_time_out_of_order_are_counted_as_all_at_once() -> None:
    dice = random.Random(6)
    for _ in range(50):
        starts_ms = [dice.randrange(5 * HOUR_MS) for _ in range(300)]
        at_once, one_by_one, limit = SurgeGuard(3), SurgeGuard(3), 5 * HOUR_MS
        found = [one_by_one.count([start_ms], limit) for start_ms in starts_ms]
        least = min((each for each in found if each is not None), default=None)
        assert at_once.count(starts_ms, limit) == least == one_by_one.first()
