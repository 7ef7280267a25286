"""`make bench-units` counts what the real ledger of a fleet writes, and holds it against what it must keep."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.canned.kinds import BAN, LOG
from benchmarks.fleet import Fleet
from benchmarks.units import (
    EXTENSION_MUST,
    KINDS,
    NEW_BAN_MUST,
    POLICY,
    Offenders,
    Result,
    figures,
    must_of,
    new_bans,
    seconds_for,
    table,
)
from localstack.table_limits import Rates


def test_a_lone_ban_is_paid_for_its_state_and_an_append_of_its_own() -> None:
    result = new_bans(1, per_s=1, workers=2, seconds=20)
    assert result.units == 3
    assert {kind: units for kind, units in result.by_kind.items() if units} == {BAN: 1, LOG: 2}
    assert (result.throttled, result.settled_s) == (0, 0)


def test_bans_of_one_turn_share_an_append_and_the_counter_is_the_hottest_key() -> None:
    result = new_bans(1, per_s=400, workers=2, seconds=2)
    turns_with_bans = 2 * 2 * 4
    assert result.by_kind[LOG] == pytest.approx(2 * turns_with_bans / 800)
    assert result.peak_writes == (8, "log")


def test_what_is_throttled_comes_again_and_nothing_is_lost() -> None:
    dice = Random(1)
    with Fleet(2, POLICY, Rates(table_writes=50)) as fleet:
        offenders = Offenders(dice, fleet, 10)
        fleet.go_on(2, offenders.come)
        fleet.settle()
        assert fleet.dynamodb.limits.throttled["TableWriteAccountLimitExceeded"] > 0
        assert fleet.known_bans() == offenders.came == 160


def result(units: float, peak: float = 1.0) -> Result:
    return Result(
        units=units, by_kind=dict.fromkeys(KINDS, 0.0), snapshots=0.0, changes=1.0, refused=0.0,
        peak_writes=(peak, "log"), peak_reads=(2.0, "log"), throttled=0, settled_s=0.0,
    )  # fmt: skip


def test_a_row_is_kept_if_units_snapshots_and_the_hottest_key_are_below_their_limits() -> None:
    assert figures([result(2.1), result(2.2), result(9)], 2.2)["kept"]
    assert not figures([result(2.3)], 2.2)["kept"]
    assert not figures([result(2, peak=1_001)], 2.2)["kept"]


def test_a_rate_must_keep_what_the_greatest_rate_below_it_must() -> None:
    assert [must_of(rate, NEW_BAN_MUST) for rate in (1, 999, 1_000, 9_999, 10_000)] == [4, 4, 3, 3, 2.2]
    assert [must_of(rate, EXTENSION_MUST) for rate in (10_000, 100_000)] == [1.2, 1.8]


def test_few_bans_are_looked_at_for_half_an_hour_and_many_for_twenty_seconds() -> None:
    assert [seconds_for(rate) for rate in (1, 1_000, 10_000, 50_000)] == [1_800, 200, 20, 20]


def test_the_report_names_the_hottest_key_and_what_is_not_kept() -> None:
    report = {"machine": "m", "processor": "p", "cores": 2, "load": 0, "python": "3", "method": "", "runs": 1}
    rows = {"a new ban": figures([result(5)], 4)}
    last = list(table({**report, "workers": 8, "rows": rows}))[-1]
    assert "NO" in last
    assert "1 log" in last
