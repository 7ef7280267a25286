"""How a ledger says in which layout it is: the table, the state file, and the twin in memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.schema import DynamoSchema
from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook
from f2b_worker.adapters.sqlite.file import APPLICATION_ID, open_existing
from f2b_worker.adapters.sqlite.layout import FIRST, SECOND
from f2b_worker.adapters.sqlite.schema import SqliteSchema
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.adapters.sqlite.tally import SqliteTallyReader
from f2b_worker.domain.judge.verdicts import Ban, Offender
from f2b_worker.domain.schema import Known, Schema
from f2b_worker.errors import F2bError, Rejected, StartError
from f2b_worker.process.schema import check_schema, claim_schema
from f2b_worker.testing import MemorySchema
from tests.contract.ledgers import TABLE, WHO

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.ports import SchemaMark


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A state file as it was before there were marks."""
    path = tmp_path / "f2b.db"
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(f"{FIRST} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;")
    return path


@pytest.fixture(params=["memory", "dynamodb", "sqlite"])
def mark(request: pytest.FixtureRequest) -> SchemaMark:
    """A mark that is not there, as an f2b sees it that knows the first format."""
    if request.param == "memory":
        mark: SchemaMark = MemorySchema()
    elif request.param == "sqlite":
        mark = SqliteSchema(request.getfixturevalue("file"))
    else:
        mark = DynamoSchema(request.getfixturevalue("dynamodb"), TABLE)
    return as_known(mark, Known(Schema(1, 1), oldest=1))


def as_known(mark: SchemaMark, known: Known) -> SchemaMark:
    """The same mark, as another version of f2b sees it."""
    mark.known = known  # type: ignore[misc]
    return mark


def test_what_was_made_before_there_were_marks_is_marked_as_version_1_by_a_worker(
    mark: SchemaMark,
) -> None:
    assert mark.read() is None
    check_schema(mark)
    assert mark.read() is None, "a command marks nothing"
    claim_schema(mark)
    assert mark.read() == Schema(1, 1)


def test_a_mark_is_raised_and_never_lowered(mark: SchemaMark) -> None:
    for written, found in (
        (Schema(2, 1), Schema(2, 1)),
        (Schema(1, 1), Schema(2, 1)),
        (Schema(2, 2), Schema(2, 1)),
        (Schema(4, 3), Schema(4, 3)),
        (Schema(3, 3), Schema(4, 3)),
    ):
        mark.mark(written)
        assert mark.read() == found


def test_an_older_f2b_works_on_where_the_mark_lets_it_and_leaves_the_mark(mark: SchemaMark) -> None:
    mark.mark(Schema(7, 1))
    check_schema(mark)
    claim_schema(mark)
    assert mark.read() == Schema(7, 1)


def test_an_older_f2b_is_refused_in_one_line_where_the_mark_does_not_let_it(mark: SchemaMark) -> None:
    mark.mark(Schema(7, 2))
    for refused in (check_schema, claim_schema):
        with pytest.raises(StartError, match="in format 7; this f2b knows format 1: update f2b") as error:
            refused(mark)
        assert mark.what in str(error.value)
        assert "\n" not in str(error.value)
    assert mark.read() == Schema(7, 2)


def test_a_newer_f2b_refuses_what_it_cannot_read_any_more_and_marks_what_it_can(mark: SchemaMark) -> None:
    newer = as_known(mark, Known(Schema(3, 3), oldest=2))
    with pytest.raises(
        StartError, match=r"does not say its format, .* knows formats 2 to 3 only: run f2b provision"
    ):
        claim_schema(newer)
    assert mark.read() is None
    mark.mark(Schema(1, 1))
    with pytest.raises(StartError, match=r"in format 1; this f2b knows formats 2 to 3: docs/upgrade\.md says"):
        claim_schema(newer)
    mark.mark(Schema(2, 2))
    claim_schema(newer)
    assert mark.read() == Schema(3, 3)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"version": {"N": "1"}},
        {"readable_from": {"N": "1"}},
        {"version": {"S": "1"}, "readable_from": {"N": "1"}},
        {"version": {"N": "1.5"}, "readable_from": {"N": "1"}},
        {"version": {"N": "0"}, "readable_from": {"N": "0"}},
        {"version": {"N": "-1"}, "readable_from": {"N": "-1"}},
        {"version": {"N": "1"}, "readable_from": {"N": "2"}},
        {"version": {"L": []}, "readable_from": {"M": {}}},
        {"version": {"NULL": True}, "readable_from": {"BOOL": True}},
    ],
)
def test_a_mark_of_the_table_that_cannot_be_read_is_named_with_its_key(
    attributes: dict[str, Any], dynamodb: DynamoDBClient
) -> None:
    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "meta"}, "sk": {"S": "schema"}} | attributes)
    mark = DynamoSchema(dynamodb, TABLE)
    with pytest.raises(Rejected, match=r"pk=meta sk=schema.* cannot be read") as error:
        claim_schema(mark)
    assert "\n" not in str(error.value)


