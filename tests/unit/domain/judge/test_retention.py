"""How long an offender is remembered."""

from __future__ import annotations

import pytest

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, Jail, Policy
from f2b_worker.domain.judge.retention import Retention, kept_ms
from f2b_worker.domain.judge.verdicts import Ban

NOW_MS = 1_800_000_000_000
KEPT_MS = 60 * DAY_MS


def test_offenders_are_remembered_for_longer_than_any_jail_counts() -> None:
    policy = Policy(Jail(forget_ms=100 * DAY_MS), {"login": Jail(forget_ms=300 * DAY_MS)})

    assert kept_ms(policy, 14 * DAY_MS) == 600 * DAY_MS


def test_offenders_are_remembered_for_ever_where_nothing_is_forgotten() -> None:
    assert kept_ms(Policy(Jail(forget_ms=None)), 14 * DAY_MS) == FOREVER_MS // 2
    assert kept_ms(Policy(), None) == FOREVER_MS // 2


@pytest.mark.parametrize(
    ("until_ms", "counts_from_ms"),
    [
        (None, NOW_MS),
        (NOW_MS - 40 * DAY_MS, NOW_MS),
        (NOW_MS, NOW_MS),
        (NOW_MS + DAY_MS, NOW_MS + DAY_MS),
        (FOREVER_MS, FOREVER_MS),
    ],
)
def test_an_offender_is_kept_from_now_or_from_the_end_of_the_last_ban_whichever_is_later(
    until_ms: int | None, counts_from_ms: int
) -> None:
    ban = None if until_ms is None else Ban(start_ms=0, until_ms=until_ms, count=1, length_ms=1)
    assert Retention(KEPT_MS).until_ms(ban, now_ms=NOW_MS) == counts_from_ms + KEPT_MS


def test_a_reload_changes_how_long_offenders_are_kept_from_then_on() -> None:
    retention = Retention(KEPT_MS)
    retention.kept_ms = 2 * KEPT_MS
    assert retention.until_ms(None, now_ms=NOW_MS) == NOW_MS + 2 * KEPT_MS
