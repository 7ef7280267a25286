"""`make bench-worker` measures under the limits that its options ask for, and says which these are."""

from __future__ import annotations

from dataclasses import asdict

import click
import pytest
from click.testing import CliRunner

from benchmarks.worker.bench import main, rates_for
from benchmarks.worker.report import table
from localstack.table_limits import NEW_TABLE, Rates


def test_aws_s_limits_are_the_default_and_a_new_table_or_no_limits_can_be_asked_for() -> None:
    assert rates_for(limits=True, new_table=False) == Rates()
    assert rates_for(limits=True, new_table=True) == NEW_TABLE
    assert rates_for(limits=False, new_table=False) is None


def test_a_new_table_without_limits_is_refused() -> None:
    with pytest.raises(click.UsageError):
        rates_for(limits=False, new_table=True)
    refused = CliRunner().invoke(main, ["--no-limits", "--new-table"])
    assert (refused.exit_code, "leave one of them out" in refused.output) == (2, True)


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (None, "DynamoDB without limits"),
        (Rates(), "a partition key 1,000/3,000, the table 40,000/40,000"),
        (NEW_TABLE, "the table 4,000/12,000, 4 partitions for all keys"),
    ],
)
def test_the_report_says_which_limits_there_were(rates: Rates | None, said: str) -> None:
    report = {"machine": "m", "processor": "p", "cores": 2, "load": 0, "python": "3", "method": "", "runs": 1}
    limits = asdict(rates) if rates else None
    lines = list(table({**report, "seconds": 1, "attacks": {}, "ratios": {}, "limits": limits}))
    assert lines[2].endswith(said)
