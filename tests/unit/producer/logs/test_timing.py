"""When a line happened that is read as it is written, and what is said of dates that cannot be right."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from f2b_producer.logs import Found, LogFilter
from f2b_producer.logs.timing import LIVE_MS

NOW = datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000


class Log:
    """A filter that reads lines as they are written, and what it warns of."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.warnings: list[str] = []
        self.filter = LogFilter(["by <HOST>"], zone=zone, tell=self.warnings.append)

    def at_ms(self, stamp: str, *, now_ms: int = NOW_MS, since_ms: int | None = None) -> int:
        found = self.filter.find(
            f"{stamp} by 203.0.113.7", now_ms=now_ms, since_ms=now_ms - 500 if since_ms is None else since_ms
        )
        assert isinstance(found, Found)
        return found.at_ms


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize("off_s", [-60, -59, -1, 0, 1, 60])
def test_a_date_within_a_minute_of_the_clock_counts(off_s: int) -> None:
    log = Log()
    stamp = NOW + timedelta(seconds=off_s)
    assert log.at_ms(stamp.isoformat()) == ms(stamp)
    assert not log.warnings
    assert log.filter.counts.off_clock == 0


@pytest.mark.parametrize("off_s", [-365 * 86_400, -7200, -3600, -62, 61, 3600, 86_400])
def test_beyond_a_minute_the_clock_counts_and_one_warning_says_so(off_s: int) -> None:
    log = Log()
    stamp = (NOW + timedelta(seconds=off_s)).isoformat()
    assert [log.at_ms(stamp), log.at_ms(stamp)] == [NOW_MS, NOW_MS]
    assert len(log.warnings) == 1
    assert "\n" not in log.warnings[0]
    assert log.filter.counts.off_clock == 2


@pytest.mark.parametrize(
    ("here", "logs_zone", "told"),
    [
        (
            UTC,
            timezone(timedelta(hours=1)),
            "read in the zone +00:00, and +01:00 would fit: set TZ to the log's zone",
        ),
        (
            UTC,
            timezone(timedelta(hours=-8)),
            "and -08:00 would fit: set TZ to the log's zone, by its name or as TZ=UTC+8",
        ),
        (BERLIN, UTC, "read in the zone +01:00, and +00:00 would fit"),
        (BERLIN, timezone(timedelta(hours=5, minutes=30)), "and +05:30 would fit"),
    ],
)
def test_the_zone_that_would_fit_is_named(here: tzinfo, logs_zone: tzinfo, told: str) -> None:
    log = Log(here)
    assert log.at_ms(NOW.astimezone(logs_zone).strftime("%Y-%m-%d %H:%M:%S")) == NOW_MS
    [warning] = log.warnings
    assert told in warning


def test_a_date_that_names_a_wrong_zone_itself_is_not_mended_by_tz() -> None:
    log = Log()
    assert log.at_ms("2026-11-22T19:05:09Z") == NOW_MS
    [warning] = log.warnings
    assert "60 min" not in warning
    assert "1 h 0 min ahead of the clock of this machine" in warning
    assert "TZ=" not in warning
    assert "mend the zone or the clock of what writes the log" in warning


def test_what_no_zone_explains_is_a_clock_or_a_late_log() -> None:
    log = Log()
    assert log.at_ms("2026-11-22T18:01:09Z") == NOW_MS
    [warning] = log.warnings
    assert "are 4 min behind the clock of this machine: the time of reading counts instead." in warning
    assert warning.endswith("Is a clock wrong, or is the log written late?")


def test_of_what_was_written_while_nobody_read_the_date_counts_within_that_time() -> None:
    log = Log()
    since_ms = NOW_MS - 5 * HOUR_MS
    assert log.at_ms("2026-11-22 14:00:00", since_ms=since_ms) == ms(datetime(2026, 11, 22, 14, tzinfo=UTC))
    assert log.at_ms("2026-11-22 12:00:00", since_ms=since_ms) == NOW_MS


def test_a_clock_that_went_back_does_not_make_every_date_wrong() -> None:
    log = Log()
    assert log.at_ms("2026-11-22 18:05:00", since_ms=NOW_MS + HOUR_MS) == NOW_MS - 9_000


