"""The stamps that are found, where, and when they were."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from f2b_producer.logs.dates import Dates, Stamp
from f2b_producer.logs.forms import SKEW_MS

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
AT_MS = int(datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000


def find(line: str, *, dates: Dates | None = None, reference_ms: int = NOW_MS) -> Stamp | None:
    return (dates or Dates(UTC)).find(line, reference_ms)


@pytest.mark.parametrize(
    ("stamp", "off_ms"),
    [
        ("2026-11-22T18:05:09Z", 0),
        ("2026-11-22T18:05:09", 0),
        ("2026-11-22 18:05:09", 0),
        ("2026-11-22T18:05:09.123456+01:00", 123 - HOUR_MS),
        ("2026-11-22 18:05:09,5 -0230", 500 + 5 * HOUR_MS // 2),
        ("2026-11-22 18:05:09.123 UTC", 123),
        ("2026/11/22 18:05:09", 0),
        ("2026.11.22 18:05:09", 0),
        ("Nov 22 18:05:09", 0),
        ("Nov 22 18:05:09.25", 250),
        ("Sun Nov 22 18:05:09 2026", 0),
        ("Sun Nov 22 18:05:09.123456 2026", 123),
        ("Nov 22 18:05:09.123456 2026", 123),
        ("22/Nov/2026:18:05:09 +0000", 0),
        ("22/Nov/2026:18:05:09 -0500", 5 * HOUR_MS),
        ("22-Nov-2026 18:05:09.123", 123),
        ("Sun, 22 Nov 2026 18:05:09 +0100", -HOUR_MS),
        ("22-11-2026 18:05:09", 0),
        ("22.11.2026 18:05:09", 0),
    ],
)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", " web-1 app[7]: 203.0.113.7"),
        ("[", "] 203.0.113.7"),
        ("203.0.113.7 - - [", '] "GET / HTTP/1.1" 404'),
        ("<34>1 ", " x"),
        ("", ""),
    ],
)
def test_a_stamp_of_each_common_form_is_found_where_it_stands(
    stamp: str, off_ms: int, before: str, after: str
) -> None:
    found = Stamp(AT_MS + off_ms, len(before), len(before + stamp))
    assert find(before + stamp + after) == found


@pytest.mark.parametrize(
    ("line", "at_ms", "text"),
    [
        ("1700000000 x", 1_700_000_000_000, "1700000000"),
        ("1700000000.123    56 203.0.113.7 TCP_DENIED/403", 1_700_000_000_123, "1700000000.123"),
        ("[1700000000.123456] x", 1_700_000_000_123, "1700000000.123456"),
        ("type=USER_AUTH msg=audit(1700000000.123:42): pid=1", 1_700_000_000_123, "1700000000.123"),
    ],
)
def test_epoch_seconds_are_found_at_the_start_and_in_audit_lines(line: str, at_ms: int, text: str) -> None:
    start = line.index(text)
    assert find(line) == Stamp(at_ms, start, start + len(text))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no date at all",
        "order 1700000000 failed",
        "17000000000 x",
        "9700000000 x",
        "2026-02-30 18:05:09 x",
        "2026-13-01 18:05:09 x",
        "2026-11-22 24:05:09 x",
        "2026-11-22",
        "18:05:09 x",
        "x2026-11-22T18:05:09Z",
        "Feb 30 18:05:09 x",
        "11/22/2026 18:05:09 x",
    ],
)
def test_what_is_no_date_is_none(line: str) -> None:
    assert find(line) is None


def test_an_unpadded_day_is_read_as_syslog_writes_it() -> None:
    expected_ms = int(datetime(2026, 11, 2, 18, 5, 9, tzinfo=UTC).timestamp() * 1000)
    assert find("Nov  2 18:05:09 x") == Stamp(expected_ms, 0, 15)
    assert find("Nov 2 18:05:09 x") == Stamp(expected_ms, 0, 14)


def test_a_leap_second_is_the_next_second() -> None:
    found = find("2016-12-31T23:59:60Z")
    assert found is not None
    assert found.at_ms == int(datetime(2017, 1, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("stamp", "reference", "year"),
    [
        ("Nov 22 18:05:09", datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC), 2026),
        ("Nov 23 18:05:09", datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC), 2025),
        ("Dec 31 23:59:59", datetime(2027, 1, 1, tzinfo=UTC), 2026),
        ("Jan  1 00:00:09", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 2027),  # a clock that is fast
        ("Feb 29 12:00:00", datetime(2027, 2, 1, tzinfo=UTC), 2024),
        ("Feb 29 12:00:00", datetime(2103, 2, 1, tzinfo=UTC), 2096),
    ],
)
def test_a_stamp_without_year_is_the_latest_that_is_not_in_the_future(
    stamp: str, reference: datetime, year: int
) -> None:
    found = find(stamp, reference_ms=int(reference.timestamp() * 1000))
    assert found is not None
    assert datetime.fromtimestamp(found.at_ms / 1000, UTC).year == year


def test_a_stamp_without_year_may_be_ahead_by_what_clocks_differ() -> None:
    assert find("Nov 22 18:05:09", reference_ms=AT_MS - SKEW_MS) == Stamp(AT_MS, 0, 15)
    late = find("Nov 22 18:05:09", reference_ms=AT_MS - SKEW_MS - 1)
    assert late is not None
    assert late.at_ms < AT_MS


def test_the_given_zone_is_that_of_stamps_without_one() -> None:
    berlin = Dates(ZoneInfo("Europe/Berlin"))
    for stamp in ("2026-11-22 19:05:09", "Nov 22 19:05:09", "2026-11-22T18:05:09Z"):
        assert find(stamp, dates=berlin) == Stamp(AT_MS, 0, len(stamp))
    west = Dates(timezone(timedelta(hours=-10)))
    assert find("Nov 22 08:05:09", dates=west) == Stamp(AT_MS, 0, 15)


def test_without_a_zone_the_machines_own_counts() -> None:
    local = datetime.fromtimestamp(AT_MS / 1000).strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ006 - the point
    assert find(local, dates=Dates()) == Stamp(AT_MS, 0, 19)


def test_a_stamp_at_the_start_goes_before_what_an_attacker_wrote() -> None:
    dates = Dates(UTC)
    spoofed = "Nov 22 18:05:09 sshd: Invalid user 2001-01-01T00:00:00Z from 203.0.113.7"
    assert find("2026-11-22T18:05:09Z first", dates=dates) == Stamp(AT_MS, 0, 20)
    assert find(spoofed, dates=dates) == Stamp(AT_MS, 0, 15)
    assert find('203.0.113.7 - - [22/Nov/2026:18:05:09 +0000] "GET /2001-01-01T00:00:00Z', dates=dates) == Stamp(
        AT_MS, 17, 43
    )
    assert find(spoofed, dates=dates) == Stamp(AT_MS, 0, 15)


def test_the_form_used_last_goes_before_others_within_a_line() -> None:
    dates = Dates(UTC)
    line = '203.0.113.7 - {} [22/Nov/2026:18:05:09 +0000] "GET /"'
    assert find(line.format("-"), dates=dates) == Stamp(AT_MS, 17, 43)
    spoofed = find(line.format("2001-01-01T00:00:00Z"), dates=dates)
    assert spoofed is not None
    assert spoofed.at_ms == AT_MS
