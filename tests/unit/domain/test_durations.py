import time

import pytest

from f2b_worker.domain.durations import ALLOWED, parse_duration_ms
from f2b_worker.domain.jails import FOREVER_MS

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        *(("600", 600 * SECOND), ("600s", 600 * SECOND), ("600sec", 600 * SECOND), ("0", 0)),
        *(("10m", 10 * MINUTE), ("10min", 10 * MINUTE), ("2h", 2 * HOUR), ("1d", DAY), ("1w", 7 * DAY)),
        *(("1mo", 2_629_800 * SECOND), ("1y", 31_557_600 * SECOND), ("12mo", 31_557_600 * SECOND)),
        *(("1d12h", 36 * HOUR), ("1w2d", 9 * DAY), ("1h30m", 90 * MINUTE), ("1m30", 90 * SECOND)),
        *(("1.5h", 90 * MINUTE), ("0.25", 250), ("10M", 10 * MINUTE), ("1D12H", 36 * HOUR)),
        *(("  10m ", 10 * MINUTE), ("1d 12h", 36 * HOUR), ("1mo1m", 2_629_800 * SECOND + MINUTE)),
    ],
)
def test_a_duration_is_read_as_fail2ban_writes_it(text: str, ms: int) -> None:
    assert parse_duration_ms(text) == ms


@pytest.mark.parametrize(("number", "ms"), [(600, 600 * SECOND), (0.5, 500), (0, 0), (1.0, SECOND)], ids=repr)
def test_a_number_is_in_seconds(number: float, ms: int) -> None:
    assert parse_duration_ms(number) == ms


@pytest.mark.parametrize("value", [-1, "-1", -1.0, " -1 "], ids=repr)
def test_minus_one_is_for_ever(value: object) -> None:
    assert parse_duration_ms(value) == FOREVER_MS


@pytest.mark.parametrize("value", ["9000y", 10**15, "999999999999w"], ids=repr)
def test_what_reaches_the_year_10000_is_for_ever(value: object) -> None:
    assert parse_duration_ms(value) == FOREVER_MS


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "m",
            "10x",
            "10ms",
            "ten",
            "-2",
            "-1m",
            "-10",
            "+5",
            "1,5h",
            "1.h",
            ".5h",
            "5.5.5",
            "1e3",
            "1h-5m",
        ),
        *("inf", "nan", "10m!", "-1-1", "0x10", "10\n20"),
        *(None, True, False, [], {}, -600, float("inf"), float("nan")),
    ],
    ids=repr,
)
def test_anything_else_is_refused_and_told_what_is_allowed(value: object) -> None:
    with pytest.raises(ValueError, match="is no duration") as refused:
        parse_duration_ms(value)
    assert str(refused.value) == f"{value!r} is no duration: {ALLOWED}"


def test_two_numbers_are_not_read_as_one() -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration_ms("10 20")


def test_a_number_of_any_size_is_read() -> None:
    assert parse_duration_ms("9" * 400) == FOREVER_MS


def test_a_long_row_of_digits_with_a_wrong_end_is_refused_at_once() -> None:
    started_s = time.process_time()
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration_ms("1" * 24 + "x")
    assert time.process_time() - started_s < 0.3
