"""A scribe with much to do keeps what it has done, comes to an end, and says what it gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from f2b_worker.adapters.dynamodb.ban_log import parts
from f2b_worker.adapters.dynamodb.ban_log import reader as reading
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.scribe import EVERY_S, PUBLISHED_WITHIN_S, Scribe
from f2b_worker.errors import Throttled
from tests.canned_dynamodb import TABLE, Caller, Fate
from tests.unit.adapters.ban_log.test_reader_and_scribe import Scene

if TYPE_CHECKING:
    from f2b_worker.adapters.dynamodb.ban_log.snapshot import Snapshot

ITEMS = 10
TICKS_MAX = 100


class Slow(Scene):
    """A scribe whose parts have one change an item.

    Attributes:
        written: Which items of parts were written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.theirs = Caller(self.aws)
        items = BanLogItems(self.theirs.client, TABLE, self.clock)
        self.scribe = Scribe(items, self.reader_of(self.theirs, lag_max=None), self.clock)
        self.written: list[str] = []
        self.aws.watch = self._watch
        self.scribe.tick()
        self.log(*(self.change(last) for last in range(ITEMS)))
        self.scribe.tick()

    def _watch(self, operation: str, request: dict[str, Any]) -> None:
        item = request.get("Item", {})
        if operation == "PutItem" and item["pk"]["S"].startswith("part#"):
            self.written.append(item["pk"]["S"])

    def tick_on(self) -> Snapshot:
        """Let the scribe go on for as long as it has something to do."""
        for _ in range(TICKS_MAX):
            self.scribe.tick()
            if not self.scribe.is_behind:
                break
        else:
            pytest.fail("the scribe never comes to an end")
        snapshot = self.items.snapshot()
        assert snapshot
        return snapshot


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(parts, "CHANGES_MAX", 1)
    return Slow()


def test_a_part_that_takes_minutes_is_written_once_and_published(scene: Slow) -> None:
    scene.clock.advance(EVERY_S)
    scene.theirs.fare((), lambda: scene.clock.advance(20))

    snapshot = scene.tick_on()

    assert snapshot.upto == 1
    assert scene.written == snapshot.base.names
    assert len(scene.written) == ITEMS


def test_a_throttled_item_costs_a_pause_and_none_of_those_that_were_written(scene: Slow) -> None:
    scene.clock.advance(EVERY_S)
    scene.theirs.fare([Fate.DONE, *[Fate.DONE] * 3, Fate.THROTTLED])

    with pytest.raises(Throttled):
        scene.scribe.tick()
    snapshot = scene.tick_on()

    assert snapshot.upto == 1
    assert scene.written == snapshot.base.names


def test_what_is_logged_while_a_part_is_written_is_in_the_next_one(scene: Slow) -> None:
    scene.clock.advance(EVERY_S)
    late = [scene.change(100 + number) for number in range(2)]
    planned = list(late)

    def meanwhile() -> None:
        scene.clock.advance(20)
        if planned:
            scene.log(planned.pop(0))

    scene.theirs.fare((), meanwhile)

    first = scene.tick_on()
    scene.theirs.fare()
    second = scene.publish()

    assert (first.upto, second.upto) == (2, 3)
    known = scene.known(scene.reader.start())
    assert len(known) == ITEMS + 2
    assert [known[each.who] for each in late] == late


def test_a_part_that_takes_too_long_is_given_up_with_a_line_in_the_log_and_made_anew(scene: Slow) -> None:
    scene.clock.advance(EVERY_S)
    scene.theirs.fare((), lambda: scene.clock.advance(PUBLISHED_WITHIN_S / 4))
    with capture_logs() as logs:
        while not logs:
            scene.scribe.tick()
        scene.theirs.fare()
        snapshot = scene.tick_on()

    assert [(each["event"], each["log_level"]) for each in logs[:1]] == [("snapshot_took_too_long", "warning")]
    assert snapshot.upto == 1
    assert len(scene.known(scene.reader.start())) == ITEMS


def test_a_scribe_that_is_far_behind_says_so_until_it_has_caught_up(
    scene: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "NUMBERS_MAX", 2)
    for last in range(100, 107):
        scene.log(scene.change(last))

    behind = []
    for _ in range(4):
        scene.scribe.tick()
        behind.append(scene.scribe.is_behind)

    assert behind == [True, True, True, False]
