"""The numbers over time, in memory, in DynamoDB and in a state file."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.dynamodb.tally import DynamoTally
from f2b_worker.adapters.sqlite.tally import SqliteTally, SqliteTallyReader
from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.domain.tally import HOUR_MS, KEPT_MS, BanSheets, Counted, Kind, Noted, Sheet, hour_of
from f2b_worker.errors import F2bError
from f2b_worker.testing import MemoryTally
from tests.contract.ledgers import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.ports import Tally

DAY = 1_795_046_400_000
"""The beginning of a day."""


def a_sheet(hour_ms: int, number: int = 1, jail: str = "login") -> Sheet:
    sheet = Sheet(hour_ms)
    sheet.add(Kind.INFRACTIONS, jail, hour_ms + 3 * MINUTE_MS, number)
    sheet.add(Kind.BANS, jail, hour_ms + HOUR_MS - 1)
    return sheet


def sheets_of_bans(version: int, *, before: Sheet | None = None) -> BanSheets:
    return BanSheets(
        Counted("5f0c91aa", 17, DAY + version, DAY + 1), a_sheet(DAY, version), before, "host/1/ab", version
    )


@pytest.fixture(params=["memory", "dynamodb", "sqlite"])
def tally(request: pytest.FixtureRequest) -> Tally:
    if request.param == "memory":
        return MemoryTally()
    if request.param == "sqlite":
        state: StateFile = request.getfixturevalue("state")
        return SqliteTally(state.reader(), state.writer)
    return DynamoTally(request.getfixturevalue("dynamodb"), TABLE)


def test_what_nobody_noted_is_not_there(tally: Tally) -> None:
    assert list(tally.read(DAY, DAY + DAY_MS)) == []
    assert tally.bans() is None


def test_what_each_process_noted_of_an_hour_is_read_as_it_was_noted_last(tally: Tally) -> None:
    for number in (1, 2):
        tally.note("host-a/17/c0ffee01", a_sheet(DAY, number))
    tally.note("host-b/18/c0ffee02", a_sheet(DAY, 5, "odd \N{SNOWMAN} #jail"))
    assert list(tally.read(DAY, DAY)) == [
        Noted("host-a/17/c0ffee01", a_sheet(DAY, 2)),
        Noted("host-b/18/c0ffee02", a_sheet(DAY, 5, "odd \N{SNOWMAN} #jail")),
    ]


def test_of_a_time_its_hours_are_read_over_days_in_their_order(tally: Tally) -> None:
    hours_ms = [DAY + hour * HOUR_MS for hour in (-25, -24, -1, 0, 9, 10, 23, 24)]
    for hour_ms in hours_ms:
        tally.note("a", a_sheet(hour_ms))

    def found(first_ms: int, last_ms: int) -> list[int]:
        return [noted.sheet.hour_ms for noted in tally.read(first_ms, last_ms)]

    assert found(hours_ms[0], hours_ms[-1]) == hours_ms
    assert found(hours_ms[1] - 1, hours_ms[-2] + HOUR_MS - 1) == hours_ms[:-1]
    assert found(hours_ms[1], hours_ms[-1] - 1) == hours_ms[1:-1]
    assert found(DAY + 9 * HOUR_MS + 5, DAY + 9 * HOUR_MS + 6) == [DAY + 9 * HOUR_MS]


def test_what_was_counted_of_bans_is_read_as_it_was_stored_with_its_place(tally: Tally) -> None:
    for counted in (sheets_of_bans(1), sheets_of_bans(2, before=a_sheet(DAY - HOUR_MS))):
        assert tally.note_bans(counted)
        assert tally.bans() == counted
    assert tally.note_bans(sheets_of_bans(3)._replace(sheet=Sheet(DAY)))
    assert tally.bans() == sheets_of_bans(3)._replace(sheet=Sheet(DAY))
    assert list(tally.read(DAY - DAY_MS, DAY + DAY_MS)) == []


def test_of_two_who_count_bans_the_one_who_does_not_know_of_the_other_stores_nothing(tally: Tally) -> None:
    assert not tally.note_bans(sheets_of_bans(2))
    assert tally.bans() is None
    assert tally.note_bans(sheets_of_bans(1))
    assert not tally.note_bans(sheets_of_bans(1))
    assert not tally.note_bans(sheets_of_bans(3))
    assert tally.bans() == sheets_of_bans(1)


class TestDynamoDb:
    def test_items_that_cannot_be_read_are_left_out(self, dynamodb: DynamoDBClient) -> None:
        tally = DynamoTally(dynamodb, TABLE)
        tally.note("a", a_sheet(DAY))
        assert tally.note_bans(sheets_of_bans(1))
        found = dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "tally#2026-11-19"}},
        )["Items"]
        assert [item["sk"]["S"] for item in found] == ["00#a"]
        for sk, numbers in (("00#b", {"S": "x"}), ("00#c", {"B": b"x"}), ("0x", found[0]["numbers"])):
            dynamodb.put_item(TableName=TABLE, Item={**found[0], "sk": {"S": sk}, "numbers": numbers})
        assert tally.read(DAY, DAY) == [Noted("a", a_sheet(DAY))]
        dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "tally"}, "sk": {"S": "bans"}})
        assert tally.bans() is None
        assert not tally.note_bans(sheets_of_bans(1))

    def test_an_hour_goes_eight_days_after_its_end(self, dynamodb: DynamoDBClient) -> None:
        DynamoTally(dynamodb, TABLE).note("a", a_sheet(DAY))
        key = {"pk": {"S": "tally#2026-11-19"}, "sk": {"S": "00#a"}}
        item = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
        assert item["ttl"] == {"N": str((DAY + HOUR_MS + KEPT_MS) // 1000)}

    def test_a_table_that_is_not_there_is_an_error_of_ours(self, dynamodb: DynamoDBClient) -> None:
        tally = DynamoTally(dynamodb, "nowhere")
        for call in (
            tally.bans,
            lambda: tally.read(DAY, DAY),
            lambda: tally.note("a", a_sheet(DAY)),
            lambda: tally.note_bans(sheets_of_bans(1)),
        ):
            with pytest.raises(F2bError):
                call()


class TestStateFile:
    def test_rows_that_cannot_be_read_are_left_out(self, state: StateFile) -> None:
        tally = SqliteTally(state.reader(), state.writer)
        tally.note("a", a_sheet(DAY))
        insert = "INSERT INTO tally VALUES (?, ?, ?)"
        too_long = '{"bans": {"x": [59, 1, 1]}}'
        for row in (
            (DAY, "b", "[]"),
            (DAY, "c", too_long),
            (DAY, "d", "x"),
            (-1, "bans", "[]"),
        ):
            state.writer.do("test", lambda it, row=row: it.execute(insert, row))  # type: ignore[misc]
        assert tally.read(DAY, DAY) == [Noted("a", a_sheet(DAY))]
        assert tally.bans() is None
        assert not tally.note_bans(sheets_of_bans(1))

    def test_hours_go_eight_days_later_and_what_was_counted_of_bans_stays(self, state: StateFile) -> None:
        tally = SqliteTally(state.reader(), state.writer)
        assert tally.note_bans(sheets_of_bans(1))
        for hour_ms in (DAY, DAY + HOUR_MS, hour_of(DAY + KEPT_MS)):
            tally.note("a", a_sheet(hour_ms))
        assert [noted.sheet.hour_ms for noted in tally.read(0, DAY + KEPT_MS)] == [DAY + HOUR_MS, DAY + KEPT_MS]
        assert tally.bans() == sheets_of_bans(1)

    def test_a_file_that_an_older_f2b_left_has_no_numbers(self, state: StateFile) -> None:
        state.writer.do("test", lambda it: it.execute("DROP TABLE tally"))
        with closing(state.reader()) as reader:
            assert SqliteTallyReader(reader).read(0, DAY) == []
            assert SqliteTallyReader(reader).bans() is None
