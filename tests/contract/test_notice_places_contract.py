"""Where notices come from, and how far each target was told: in memory, on DynamoDB and in a state file alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.ban_log.scribe import open_scribe
from f2b_worker.adapters.dynamodb.notices import DynamoNews, DynamoPlaces
from f2b_worker.adapters.sqlite.notices import SqliteNews, SqlitePlaces
from f2b_worker.domain.judge.verdicts import Offender, OffenderId
from f2b_worker.domain.notices.news import BanNews, News
from f2b_worker.ports.notices import Place
from f2b_worker.testing import FakeClock, MemoryLedger
from f2b_worker.testing.notices import MemoryPlaces
from tests.contract.ledgers import KEPT_MS, NOW_MS, TABLE, Book, ban, commit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports.notices import NewsSource, Places

PLACE = Place("e1", 7, (9, 11), NOW_MS, ("surge eu-west-1", "lag"))


@pytest.fixture(params=["memory", "dynamodb", "sqlite"])
def places(request: pytest.FixtureRequest, clock: FakeClock) -> Places:
    match request.param:
        case "memory":
            return MemoryPlaces()
        case "dynamodb":
            return DynamoPlaces(request.getfixturevalue("dynamodb"), TABLE, clock)
        case _:
            state: StateFile = request.getfixturevalue("state")
            return SqlitePlaces(state.path)


def test_a_place_is_kept_for_each_target_in_the_place_of_the_one_before(places: Places) -> None:
    assert places.read("ops") is None
    places.keep("ops", replace(PLACE, number=3, conditions=()))
    places.keep("ops", PLACE)
    places.keep("mail", replace(PLACE, number=1))
    found = places.read("ops")
    assert found
    # A state file numbers all changes itself: it has one log, and no number is missing in it.
    assert found in (PLACE, replace(PLACE, log="", seen=()))
    assert places.read("pager") is None


def test_a_place_that_cannot_be_read_is_told_of_and_is_none(
    dynamodb: DynamoDBClient, clock: FakeClock, state: StateFile
) -> None:
    told: list[Unreadable] = []
    item: Any = {"pk": {"S": "notices"}, "sk": {"S": "ops"}, "number": {"S": "x"}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    assert DynamoPlaces(dynamodb, TABLE, clock, aside=told.append).read("ops") is None
    state.writer.do("test", lambda file: file.execute("INSERT INTO control VALUES ('notices#ops', '[1]')"))
    assert SqlitePlaces(state.path, aside=told.append).read("ops") is None
    assert [each.kind for each in told] == ["notices", "notices"]


@pytest.fixture(params=["dynamodb", "sqlite"])
def source(request: pytest.FixtureRequest, ledger: Book, clock: FakeClock) -> Callable[[], NewsSource]:
    if isinstance(ledger, MemoryLedger):
        pytest.skip("the twin's log is a list of changes: the couriers' tests follow it")
    if request.param == "sqlite":
        path: Path = request.getfixturevalue("state").path
        return lambda: SqliteNews(path)
    client: DynamoDBClient = request.getfixturevalue("dynamodb")
    return lambda: DynamoNews(client, TABLE, clock)


class Follower:
    """Follows a source as a courier does."""

    def __init__(self, source: NewsSource, place: Place | None) -> None:
        self._source = source
        self.place, known = source.begin(place, NOW_MS)
        self._news = BanNews(self.place.at_ms)
        self._news.learn(known)

    def hear(self) -> list[tuple[str, str]]:
        found: list[News] = []
        for heard in self._source.poll():
            found += self._news.take_in(heard.changes, is_certain=heard.is_certain, is_all=heard.is_all)
            self.place = replace(heard.place, at_ms=self.place.at_ms)
        return sorted((each.kind, each.who.key) for each in found)


def who(last: int) -> OffenderId:
    return OffenderId("login", f"203.0.113.{last}/32")


SOURCES = pytest.mark.parametrize(
    ("ledger", "source"), [("dynamodb", "dynamodb"), ("sqlite", "sqlite")], indirect=True
)


@SOURCES
def test_what_was_before_the_beginning_is_known_and_what_comes_after_it_is_news_once(
    ledger: Book, source: Callable[[], NewsSource]
) -> None:
    before = commit(ledger, Offender(), ban(-300), who(1))
    follower = Follower(source(), None)
    assert follower.hear() == []
    longer = replace(ban(-300), until_ms=NOW_MS + 900_000, extended=1)
    commit(ledger, before, longer, who(1))
    commit(ledger, Offender(), ban(-300), who(2))  # late: its infractions came long after they were seen
    assert follower.hear() == [("ban", who(2).key)]
    assert follower.hear() == []


@SOURCES
def test_who_goes_on_from_a_place_hears_all_since_then_and_nothing_of_before(
    ledger: Book, source: Callable[[], NewsSource], request: pytest.FixtureRequest
) -> None:
    first = Follower(source(), None)
    told = commit(ledger, Offender(), ban(1), who(1))
    assert first.hear() == [("ban", who(1).key)]
    # After its place: an extension of what it told, a ban, and one that is longer by the time it is read.
    commit(ledger, told, replace(ban(1), until_ms=ban(1).until_ms + 60_000, extended=1), who(1))
    commit(ledger, Offender(), ban(102), who(2))
    third = commit(ledger, Offender(), ban(103), who(3))
    commit(ledger, third, replace(ban(103), until_ms=ban(103).until_ms + 60_000, extended=1), who(3))
    place = replace(first.place, at_ms=NOW_MS + 100_000)
    heir = Follower(source(), place)
    assert heir.hear() == [("ban", who(2).key), ("ban", who(3).key)]
    assert heir.hear() == []
    if request.node.callspec.params["ledger"] == "sqlite":
        return
    # A scribe makes a snapshot of all: whoever begins before it hears the same.
    clock = FakeClock()
    scribe = open_scribe(request.getfixturevalue("dynamodb"), TABLE, clock)
    for _ in range(5):
        scribe.tick()
        clock.advance(60)
    assert [each for each in Follower(source(), place).hear() if each[1] != who(1).key] == [
        ("ban", who(2).key),
        ("ban", who(3).key),
    ]


def test_an_older_copy_of_a_state_file_is_followed_by_time(state: StateFile, clock: FakeClock) -> None:
    from f2b_worker.adapters.sqlite.ledger import SqliteLedger  # noqa: PLC0415 - of one test

    ledger = SqliteLedger(state, clock, kept_ms=KEPT_MS)
    commit(ledger, Offender(), ban(-300), who(1))
    commit(ledger, Offender(), ban(5), who(2))
    follower = Follower(SqliteNews(state.path), Place(number=1000, at_ms=NOW_MS))
    assert follower.hear() == [("ban", who(2).key)]
    commit(ledger, Offender(), ban(6), who(3))
    assert follower.hear() == [("ban", who(3).key)]
