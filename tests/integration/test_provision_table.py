"""How `f2b provision` protects a new table, and what it says of one that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters import aws
from tests.integration.provisioning import NAMES, Cloud, provisioned, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

TABLE = NAMES[:4]
UNPROTECTED = ("--no-deletion-protection", "--no-point-in-time-recovery")


def is_protected(cloud: Cloud) -> bool:
    return bool(cloud.dynamodb.describe_table(TableName="ledger")["Table"].get("DeletionProtectionEnabled"))


def can_be_restored(cloud: Cloud) -> bool:
    found: Any = cloud.dynamodb.describe_continuous_backups(TableName="ledger")["ContinuousBackupsDescription"]
    return bool(found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED")


def test_a_new_table_cannot_be_deleted_and_can_be_restored(cloud: Cloud) -> None:
    provisioned(*TABLE)
    assert (is_protected(cloud), can_be_restored(cloud)) == (True, True)


def test_a_new_table_is_plain_if_that_is_wanted(cloud: Cloud) -> None:
    lines = provisioned(*TABLE, *UNPROTECTED)
    assert (is_protected(cloud), can_be_restored(cloud)) == (False, False)
    assert not any("point-in-time" in line for line in lines)


def test_a_table_that_is_there_is_left_as_it_is_and_the_difference_is_said(cloud: Cloud) -> None:
    provisioned(*TABLE, *UNPROTECTED)
    cloud.aws.edge.reset_calls()
    lines = provisioned(*TABLE)
    assert lines[3] == (
        "table ledger: there, but its deletion protection is off; a table that is there is left as it is; "
        "to change it: aws dynamodb update-table --table-name ledger --deletion-protection-enabled"
    )
    assert lines[7] == (
        "point-in-time recovery of table ledger: there, but it is off, and a table that is there is left as it "
        "is; to switch it on: aws dynamodb update-continuous-backups --table-name ledger "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    )
    assert cloud.writes() == {}
    assert (is_protected(cloud), can_be_restored(cloud)) == (False, False)


def test_a_protection_that_is_not_wanted_is_said_and_stays(cloud: Cloud) -> None:
    provisioned(*TABLE)
    (line,) = [each for each in provisioned(*TABLE, *UNPROTECTED) if each.startswith("table ledger")]
    assert "its deletion protection is on" in line
    assert line.endswith("--no-deletion-protection-enabled")
    assert is_protected(cloud)


def test_backups_that_are_not_available_yet_are_waited_for(cloud: Cloud) -> None:
    cloud.aws.edge.fault(
        "dynamodb:UpdateContinuousBackups", "throttle", code="ContinuousBackupsUnavailableException", times=1
    )
    lines = provisioned(*TABLE)
    assert lines[-1] == "point-in-time recovery of table ledger: made"
    assert can_be_restored(cloud)


def test_a_table_is_made_as_warm_as_it_is_wanted(
    cloud: Cloud, quick_sessions: Callable[[], boto3.Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []
    ask = quick_sessions()
    ask.events.register("provide-client-params.dynamodb.CreateTable", lambda params, **_: made.append(params))
    monkeypatch.setattr(aws, "_session", lambda: ask)
    provisioned(*TABLE, "--warm-writes", "20000")
    assert made[0]["WarmThroughput"] == {"WriteUnitsPerSecond": 20_000}
    (line,) = [
        each
        for each in provisioned(*TABLE, "--warm-writes", "20000")
        if each.startswith("table ledger: there, but")
    ]  # the local DynamoDB forgets it
    assert line.endswith(
        "aws dynamodb update-table --table-name ledger --warm-throughput WriteUnitsPerSecond=20000"
    )


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("option", [("--warm-writes", "3999"), ("--warm-reads", "11999")])
def test_less_than_a_new_table_takes_by_itself_is_refused(option: tuple[str, str]) -> None:
    answer = run("provision", *TABLE, *option)
    assert answer.exit_code == 2
    assert option[0] in answer.stderr
