"""A stranger whose infractions in hand are a ban is banned in one write; whoever else is recorded first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from f2b_worker.domain.jails import Jail, Policy, Window
from f2b_worker.domain.judge.verdicts import Hit
from f2b_worker.errors import Unavailable
from tests.unit.intake.scene import BAD_IP, GOOD_IP, NOW_S, Ledger, Scene, body, items, who

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import Answers

WHO = who(GOOD_IP)
EARLY = {WHO: [Hit((NOW_S - 9) * 1000, "a"), Hit((NOW_S - 8) * 1000, "b")]}
SHORT = Policy(Jail(windows=(Window(3, 60_000),), bantime_ms=5_000))


class CountingLedger(Ledger):
    """Counts whose hits are recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[OffenderId] = []

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        self.recorded += hits
        return super().record(hits)


class Sight(Scene):
    """A worker that counts what it records."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: CountingLedger = CountingLedger()
        self.worker = self.intake()


@pytest.fixture
def scene() -> Sight:
    return Sight()


def banned_lines(lines: Sequence[Mapping[str, Any]]) -> int:
    return sum(line["event"] == "banned" for line in lines)


def at(*seconds: float) -> str:
    return json.dumps([{"ip": GOOD_IP, "at": NOW_S + each, "id": f"{each}"} for each in seconds])


def test_enough_for_a_ban_is_not_recorded_first(scene: Sight) -> None:
    scene.work(body(GOOD_IP))
    assert scene.ledger.recorded == []
    ban = scene.ledger.history(WHO)[0]
    assert [hit.at_ms // 1000 for hit in ban.evidence] == [each["at"] for each in items(GOOD_IP)]
    assert scene.ledger.banned()[WHO].start_ms == ban.start_ms == ban.evidence[-1].at_ms


def test_messages_of_one_turn_count_together(scene: Sight) -> None:
    scene.work(*(json.dumps(each) for each in items(GOOD_IP)))
    assert scene.ledger.recorded == []
    assert set(scene.ledger.banned()) == {WHO}


def test_what_weighs_enough_is_enough(scene: Sight) -> None:
    scene.work(body(GOOD_IP, count=1, weight=5))
    assert scene.ledger.recorded == []
    assert set(scene.ledger.banned()) == {WHO}


def test_too_few_for_a_ban_are_recorded(scene: Sight) -> None:
    scene.work(body(GOOD_IP, count=4))
    assert scene.ledger.recorded == [WHO]
    assert scene.ledger.banned() == {}


def test_what_the_same_infractions_bring_on_after_the_ban_is_part_of_it(scene: Sight) -> None:
    scene.worker.use(SHORT)
    scene.work(at(-20, -19, -18, -16))
    assert scene.ledger.recorded == []
    assert scene.ledger.banned()[WHO].until_ms == (NOW_S - 11) * 1000


def test_infractions_that_no_ban_uses_are_remembered(scene: Sight) -> None:
    scene.worker.use(SHORT)
    scene.work(at(-30, -29, -28, -10))
    assert scene.ledger.hits(WHO) == {Hit((NOW_S - 10) * 1000, "-10")}
    scene.work(at(-9, -8))
    assert [ban.start_ms // 1000 for ban in scene.ledger.history(WHO)] == [NOW_S - 28, NOW_S - 8]


def test_two_bans_of_one_turn_are_both_remembered(scene: Sight) -> None:
    scene.worker.use(SHORT)
    scene.work(at(-30, -29, -28, -10, -9, -8))
    assert [ban.start_ms // 1000 for ban in scene.ledger.history(WHO)] == [NOW_S - 28, NOW_S - 8]


def test_what_others_recorded_before_counts(scene: Sight) -> None:
    Ledger.record(scene.ledger, EARLY)
    scene.work(body(GOOD_IP))
    assert scene.ledger.history(WHO)[0].start_ms == (NOW_S - 3) * 1000


def test_what_others_record_at_the_last_moment_counts(scene: Sight) -> None:
    scene.ledger.before_commit.append(lambda: Ledger.record(scene.ledger, EARLY))
    scene.work(body(GOOD_IP))
    assert scene.ledger.recorded == [WHO]
    assert scene.ledger.history(WHO)[0].start_ms == (NOW_S - 3) * 1000


def test_who_is_banned_at_sight_is_known_from_then_on(scene: Sight) -> None:
    scene.work(body(GOOD_IP))
    scene.work(at(1))
    assert scene.ledger.recorded == []
    assert scene.ledger.banned()[WHO].until_ms > (NOW_S + 600) * 1000


def test_a_message_that_comes_again_to_another_worker_changes_nothing_and_is_announced_once(scene: Sight) -> None:
    with capture_logs() as lines:
        scene.work(body(GOOD_IP))
        before = scene.ledger.banned(), scene.ledger.history(WHO)
        scene.worker = scene.intake()
        scene.work(body(GOOD_IP))
    assert (scene.ledger.banned(), scene.ledger.history(WHO)) == before
    assert banned_lines(lines) == 1


def test_one_that_the_ledger_fails_does_not_keep_the_others_waiting(scene: Sight) -> None:
    scene.ledger.refused[who(BAD_IP)] = Unavailable("away")
    scene.stop_after(1)
    scene.work(body(BAD_IP), body(GOOD_IP))
    assert set(scene.ledger.banned()) == {WHO}
