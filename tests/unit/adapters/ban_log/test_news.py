"""News come in parts that are small enough for a judge, and of more bans than judges remember only some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.dynamodb import news as telling
from f2b_worker.adapters.dynamodb.ban_log import parts
from f2b_worker.adapters.dynamodb.ban_log import reader as reading
from f2b_worker.adapters.dynamodb.news import News
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.errors import Throttled
from f2b_worker.intake.known_bans import KNOWN_MAX
from tests.canned_dynamodb import Fate
from tests.unit.adapters.ban_log.test_reader_and_scribe import TRIES, Scene

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import OffenderId


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(telling, "PIECE_MAX", 3)
    monkeypatch.setattr(parts, "CHANGES_MAX", 2)
    monkeypatch.setattr(reading, "NUMBERS_MAX", 2)
    scene = Scene()
    scene.log(*(scene.change(last) for last in range(1, 8)))
    scene.publish()
    return scene


@pytest.fixture
def news(scene: Scene) -> News:
    return News(scene.reader, scene.clock)


def heard(news: News) -> list[set[str]]:
    """Hear all parts of what is to be told; name whom each tells of."""
    told = [keys(news.read())]
    while news.has_more:
        told.append(keys(news.read()))
    return told


def keys(told: dict[OffenderId, object] | object) -> set[str]:
    assert isinstance(told, dict)
    return {who.key for who in told}


def addresses(*last: int) -> set[str]:
    return {f"203.0.113.{each}/32" for each in last}


def test_a_snapshot_is_told_in_parts_and_then_the_tail(scene: Scene, news: News) -> None:
    for last in range(10, 15):
        scene.log(scene.change(last))
    told = heard(news)
    assert max(map(len, told)) <= 3
    assert set().union(*told) == addresses(*range(1, 8), *range(10, 15))
    assert heard(news) == [set()]


def test_no_more_of_a_snapshot_are_told_than_a_judge_remembers_and_the_latest_first(
    scene: Scene, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "TOLD_MAX", 4)
    scene.log(scene.change(8))
    assert scene.publish().deltas
    told = heard(news)
    assert len(set().union(*told)) == 4
    assert addresses(8) <= told[0]


def test_it_is_told_of_as_many_as_a_judge_remembers() -> None:
    assert telling.TOLD_MAX == KNOWN_MAX


def test_what_ended_long_ago_is_not_told(scene: Scene, news: News) -> None:
    scene.log(scene.change(8, ends_in_ms=1000))
    scene.publish()
    scene.clock.advance(KEPT_AFTER_END_MS / 1000 + 2)
    assert set().union(*heard(news)) == addresses(*range(1, 8))


def test_it_is_not_the_last_part_if_dynamodb_left_something_unread(scene: Scene, news: News) -> None:
    heard(news)
    scene.log(scene.change(9))
    scene.caller.fare([Fate.DONE, *[Fate.UNREAD] * TRIES])
    assert keys(news.read()) == set()
    assert news.has_more
    assert heard(news) == [addresses(9)]


def test_a_failure_amid_the_parts_costs_nothing_that_was_read(scene: Scene, news: News) -> None:
    heard(news)
    for last in (20, 21, 22):
        scene.log(scene.change(last))
    scene.caller.fare([Fate.DONE, Fate.DONE, Fate.THROTTLED])
    assert keys(news.read()) == addresses(20, 21)
    assert news.has_more
    scene.caller.fare([Fate.THROTTLED])
    with pytest.raises(Throttled):
        news.read()
    assert heard(news) == [addresses(22)]
