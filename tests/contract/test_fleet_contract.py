"""Where workers give signs of life, in memory, in DynamoDB and in a state file; and what is seen of that."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.dynamodb.fleet import DynamoFleet
from f2b_worker.adapters.dynamodb.lease import DynamoLease, holder_of
from f2b_worker.adapters.sqlite.fleet import SqliteFleet, signs_in
from f2b_worker.adapters.sqlite.looking import depth_of_file, oldest_in_file, worker_of_file
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.errors import F2bError
from f2b_worker.ports import Holder, QueueDepth, WorkerSign
from f2b_worker.testing import FakeClock, MemoryFleet
from tests.contract.ledgers import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.ports import Fleet

A = WorkerSign("host-a/17/c0ffee01", 1_000, 500, "0.1.0", "")
INSERT = "INSERT INTO inbox (body, sent_at_ms) VALUES (?, ?)"
B = WorkerSign("host-b/18/c0ffee02", 2_000, 700, "0.1.0", "the table does not answer", 3)


@pytest.fixture(params=["memory", "dynamodb", "sqlite"])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    if request.param == "memory":
        return MemoryFleet()
    if request.param == "sqlite":
        state: StateFile = request.getfixturevalue("state")
        return SqliteFleet(state.reader(), state.writer)
    return DynamoFleet(request.getfixturevalue("dynamodb"), TABLE)


def test_a_fleet_that_gave_no_sign_has_none(fleet: Fleet) -> None:
    assert list(fleet.signs()) == []


def test_the_last_sign_of_each_worker_is_read_as_it_was_given(fleet: Fleet) -> None:
    fleet.sign(WorkerSign(B.name, 1, 1, "0.0.9", "old"))
    for each in (A, B):
        fleet.sign(each)
    assert list(fleet.signs()) == [A, B]


def test_who_leaves_gives_no_sign_any_more(fleet: Fleet) -> None:
    for each in (A, B):
        fleet.sign(each)
    for _ in range(2):
        fleet.leave(A.name)
    assert list(fleet.signs()) == [B]


def test_a_sign_takes_the_place_of_the_one_before_it_with_the_reload_that_was_followed(fleet: Fleet) -> None:
    fleet.sign(A)
    later = replace(A, at_ms=A.at_ms + 60_000, generation=0)
    fleet.sign(later)
    assert list(fleet.signs()) == [later]


class TestDynamoDb:
    def test_a_sign_says_of_who_only_enforces_that_it_does_not_judge(self, dynamodb: DynamoDBClient) -> None:
        fleet = DynamoFleet(dynamodb, TABLE)
        for each in (A, replace(B, judges=False)):
            fleet.sign(each)
        assert [each.judges for each in fleet.signs()] == [True, False]

    def test_a_sign_says_how_old_the_oldest_message_was(self, dynamodb: DynamoDBClient) -> None:
        fleet = DynamoFleet(dynamodb, TABLE)
        for each in (A, replace(B, oldest_ms=0)):
            fleet.sign(each)
        assert [each.oldest_ms for each in fleet.signs()] == [None, 0]

    def test_a_sign_that_cannot_be_read_is_left_out(self, dynamodb: DynamoDBClient) -> None:
        fleet = DynamoFleet(dynamodb, TABLE)
        fleet.sign(A)
        dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "fleet"}, "sk": {"S": "odd"}, "at_ms": {"S": "now"}})
        assert fleet.signs() == [A]

    def test_a_table_that_is_not_there_is_an_error_of_ours(self, dynamodb: DynamoDBClient) -> None:
        fleet = DynamoFleet(dynamodb, "nowhere")
        for call in (fleet.signs, lambda: fleet.sign(A), lambda: fleet.leave(A.name)):
            with pytest.raises(F2bError):
                call()

    def test_the_holder_of_a_lease_is_who_took_it_until_it_gives_it_back(self, dynamodb: DynamoDBClient) -> None:
        assert holder_of(dynamodb, TABLE, "enforcer/here") == Holder()
        lease = DynamoLease(
            dynamodb, TABLE, name="enforcer/here", owner="me", clock=FakeClock(), enforces="block (f2b)"
        )
        assert lease.hold()
        assert holder_of(dynamodb, TABLE, "enforcer/here") == Holder("me", "block (f2b)")
        lease.release()
        assert holder_of(dynamodb, TABLE, "enforcer/here") == Holder()


class TestStateFile:
    def test_the_sign_of_a_worker_that_died_goes_after_a_day(self, state: StateFile) -> None:
        fleet = SqliteFleet(state.reader(), state.writer)
        fleet.sign(A)
        fleet.sign(replace(B, at_ms=A.at_ms + DAY_MS))
        assert [each.name for each in fleet.signs()] == [A.name, B.name]
        fleet.sign(replace(B, at_ms=A.at_ms + DAY_MS + 1))
        assert [each.name for each in fleet.signs()] == [B.name]

    @pytest.mark.parametrize("content", ["", "[]", '["now", 1, "0.1.0", "", 0]', '[1, 1, "0.1.0", "", -1]'])
    def test_a_sign_in_a_file_that_cannot_be_read_is_left_out(self, state: StateFile, content: str) -> None:
        fleet = SqliteFleet(state.reader(), state.writer)
        fleet.sign(A)
        insert = "INSERT INTO control VALUES ('sign#odd', ?)"
        state.writer.do("test", lambda it: it.execute(insert, (content,)))
        with closing(state.reader()) as reader:
            assert signs_in(reader) == [A]

    def test_what_waits_is_counted(self, state: StateFile) -> None:
        with closing(state.reader()) as reader:
            assert depth_of_file(reader) == QueueDepth(0, 0, 0, 0)
            state.writer.do("test", lambda it: it.execute("INSERT INTO inbox (body, sent_at_ms) VALUES ('{}', 1)"))
            assert depth_of_file(reader) == QueueDepth(1, 0, 0, 0)

    def test_the_message_that_waits_longest_is_found(self, state: StateFile) -> None:
        with closing(state.reader()) as reader:
            assert oldest_in_file(reader) is None
            for sent_at_ms in (5, 9):
                row = ("{}", sent_at_ms)
                state.writer.do("test", lambda it, row=row: it.execute(INSERT, row))  # type: ignore[misc]
            assert oldest_in_file(reader) == 5

    def test_who_works_on_it_is_found_by_its_lock_without_touching_it(self, tmp_path: Path) -> None:
        path, locks = tmp_path / "f2b.db", tmp_path / "locks"
        (tmp_path / "f2b.db-lock").touch()
        inode = (tmp_path / "f2b.db-lock").stat().st_ino
        locks.write_text(
            f"1: POSIX  ADVISORY  WRITE 5 08:01:{inode} 0 EOF\n2: FLOCK  ADVISORY  WRITE 6 08:01:1 0 EOF\n"
        )
        assert worker_of_file(path, locks) == 0
        locks.write_text(f"1: FLOCK  ADVISORY  WRITE 4711 08:01:{inode} 0 EOF\n")
        assert worker_of_file(path, locks) == 4711
        assert worker_of_file(tmp_path / "other.db", locks) == 0
        assert worker_of_file(path, tmp_path / "nowhere") is None
