from __future__ import annotations

import pytest

from f2b_worker.adapters.dynamodb.ban_log import writer as writing
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems, Entry
from f2b_worker.adapters.dynamodb.ban_log.packing import unpack
from f2b_worker.adapters.dynamodb.ban_log.writer import NUMBER_S, PAUSES_S, READ_S, BanLogWriter
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.errors import Missing, Throttled, Unavailable
from f2b_worker.testing import FakeClock
from tests.canned_dynamodb import TABLE, Caller, CannedTable, Fate

EPOCH = "e1"
CHANGE = Change(OffenderId("login", "203.0.113.7/32"), Ban(0, 1000, 1, 1000), 1)


class Scene:
    """One writer, and what stands in the log."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.aws = CannedTable()
        self.caller = Caller(self.aws)
        self.items = BanLogItems(self.caller.client, TABLE, self.clock)
        self.items.begin(EPOCH)
        self.writer = BanLogWriter(self.items, self.clock)

    def append(self, *changes: Change, read_s: float | None = None) -> bool:
        return self.writer.append(changes or [CHANGE], read_s=read_s or self.clock.monotonic_s())

    def logged(self) -> dict[int, list[Change]]:
        entries = self.items.read(EPOCH, range(1, self.items.top().number + 1))
        return {place: changes_of(entry) for place, entry in entries.items()}


def changes_of(entry: Entry) -> list[Change]:
    return list(unpack(entry.content).changes) if entry.id else []


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_changes_stand_under_the_next_number(scene: Scene) -> None:
    assert scene.append()
    assert scene.append(CHANGE._replace(revision=2))

    assert scene.logged() == {1: [CHANGE], 2: [CHANGE._replace(revision=2)]}


def test_more_changes_than_one_item_holds_take_several_numbers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHANGES_MAX", 2)

    assert scene.append(*(CHANGE._replace(revision=each) for each in range(1, 6)))

    assert [len(changes) for changes in scene.logged().values()] == [2, 2, 1]


def test_an_entry_of_which_the_answer_was_lost_is_not_written_again(scene: Scene) -> None:
    scene.caller.fare([Fate.DONE, Fate.DONE, Fate.LOST])

    assert scene.append()

    assert scene.logged() == {1: [CHANGE]}


def test_a_number_of_which_the_answer_was_lost_stays_a_hole(scene: Scene) -> None:
    scene.caller.fare([Fate.DONE, Fate.LOST])

    assert scene.append()

    assert scene.logged() == {2: [CHANGE]}


def test_who_comes_too_late_for_a_number_takes_another_one(scene: Scene) -> None:
    BanLogItems(Caller(scene.aws).client, TABLE, scene.clock).put(EPOCH, 1, Entry())

    assert scene.append()

    assert scene.logged() == {1: [], 2: [CHANGE]}


def test_a_number_that_was_asked_for_long_ago_is_not_used(scene: Scene) -> None:
    calls: list[float] = []

    def sleep_before_the_second_look() -> None:
        calls.append(scene.clock.monotonic_s())
        if len(calls) == 2:
            scene.clock.advance(NUMBER_S + 1)

    scene.caller.before = sleep_before_the_second_look

    assert scene.append(read_s=NUMBER_S)  # what is to be said is younger than the number

    assert list(scene.logged()) == [2]


def test_what_was_read_long_ago_is_not_said(scene: Scene) -> None:
    scene.clock.advance(READ_S + 1)

    assert not scene.append(read_s=0.5)

    assert scene.logged() == {}


def test_tries_end_and_the_error_is_told(scene: Scene) -> None:
    scene.caller.fare([Fate.THROTTLED] * (len(PAUSES_S) + 1))

    with pytest.raises(Throttled):
        scene.append()

    assert scene.clock.monotonic_s() == pytest.approx(sum(PAUSES_S))
    assert scene.append()


def test_a_log_that_was_begun_anew_is_written_on(scene: Scene) -> None:
    scene.append()
    key = {"pk": {"S": "log"}, "sk": {"S": "seq"}}
    scene.aws.table.put("log", "seq", key | {"n": {"N": "7"}, "epoch": {"S": "e2"}}, None)

    assert scene.append()

    assert list(scene.items.read("e2", [8])) == [8]


def test_a_log_without_a_counter_is_one_clear_error() -> None:
    aws, clock = CannedTable(), FakeClock()
    writer = BanLogWriter(BanLogItems(Caller(aws).client, TABLE, clock), clock)

    with pytest.raises(Missing, match=r"table f2b: the counter of the ban log .* f2b provision"):
        writer.append([CHANGE], read_s=0.0)


def test_numbers_that_are_all_taken_are_an_end(scene: Scene) -> None:
    other = BanLogItems(Caller(scene.aws).client, TABLE, scene.clock)
    for place in range(1, 30):
        other.put(EPOCH, place, Entry("another"))

    with pytest.raises(Unavailable, match="numbers in a row"):
        scene.append()