def test_the_hour_that_comes_twice_is_read_as_the_one_that_is_now() -> None:
    log = Log(BERLIN)
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert log.at_ms("2026-10-25 02:30:00", now_ms=ms(first)) == ms(first)
    assert log.at_ms("2026-10-25 02:30:00", now_ms=ms(second)) == ms(second)
    assert log.at_ms("Oct 25 02:30:01", now_ms=ms(second)) == ms(second) + 1000
    assert not log.warnings


def test_when_summer_begins_an_hour_is_left_out_and_no_date_is_wrong() -> None:
    log = Log(BERLIN)
    for moment in (datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC), datetime(2027, 3, 28, 1, 0, 1, tzinfo=UTC)):
        assert log.at_ms(moment.astimezone(BERLIN).strftime("%b %d %H:%M:%S"), now_ms=ms(moment)) == ms(moment)
    assert not log.warnings


@pytest.mark.parametrize(
    ("stamp", "now"),
    [
        ("Dec 31 23:59:59", datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("Jan  1 00:00:01", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_at_the_years_end_a_date_without_year_is_of_the_year_next_to_now(stamp: str, now: datetime) -> None:
    log = Log()
    assert abs(log.at_ms(stamp, now_ms=ms(now)) - ms(now)) == 2000
    assert not log.warnings


def test_at_the_years_end_a_wrong_zone_is_still_told_by_its_hours() -> None:
    log = Log()
    now_ms = ms(datetime(2026, 12, 31, 23, 0, 0, tzinfo=UTC))
    assert log.at_ms("Jan  1 08:00:00", now_ms=now_ms) == now_ms
    assert "+09:00 would fit" in log.warnings[0]


def test_a_line_without_a_date_is_of_now_whatever_was_read_before() -> None:
    log = Log()
    assert log.at_ms("2026-11-22T18:05:00Z") == NOW_MS - 9_000
    assert log.at_ms("  goes on") == NOW_MS
    assert log.filter.counts.no_date == 1
    assert not log.warnings  # it shows no time of day: it goes on from the line before


def test_a_form_that_is_not_known_is_named_once_with_an_example() -> None:
    log = Log()
    assert [log.at_ms("11/22/2026 18:05:00"), log.at_ms("11/22/2026 18:05:01")] == [NOW_MS, NOW_MS]
    [warning] = log.warnings
    assert "'11/22/2026 18:05:00 by 203.0.113.7'" in warning
    assert "docs/logs.md" in warning


def test_a_form_that_is_not_known_is_named_between_known_ones_and_cannot_move_the_cursor() -> None:
    log = Log()
    log.at_ms("2026-11-22T18:05:09Z")
    log.at_ms("11/22/2026 18:05:09 \x1b[2J")
    [warning] = log.warnings
    assert "\x1b" not in warning


def test_an_old_log_keeps_its_dates_and_lines_without_one_can_be_left_out() -> None:
    log_filter = LogFilter(["by <HOST>"], zone=UTC)
    assert log_filter.find("2001-01-01 00:00:00 by 203.0.113.7", now_ms=NOW_MS, needs_date=True) == Found(
        "203.0.113.7", ms(datetime(2001, 1, 1, tzinfo=UTC))
    )
    assert log_filter.find("by 203.0.113.7", now_ms=NOW_MS, needs_date=True) is None
    assert log_filter.find("nobody", now_ms=NOW_MS, needs_date=True) is None
    counts = log_filter.counts
    assert (counts.matched, counts.undated, counts.no_match, counts.no_date, counts.lines) == (1, 1, 1, 2, 3)


def test_an_old_log_that_is_ahead_of_its_last_change_is_warned_of() -> None:
    warnings: list[str] = []
    log_filter = LogFilter(["by <HOST>"], zone=UTC, tell=warnings.append)
    found = log_filter.find("2026-11-22 20:05:09 by 203.0.113.7", now_ms=NOW_MS)
    assert found == Found("203.0.113.7", NOW_MS + 2 * HOUR_MS)
    [warning] = warnings
    assert "2 h 0 min ahead" in warning
    assert "they count all the same" in warning
    assert log_filter.find("2026-11-22 18:06:09 by 203.0.113.7", now_ms=NOW_MS) == Found(
        "203.0.113.7", NOW_MS + LIVE_MS
    )
