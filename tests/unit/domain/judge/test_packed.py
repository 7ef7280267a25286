"""Bans in few bytes: none is another one afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.domain.judge.packed import Packing
from f2b_worker.domain.judge.soundness import NUMBER_MAX
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban

NOW_MS = 1_764_000_000_000
BAN = Ban(NOW_MS, NOW_MS + DAY_MS, 1, DAY_MS)


@pytest.mark.parametrize("lifted_ms", [0, NOW_MS, FOREVER_MS])
@pytest.mark.parametrize("revision", [1, 2**16, NUMBER_MAX])
@pytest.mark.parametrize(
    "ban",
    [
        BAN,
        replace(BAN, extended=7, until_ms=NOW_MS + DAY_MS + 42),
        replace(BAN, until_ms=NOW_MS + DAY_MS - 1),
        replace(BAN, start_ms=-FOREVER_MS, until_ms=-FOREVER_MS, count=0, length_ms=0),
        replace(BAN, start_ms=-FOREVER_MS, until_ms=FOREVER_MS, length_ms=FOREVER_MS),
        replace(BAN, until_ms=FOREVER_MS),
        replace(BAN, length_ms=2**32),
        replace(BAN, count=NUMBER_MAX),
        replace(BAN, extended=2**16),
        replace(BAN, observed=True, origin="cli", blocklists=("block", "captcha")),
        replace(BAN, observed=True),
        replace(BAN, blocklists=()),
    ],
)
def test_a_ban_is_what_it_was(ban: Ban, revision: int, lifted_ms: int) -> None:
    packing = Packing()
    packing.pack(replace(BAN, origin="import"), 1, 0)
    assert packing.unpack(packing.pack(ban, revision, lifted_ms)) == (ban, revision, lifted_ms)


def test_one_that_cannot_be_read_is_the_same_object_again() -> None:
    packing = Packing()
    ban, revision, lifted_ms = packing.unpack(packing.pack(UNREADABLE, 3, 0))
    assert ban is UNREADABLE
    assert (revision, lifted_ms) == (3, 0)


def test_a_ban_of_a_month_that_was_extended_a_thousand_times_takes_24_bytes() -> None:
    month_ms = 30 * DAY_MS
    ban = Ban(NOW_MS, NOW_MS + 2 * month_ms, 300, month_ms, 1000)
    assert len(Packing().pack(ban, 1001, 0)) == 24
