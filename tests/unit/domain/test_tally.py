"""A sheet counts by kind, jail and minute, and is written and read as it is."""

from __future__ import annotations

import pytest

from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.domain.tally import HOUR_MS, JAILS_MAX, OTHERS, Kind, Sheet, hour_of, sheet_of

HOUR = 1_795_046_400_000


def test_numbers_stand_at_their_minutes_and_are_read_as_they_were_written() -> None:
    sheet = Sheet(HOUR)
    assert sheet.is_empty
    for kind, minute, number in (
        (Kind.BANS, 0, 2),
        (Kind.BANS, 59, 1),
        (Kind.INFRACTIONS, 7, 5),
        (Kind.INFRACTIONS, 7, 1),
    ):
        sheet.add(kind, "login", HOUR + minute * MINUTE_MS + 1, number)
    assert list(sheet.counts()) == [
        (Kind.BANS, "login", HOUR, 2),
        (Kind.BANS, "login", HOUR + 59 * MINUTE_MS, 1),
        (Kind.INFRACTIONS, "login", HOUR + 7 * MINUTE_MS, 6),
    ]
    assert sheet_of(HOUR, sheet.as_text()) == sheet
    assert '"infractions":{"login":[7,6]}' in sheet.as_text()
    assert sheet_of(HOUR, Sheet(HOUR).as_text()).is_empty


def test_what_is_counted_a_moment_before_or_after_the_hour_stays_in_it() -> None:
    sheet = Sheet(HOUR)
    sheet.add(Kind.BANS, "login", HOUR - 1)
    sheet.add(Kind.BANS, "login", HOUR + HOUR_MS)
    assert [at_ms for _, _, at_ms, _ in sheet.counts()] == [HOUR, HOUR + 59 * MINUTE_MS]
    assert hour_of(HOUR - 1) == HOUR - HOUR_MS
    assert hour_of(HOUR + HOUR_MS - 1) == HOUR


def test_jails_beyond_so_many_are_counted_together() -> None:
    sheet = Sheet(HOUR)
    for each in range(JAILS_MAX + 5):
        sheet.add(Kind.BANS, f"jail-{each}", HOUR)
    sheet.add(Kind.BANS, "jail-0", HOUR)
    numbers = {jail: number for _, jail, _, number in sheet.counts()}
    assert len(numbers) == JAILS_MAX + 1
    assert (numbers[OTHERS], numbers["jail-0"], sum(numbers.values())) == (5, 2, JAILS_MAX + 6)


def test_kinds_of_a_newer_f2b_are_left_out() -> None:
    assert sheet_of(HOUR, '{"notices": {"x": ["?"]}, "bans": {"x": [1, 2]}}').numbers == {
        Kind.BANS: {"x": [0, 2] + [0] * 58}
    }


_WRONG = ["1", "[]", "[0, -1]", "[0, 1.5]", "[true]", '[0, "1"]', "null", "[59, 1, 1]"]


@pytest.mark.parametrize(
    "text", ["", "[]", "1", '{"bans": 1}', *(f'{{"bans": {{"x": {each}}}}}' for each in _WRONG)]
)
def test_what_no_f2b_writes_is_refused(text: str) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        sheet_of(HOUR, text)
