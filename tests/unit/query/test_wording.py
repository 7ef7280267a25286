"""How times, lengths and numbers are written."""

from __future__ import annotations

import pytest

from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.query.wording import duration, ordinal


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (-5, "0ms"),
        (999, "999ms"),
        (1500, "1s"),
        (600_000, "10m"),
        (129_600_000, "1d12h"),
        (90_061_000, "1d1h1m1s"),
        (FOREVER_MS, "all time"),
    ],
)
def test_a_duration_reads_as_in_the_jails_file(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")],
)
def test_the_nth_ban_reads_well(number: int, text: str) -> None:
    assert ordinal(number) == text
