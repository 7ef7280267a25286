"""What the enforcer's notes promise: in memory, in DynamoDB and in a state file alike."""

from __future__ import annotations

from ipaddress import ip_network
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.dynamodb.zipped import zipped
from f2b_worker.adapters.sqlite.notebook import SqliteNotebook
from f2b_worker.domain.noted_sets import NotedGroup, NotedSet, NotedSets, Progress, as_lines, named
from f2b_worker.errors import Retryable
from f2b_worker.ports import Notes
from f2b_worker.testing import MemoryNotebook
from tests.contract.ledgers import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Notebook
    from localstack.local_aws import LocalAws

ARN = "arn:aws:wafv2:eu-west-1:000000000000:regional/ipset/f2b-ipv4/1"
OTHER = "arn:aws:wafv2:eu-west-1:000000000000:regional/ipset/f2b-ipv6/2"


@pytest.fixture(params=["memory", "dynamodb", "sqlite"])
def notebook(request: pytest.FixtureRequest) -> Notebook:
    if request.param == "memory":
        return MemoryNotebook()
    if request.param == "sqlite":
        state: StateFile = request.getfixturevalue("state")
        return SqliteNotebook(state.reader(), state.safe_writer, region="eu-west-1")
    return DynamoNotebook(request.getfixturevalue("dynamodb"), TABLE, region="eu-west-1")


def test_a_new_notebook_is_empty(notebook: Notebook) -> None:
    assert notebook.read() == Notes({}, None, None)


def test_the_foreign_entries_of_each_set_are_its_own(notebook: Notebook) -> None:
    notebook.note_entries("foreign", ARN, frozenset({"192.0.2.0/24", "198.51.100.1/32"}))
    notebook.note_entries("foreign", OTHER, frozenset({"2001:db8::/32"}))
    assert notebook.read().foreign == {
        ARN: frozenset({"192.0.2.0/24", "198.51.100.1/32"}),
        OTHER: frozenset({"2001:db8::/32"}),
    }


def test_a_new_note_replaces_the_old_one_and_an_empty_one_removes_it(notebook: Notebook) -> None:
    notebook.note_entries("foreign", ARN, frozenset({"192.0.2.0/24"}))
    notebook.note_entries("foreign", ARN, frozenset({"192.0.2.1/32"}))
    assert notebook.read().foreign == {ARN: frozenset({"192.0.2.1/32"})}
    notebook.note_entries("foreign", ARN, frozenset())
    notebook.note_entries("foreign", OTHER, frozenset())
    assert notebook.read().foreign == {}


