"""How pages write times and texts."""

from __future__ import annotations

import pytest

from f2b_worker.dashboard.wording import TEXT_SHOWN, ago, left, shown, span, whole
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (999, "0s"),
        (59_000, "59s"),
        (60_000, "1m"),
        (3_599_999, "59m 59s"),
        (3_600_000, "1h"),
        (3_659_000, "1h"),
        (DAY_MS - 1, "23h 59m"),
        (DAY_MS, "1d"),
        (400 * DAY_MS + 5 * 3_600_000, "400d 5h"),
    ],
)
def test_a_length_has_its_two_largest_units(ms: int, text: str) -> None:
    assert span(ms) == text


def test_what_is_left_may_be_for_ever_or_over() -> None:
    assert left(FOREVER_MS, 0) == "for ever"
    assert left(1_000, 1_000) == "0s"
    assert left(999, 1_000) == "ended"
    assert ago(0, 65_000) == "1m 5s ago"
    assert ago(5, 0) == "0s ago", "the clock of who wrote it may be ahead"


def test_what_would_hide_in_a_line_or_turn_it_is_written_out() -> None:
    assert shown("a\u202egpj.exe") == "'a\\u202egpj.exe'"
    assert shown("a\x00b") == "'a\\x00b'"
    assert shown("straße 北京") == "straße 北京"
    assert shown("x" * 500) == "x" * TEXT_SHOWN + "…"
    assert whole("{\n 1\u202e\n}") == "{\n' 1\\u202e'\n}"