def test_a_mark_with_attributes_of_a_newer_f2b_is_read(dynamodb: DynamoDBClient) -> None:
    numbers = {"version": {"N": "2"}, "readable_from": {"N": "1"}}
    item = {"pk": {"S": "meta"}, "sk": {"S": "schema"}, "by": {"S": "9.0"}, **numbers}
    dynamodb.put_item(TableName=TABLE, Item=item)
    claim_schema(DynamoSchema(dynamodb, TABLE))
    key = {"pk": {"S": "meta"}, "sk": {"S": "schema"}}
    assert dynamodb.get_item(TableName=TABLE, Key=key)["Item"] == item


@pytest.mark.parametrize("row", ["'1', 'x'", "1, NULL", "NULL, NULL", "x'00', 1", "1, 2", "0.5, 0.5", "9, 9"])
def test_a_mark_of_the_file_that_cannot_be_read_is_refused_in_one_line(row: str, file: Path) -> None:
    with closing(sqlite3.connect(file)) as old, old:
        old.execute("CREATE TABLE schema (version, readable_from)")
        old.execute(f"INSERT INTO schema VALUES ({row})")
    with pytest.raises(F2bError, match=r"in its table schema|cannot use state file") as error:
        StateFile(file)
    assert "\n" not in str(error.value)


def test_a_worker_makes_the_third_format_of_a_file_of_the_first_and_keeps_what_is_in_it(file: Path) -> None:
    with closing(sqlite3.connect(file)) as old, old:
        ban = '[1000,2000,1,1000,0,false,["block"]]'
        old.execute("INSERT INTO offenders VALUES ('203.0.113.7/32', 'login', '[]', ?, 3, 7, 99999)", (ban,))
    with pytest.raises(StartError, match=r"in format 1; this f2b knows formats 2 to 3: docs/upgrade\.md"):
        open_existing(file)
    state = StateFile(file)
    assert SqliteSchema(file).read() == Schema(3, 2)
    book = SqliteBanBook(state.reader())
    assert book.offender(WHO) == Offender(frozenset(), Ban(1000, 2000, 1, 1000), 3)
    assert book.newest_change() == 7
    state.close()
    StateFile(file).close()  # twice is no harm


def test_a_file_of_the_second_format_is_read_by_commands_and_made_one_of_the_third_by_a_worker(file: Path) -> None:
    with closing(sqlite3.connect(file)) as old, old:
        for statement in SECOND:
            old.execute(statement)
        old.execute("INSERT INTO allowed VALUES ('192.0.2.0/24', NULL, 'office', 'ann', 5)")
    SqliteSchema(file).mark(Schema(2, 2))
    with closing(open_existing(file)) as reader:
        assert SqliteTallyReader(reader).read(0, 1) == []
    StateFile(file).close()
    assert SqliteSchema(file).read() == Schema(3, 2)
    assert Known(Schema(2, 2), oldest=2).refusal(Schema(3, 2), "it") is None, "the f2b before goes on with it"
    with closing(open_existing(file)) as reader:
        assert reader.execute("SELECT comment FROM allowed").fetchall() == [("office",)]
        assert reader.execute("SELECT count(*) FROM tally").fetchall() == [(0,)]


def test_a_file_of_a_newer_f2b_that_lets_this_one_work_is_worked_with_and_keeps_its_mark(file: Path) -> None:
    SqliteSchema(file).mark(Schema(5, 1))
    with closing(sqlite3.connect(file)) as newer, newer:
        newer.execute("ALTER TABLE notes ADD COLUMN of_version_5 TEXT")
        newer.execute("CREATE TABLE of_version_5 (x)")
        newer.execute("INSERT INTO of_version_5 VALUES (1)")
    StateFile(file).close()
    assert SqliteSchema(file).read() == Schema(5, 1)
    with closing(sqlite3.connect(file)) as newer:
        assert newer.execute("SELECT x FROM of_version_5").fetchall() == [(1,)]


def test_a_table_without_the_ban_log_is_refused(dynamodb: DynamoDBClient) -> None:
    table = DynamoSchema(dynamodb, TABLE)
    with pytest.raises(StartError, match="table f2b does not say its format, and this f2b knows format 2 only"):
        claim_schema(table)
    table.mark(Schema(1, 1))
    with pytest.raises(StartError, match="an older f2b wrote table f2b in format 1; this f2b knows format 2:"):
        claim_schema(table)
    assert table.read() == Schema(1, 1)