@pytest.mark.parametrize("family", [4, 6])
def test_a_full_set_of_foreign_entries_fits(notebook: Notebook, family: int) -> None:
    bits = 32 if family == 4 else 128
    dice = Random(family)
    entries = frozenset(str(ip_network(dice.getrandbits(bits).to_bytes(bits // 8))) for _ in range(10_000))
    notebook.note_entries("foreign", ARN, entries)
    notebook.note_entries("foreign", OTHER, entries)
    assert notebook.read().foreign == {ARN: entries, OTHER: entries}


def test_networks_are_noted_beside_the_foreign_entries_of_the_same_set(notebook: Notebook) -> None:
    notebook.note_entries("foreign", ARN, frozenset({"192.0.2.0/24"}))
    notebook.note_entries("networks", ARN, frozenset({"203.0.113.0/24", "198.51.100.0/24"}))
    notebook.note_entries("networks", OTHER, frozenset({"2001:db8::/48"}))
    notebook.note_entries("networks", OTHER, frozenset())
    notes = notebook.read()
    assert notes.foreign == {ARN: frozenset({"192.0.2.0/24"})}
    assert notes.networks == {ARN: frozenset({"203.0.113.0/24", "198.51.100.0/24"})}


def test_when_the_ended_bans_had_left_each_set_is_replaced_as_a_whole(notebook: Notebook) -> None:
    notebook.note_swept({ARN: 1_000, OTHER: 2_000})
    notebook.note_swept({ARN: 3_000})
    assert notebook.read() == Notes({}, swept_ms={ARN: 3_000})


ADDRESSES = tuple(f"198.51.100.{number}/32" for number in range(4))
NOTED = NotedSets(
    9_000,
    8_000,
    (
        NotedGroup("block", 4, (NotedSet("f2b-ipv4", 3, 7_000), NotedSet("f2b-ipv4-2", 0, 0)), ADDRESSES[:2]),
        NotedGroup("block", 6, (NotedSet("f2b-ipv6", 10_000, 7_000),), None, ADDRESSES[2:]),
        NotedGroup("captcha", 4, (NotedSet("doubts", 1, 6_000),), (), None),
    ),
)


@pytest.mark.parametrize(
    "noted",
    [
        NOTED,
        NOTED._replace(groups=NOTED.groups[:1]),
        NotedSets(9_000, 8_000, ()),
        NOTED._replace(progress=Progress()),
        NOTED._replace(progress=Progress(60, 1_000, 2_000, 0)),
    ],
)
def test_how_the_ip_sets_are_is_replaced_as_a_whole(notebook: Notebook, noted: NotedSets) -> None:
    notebook.note_sets(NOTED._replace(progress=Progress(7, 8_000)))
    notebook.note_sets(noted)
    assert notebook.read() == Notes({}, sets=noted)


def test_how_a_hundred_ip_sets_are_takes_four_write_units_at_most() -> None:
    """Where a hundred bans wait, too, and a hundred are held back; all as far from each other as they can be."""
    dice = Random(1)
    entries = [str(ip_network(dice.getrandbits(64) << 64).supernet(new_prefix=64)) for _ in range(200)]
    sets = tuple(
        NotedSet(f"f2b-ipv6-{number}", dice.randrange(10_001), 1_795_001_618_000 + dice.randrange(60_000))
        for number in range(100)
    )
    noted = NotedSets(
        1_795_001_678_000,
        1_795_001_677_500,
        (NotedGroup("block", 6, sets, named(entries[:100]), named(entries[100:])),),
    )
    assert len(zipped("\n".join(as_lines(noted)))) < 3_900


def test_a_surge_is_noted_until_it_is_over(notebook: Notebook) -> None:
    notebook.note_surge(1_000)
    assert notebook.read() == Notes({}, 1_000, None)
    notebook.note_surge(None)
    assert notebook.read() == Notes({}, None, None)


@pytest.mark.parametrize("released_ms", [1_000, 2_000])
def test_a_release_ends_a_surge_whoever_writes_last(notebook: Notebook, released_ms: int) -> None:
    notebook.note_surge(1_000)
    notebook.note_release(released_ms)
    assert notebook.read() == Notes({}, None, released_ms)
    notebook.note_surge(1_000)  # by an enforcer that has not seen the release
    assert notebook.read() == Notes({}, None, released_ms)


def test_a_surge_after_the_release_stands(notebook: Notebook) -> None:
    notebook.note_release(2_000)
    notebook.note_surge(3_000)
    assert notebook.read() == Notes({}, 3_000, 2_000)


def test_a_release_never_goes_back(notebook: Notebook) -> None:
    notebook.note_release(2_000)
    notebook.note_release(1_000)
    notebook.note_release(2_000)
    assert notebook.read().released_ms == 2_000


class TestDynamo:
    def test_each_region_has_notes_of_its_own(self, dynamodb: DynamoDBClient) -> None:
        here, there = (DynamoNotebook(dynamodb, TABLE, region=each) for each in ("eu-west-1", "us-east-1"))
        here.note_surge(1_000)
        assert there.read() == Notes({}, None, None)
        assert DynamoNotebook(dynamodb, TABLE, region="eu-west-1").read().held_back_from_ms == 1_000

    def test_a_failure_is_worth_another_try(self, aws_in_process: LocalAws, dynamodb: DynamoDBClient) -> None:
        notebook = DynamoNotebook(dynamodb, TABLE, region="eu-west-1")
        aws_in_process.edge.fault("dynamodb:*", "throttle", times=3)
        for call in (
            notebook.read,
            lambda: notebook.note_surge(1),
            lambda: notebook.note_entries("foreign", ARN, frozenset("x")),
        ):
            with pytest.raises(Retryable):
                call()

    @pytest.mark.parametrize(
        "lines", [{"S": "x"}, {"B": b"x"}, {"B": zipped("at 1 x")}, {"B": zipped("set a 1 1")}]
    )
    def test_how_the_ip_sets_are_is_told_of_and_costs_no_other_note_where_it_cannot_be_read(
        self, dynamodb: DynamoDBClient, lines: Any
    ) -> None:
        key = {"pk": {"S": "enforcer#eu-west-1"}, "sk": {"S": "sets"}}
        dynamodb.put_item(TableName=TABLE, Item=key | {"lines": lines})
        told: list[Unreadable] = []
        notebook = DynamoNotebook(dynamodb, TABLE, region="eu-west-1", aside=told.append)
        notebook.note_surge(1_000)
        assert notebook.read() == Notes({}, 1_000)
        assert [(each.item, each.attribute) for each in told] == [("enforcer#eu-west-1 sets", "lines")]

    @pytest.mark.parametrize(
        "progress", [{"N": "1"}, {"M": {"updates": {"N": "-1"}}}, {"M": {"took_ms": {"N": "1"}}}]
    )
    def test_how_fast_bans_get_in_is_told_of_by_its_own_name_where_it_cannot_be_read(
        self, dynamodb: DynamoDBClient, progress: dict[str, Any]
    ) -> None:
        told: list[Unreadable] = []
        notebook = DynamoNotebook(dynamodb, TABLE, region="eu-west-1", aside=told.append)
        notebook.note_sets(NOTED)
        key = {"pk": {"S": "enforcer#eu-west-1"}, "sk": {"S": "sets"}}
        dynamodb.update_item(
            TableName=TABLE,
            Key=key,
            UpdateExpression="SET progress = :progress",
            ExpressionAttributeValues={":progress": progress},
        )
        assert notebook.read() == Notes({})
        assert [(each.item, each.attribute) for each in told] == [("enforcer#eu-west-1 sets", "progress")]

    @pytest.mark.parametrize(
        "broken",
        [
            {"released_ms": {"S": "x"}},
            {"released_ms": {"N": "9" * 38}},
            {"held_back_from_ms": {"L": []}},
            {"held_back_from_ms": {"N": "1.5"}, "released_ms": {"N": "1000"}},
            {"held_back_from_ms": {"N": "9" * 38}, "released_ms": {"NULL": True}},
        ],
    )
    def test_a_release_mends_a_note_that_cannot_be_read(
        self, dynamodb: DynamoDBClient, broken: dict[str, Any]
    ) -> None:
        key = {"pk": {"S": "enforcer#eu-west-1"}, "sk": {"S": "surge"}}
        dynamodb.put_item(TableName=TABLE, Item=key | broken)
        notebook = DynamoNotebook(dynamodb, TABLE, region="eu-west-1")
        assert notebook.read().lost == {"surge"}
        notebook.note_release(2_000)
        if "1.5" not in str(broken):  # a number that is no time; it stays until the next surge is noted
            assert notebook.read() == Notes({}, None, 2_000)
        notebook.note_surge(3_000)
        assert notebook.read() == Notes({}, 3_000, 2_000)


class TestSqlite:
    @pytest.mark.parametrize("content", ["x", "5", "[]", '["at 1"]', '["at 1 2", "set a 1 1"]', '["at 1 2", 3]'])
    def test_how_the_ip_sets_are_is_told_of_and_costs_no_other_note_where_it_cannot_be_read(
        self, state: StateFile, content: str
    ) -> None:
        query = "INSERT INTO notes VALUES ('eu-west-1', 'sets', ?)"
        state.writer.do("breaking", lambda connection: connection.execute(query, (content,)))
        told: list[Unreadable] = []
        notebook = SqliteNotebook(state.reader(), state.safe_writer, region="eu-west-1", aside=told.append)
        notebook.note_surge(1_000)
        assert notebook.read() == Notes({}, 1_000)
        assert [each.item for each in told] == ["notes eu-west-1 sets"]

    @pytest.mark.parametrize("content", ["x", "5", "[]", '{"updates": -1}', '{"took_ms": 1}', '{"updates": "1"}'])
    def test_how_fast_bans_get_in_is_told_of_and_costs_no_other_note_where_it_cannot_be_read(
        self, state: StateFile, content: str
    ) -> None:
        told: list[Unreadable] = []
        notebook = SqliteNotebook(state.reader(), state.safe_writer, region="eu-west-1", aside=told.append)
        notebook.note_sets(NOTED)
        query = "INSERT INTO notes VALUES ('eu-west-1', 'progress', ?)"
        state.writer.do("breaking", lambda connection: connection.execute(query, (content,)))
        assert notebook.read() == Notes({}, sets=NOTED)
        assert [each.item for each in told] == ["notes eu-west-1 progress"]

    @pytest.mark.parametrize(
        "content", ["x", "", "9" * 30, "9999999999999x", "3000.5", "3e3", "null", '"text"', "[]"]
    )
    @pytest.mark.parametrize("name", ["surge", "release"])
    def test_a_release_mends_a_note_that_cannot_be_read(self, state: StateFile, name: str, content: str) -> None:
        query = "INSERT INTO notes VALUES ('eu-west-1', ?, ?)"
        state.writer.do("breaking", lambda connection: connection.execute(query, (name, content)))
        notebook = SqliteNotebook(state.reader(), state.safe_writer, region="eu-west-1")
        assert notebook.read().lost == {name}
        notebook.note_release(2_000)
        assert notebook.read() == Notes({}, None, 2_000)
