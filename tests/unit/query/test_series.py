"""Numbers over time: each stands in its step, of all processes together, and past hours are read once."""

from __future__ import annotations

import pytest

from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.domain.tally import BANS, HOUR_MS, BanSheets, Counted, Kind, Noted, Sheet, hour_of
from f2b_worker.query.series import SeriesReader, series, series_object, step_of
from f2b_worker.testing import MemoryTally

NOW_MS = 1_795_046_400_000 + 10 * HOUR_MS + 30 * MINUTE_MS
"""Half past ten."""


class Watched(MemoryTally):
    """A tally that notes which hours it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []

    def read(self, first_ms: int, last_ms: int) -> list[Noted]:
        self.asked.append((first_ms, last_ms))
        return super().read(first_ms, last_ms)


def a_sheet(at_ms: int, number: int = 1, *, kind: Kind = Kind.INFRACTIONS, jail: str = "login") -> Sheet:
    sheet = Sheet(hour_of(at_ms))
    sheet.add(kind, jail, at_ms, number)
    return sheet


@pytest.mark.parametrize(
    ("length_ms", "step_ms"), [(HOUR_MS, MINUTE_MS), (DAY_MS, 15 * MINUTE_MS), (7 * DAY_MS, 2 * HOUR_MS)]
)
def test_a_chart_has_less_than_a_hundred_steps_of_which_the_last_one_is_now(length_ms: int, step_ms: int) -> None:
    assert step_of(length_ms) == step_ms
    found = series([], NOW_MS - length_ms, NOW_MS, step_ms)
    assert 60 < len(found.at) < 100
    assert found.at[0] * 1000 == found.since_ms <= NOW_MS - length_ms
    assert found.at[-1] * 1000 <= NOW_MS < found.at[-1] * 1000 + step_ms


def test_what_processes_noted_is_summed_up_by_jail_and_step_and_nothing_else_is_in_it() -> None:
    since_ms = NOW_MS - HOUR_MS
    noted = [
        Noted("a", a_sheet(since_ms, 2)),
        Noted("b", a_sheet(since_ms, 3)),
        Noted("b", a_sheet(NOW_MS, 7, jail="admin")),
        Noted("b", a_sheet(since_ms - 1, 100)),
        Noted("b", a_sheet(NOW_MS + MINUTE_MS, 100)),
        Noted(BANS, a_sheet(NOW_MS, kind=Kind.BANS)),
    ]
    found = series_object(series(noted, since_ms, NOW_MS, MINUTE_MS))
    assert found["kinds"] == {
        "infractions": {"admin": [0] * 60 + [7], "login": [5] + [0] * 60},
        "bans": {"login": [0] * 60 + [1]},
        "unbans": {},
    }
    assert (found["since"], found["step"], len(found["at"])) == (since_ms // 1000, 60, 61)


def test_bans_of_an_hour_that_is_open_or_stored_twice_count_once() -> None:
    tally = MemoryTally()
    before, now = a_sheet(NOW_MS - HOUR_MS, 2, kind=Kind.BANS), a_sheet(NOW_MS, 3, kind=Kind.BANS)
    assert tally.note_bans(BanSheets(Counted("", 1, 1, 1), now, before, "me", 1))
    for _ in range(2):
        found = SeriesReader(tally).read(DAY_MS, NOW_MS)
        assert sum(found.kinds["bans"]["login"]) == 5
        tally.note(BANS, before)  # from now on it stands there twice


def test_hours_that_are_over_are_read_once_and_the_others_each_time() -> None:
    tally = Watched()
    for hour in range(24):
        tally.note("a", a_sheet(NOW_MS - hour * HOUR_MS))
    reader = SeriesReader(tally)
    assert sum(reader.read(DAY_MS, NOW_MS).kinds["infractions"]["login"]) == 24
    tally.note("b", a_sheet(NOW_MS, 10))
    tally.note("b", a_sheet(NOW_MS - HOUR_MS, 100))  # half an hour after its end: not looked at any more
    assert sum(reader.read(DAY_MS, NOW_MS).kinds["infractions"]["login"]) == 34
    assert sum(reader.read(HOUR_MS, NOW_MS).kinds["infractions"]["login"]) == 12
    assert [hour_of(first_ms) for first_ms, _ in tally.asked[1:]] == [hour_of(NOW_MS)] * 2
    assert sum(reader.read(7 * DAY_MS, NOW_MS).kinds["infractions"]["login"]) == 34 + 100
    assert sum(reader.read(DAY_MS, NOW_MS + 10 * MINUTE_MS).kinds["infractions"]["login"]) == 34 + 100


def test_no_more_than_seven_days_are_read() -> None:
    tally = Watched()
    SeriesReader(tally).read(400 * DAY_MS, NOW_MS)
    assert NOW_MS - tally.asked[0][0] <= 7 * DAY_MS + 3 * HOUR_MS
