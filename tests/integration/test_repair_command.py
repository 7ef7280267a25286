"""`f2b repair` on the emulator: one line for what it did, and one for whatever keeps it from that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb import states
from f2b_worker.adapters.dynamodb.ban_log import repair
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.jails import Jail, Policy
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId
from f2b_worker.process.assembly import open_ledger
from f2b_worker.process.opening import open_ban_book
from tests.integration.provisioning import NAMES, Cloud, provisioned, refusal, run

if TYPE_CHECKING:
    from pathlib import Path

    from localstack.faults import FaultKind

SETTINGS = WorkerSettings(queue=NAMES[1], table=NAMES[3])
COMMAND = ("repair", *NAMES[2:4])
UNFINISHED = "the repair is not done; until f2b repair is run again, the IP sets stay as they are: "
REPAIRED = re.compile(r"repaired: 2 bans of 2 states, epoch [0-9a-f]+\n")
COUNTER: Any = {"pk": {"S": "log"}, "sk": {"S": "seq"}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing: how long the pauses are is tested elsewhere."""
    monkeypatch.setattr(repair, "SETTLE_S", 0.0)
    monkeypatch.setattr(repair, "PAUSES_S", ())
    monkeypatch.setattr(states, "PAUSES_S", ())


@pytest.fixture
def banned(cloud: Cloud) -> set[OffenderId]:
    """Whom a worker banned in a table that was just made."""
    assert cloud
    provisioned(*NAMES[:4])
    ledger, now_ms = open_ledger(SETTINGS, Policy(Jail("default")), SystemClock()), SystemClock().now_ms()
    offenders = {OffenderId("default", f"203.0.113.{last}/32") for last in (1, 2)}
    for who in offenders:
        (seen,) = ledger.record({who: [Hit(now_ms, "a")]}).values()
        ban = Ban(now_ms, now_ms + 3_600_000, 1, 3_600_000)
        (stored,) = ledger.commit({who: Decision(seen, ban)}).values()  # type: ignore[arg-type]
        assert ledger.publish({who: stored}) == {}  # type: ignore[dict-item]
    ledger.close()
    return offenders


def known() -> set[OffenderId]:
    return {each.who for each in open_ban_book(SETTINGS).standing()}


def test_it_says_in_one_line_what_it_did(banned: set[OffenderId]) -> None:
    answer = run(*COMMAND)

    assert (answer.exit_code, answer.stderr) == (0, "")
    assert REPAIRED.fullmatch(answer.stdout)
    assert known() == banned


def test_a_counter_and_a_snapshot_that_are_lost_are_made_anew(cloud: Cloud, banned: set[OffenderId]) -> None:
    for name in ("seq", "snapshot"):
        cloud.dynamodb.delete_item(TableName=NAMES[3], Key=COUNTER | {"sk": {"S": name}})
        assert "f2b repair" in refusal(run("list", *NAMES[2:4]))

        assert REPAIRED.fullmatch(run(*COMMAND).stdout)

        assert known() == banned


def test_bans_that_cannot_be_read_are_named(cloud: Cloud, banned: set[OffenderId]) -> None:
    key: Any = {"pk": {"S": "ip#203.0.113.1/32"}, "sk": {"S": "s#default"}}
    cloud.dynamodb.put_item(TableName=NAMES[3], Item=key | {"rev": {"N": "1"}, "ban": {"B": b"?"}})

    answer = run(*COMMAND)

    assert answer.exit_code == 0
    assert answer.stderr.startswith("unreadable: item ip#203.0.113.1/32 s#default: ban cannot be read; ")
    assert answer.stdout.startswith("repaired: 1 bans of 2 states, 1 of them unreadable, epoch ")
    assert known() == banned


@pytest.mark.usefixtures("cloud")
def test_a_table_that_is_not_there_is_named() -> None:
    assert "table ledger" in refusal(run(*COMMAND))


def test_a_table_that_is_not_f2bs_is_left_alone(cloud: Cloud) -> None:
    cloud.dynamodb.create_table(
        TableName=NAMES[3],
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    assert "it is not a table of f2b" in refusal(run(*COMMAND))
    assert "dynamodb:PutItem" not in cloud.writes()


def test_a_table_of_another_format_is_left_alone(cloud: Cloud, banned: set[OffenderId]) -> None:
    mark: Any = {"pk": {"S": "meta"}, "sk": {"S": "schema"}, "version": {"N": "9"}, "readable_from": {"N": "9"}}
    cloud.dynamodb.put_item(TableName=NAMES[3], Item=mark)
    before = cloud.writes()

    refusal(run(*COMMAND))

    assert banned
    assert cloud.writes() == before


def test_a_state_file_has_nothing_to_repair(tmp_path: Path) -> None:
    told = refusal(run("repair", "--state", str(tmp_path / "f2b.db")))
    assert "has nothing to repair" in told
    assert "nothing to repair" in refusal(run("repair", "--state", "f2b.db"))
    assert list(tmp_path.iterdir()) == []


def test_what_fails_before_the_log_is_begun_anew_changes_nothing(cloud: Cloud, banned: set[OffenderId]) -> None:
    cloud.aws.edge.fault("dynamodb:Scan", "error")

    assert UNFINISHED not in refusal(run(*COMMAND))
    cloud.aws.edge.clear_faults()
    assert known() == banned


@pytest.mark.parametrize(("kind", "code"), [("error", None), ("throttle", "AccessDeniedException")])
def test_what_fails_later_says_in_the_same_line_that_the_repair_is_not_done(
    cloud: Cloud,
    banned: set[OffenderId],
    kind: FaultKind,
    code: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def begin_to_fail(*_: object) -> bool:
        cloud.aws.edge.fault("dynamodb:Scan", kind, code=code)
        return False

    with monkeypatch.context() as patch:  # in the pause right after the new log is begun
        patch.setattr(SystemClock, "wait", begin_to_fail)
        answer = run(*COMMAND)
    cloud.aws.edge.clear_faults()

    assert answer.exit_code == 3
    assert answer.stderr.startswith(f"f2b: {UNFINISHED}")
    assert answer.stderr.count("\n") == 1
    assert "the ban log is being repaired" in refusal(run("list", *NAMES[2:4]))
    assert run(*COMMAND).exit_code == 0
    assert known() == banned
