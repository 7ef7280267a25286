from __future__ import annotations

from f2b_worker.domain.judge.lateness import MARGIN_MS, SPAN_MS, Lateness

NOW_MS = 1_700_000_000_000


def test_a_worker_that_has_just_started_takes_nothing_for_settled() -> None:
    lateness = Lateness(NOW_MS)
    lateness.note(NOW_MS - 1000, NOW_MS)

    assert lateness.settled_ms(NOW_MS) < 0


def test_after_an_hour_what_is_older_than_the_largest_delay_is_settled() -> None:
    lateness = Lateness(NOW_MS)
    lateness.note(NOW_MS - 5000, NOW_MS)
    later_ms = NOW_MS + SPAN_MS

    assert lateness.settled_ms(later_ms) == later_ms - 5000 - MARGIN_MS


def test_a_backlog_unsettles_at_once_and_for_at_least_an_hour() -> None:
    lateness = Lateness(NOW_MS)
    start_ms = NOW_MS + SPAN_MS
    lateness.note(start_ms - 86_400_000, start_ms)
    almost_ms = start_ms + 2 * SPAN_MS - 1

    assert lateness.settled_ms(start_ms) == start_ms - 86_400_000 - MARGIN_MS
    assert lateness.settled_ms(start_ms + SPAN_MS) == start_ms + SPAN_MS - 86_400_000 - MARGIN_MS
    assert lateness.settled_ms(almost_ms) == almost_ms - 86_400_000 - MARGIN_MS


def test_after_two_idle_hours_only_the_margin_is_left() -> None:
    lateness = Lateness(NOW_MS)
    lateness.note(NOW_MS - 86_400_000, NOW_MS)
    later_ms = NOW_MS + 2 * SPAN_MS

    assert lateness.settled_ms(later_ms) == later_ms - MARGIN_MS
