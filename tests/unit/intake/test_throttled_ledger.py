"""A ledger that throttles is given less: hits give way to what must not wait."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from f2b_worker.errors import Throttled
from f2b_worker.intake.budget import RECOVERS_IN_S, SHARE_S, SLOWED_PER_S, Budget
from tests.unit.intake.scene import NOW_S, Scene, who

CROWD = [f"198.51.100.{number}" for number in range(200)]


def infraction(ip: str) -> str:
    return json.dumps({"ip": ip, "at": NOW_S, "id": ip})


class TestTheBudget:
    def test_half_of_what_the_ledger_took_is_tried_and_nothing_of_what_was_saved(self) -> None:
        budget = Budget(10_000.0, 0.0)
        budget.slow_down(written=300, took_s=0.5)
        assert budget.is_slowed
        assert budget.left(0.0) == 0
        assert 300 <= budget.left(1.0) <= 300 + 10_000 / RECOVERS_IN_S

    def test_it_is_slowed_again_as_long_as_the_ledger_throttles_but_never_stands_still(self) -> None:
        budget = Budget(10_000.0, 0.0)
        for _ in range(50):
            budget.slow_down(written=100, took_s=0.1)
        assert budget.left(SHARE_S) >= SLOWED_PER_S * SHARE_S

    def test_all_of_it_is_tried_again_after_a_minute_at_most(self) -> None:
        budget = Budget(600.0, 0.0)
        budget.slow_down(written=100, took_s=1.0)
        left = [budget.left(second) for second in range(1, round(RECOVERS_IN_S) + 2)]
        assert left == sorted(left)
        assert not budget.is_slowed

    def test_a_budget_that_is_smaller_than_what_is_always_tried_stays_as_it_is(self) -> None:
        budget = Budget(5.0, 0.0)
        budget.slow_down(written=5, took_s=1.0)
        assert not budget.is_slowed


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.worker = scene.intake(offenders_per_s=1_000.0, flush_messages=len(CROWD))
    return scene


def turn(scene: Scene) -> int:
    """Receive and judge once; answer how many offenders were tried."""
    scene.ledger.written.clear()
    scene.worker.turn(scene.worker.gather(), scene.stop)
    scene.stop.clear()
    return len(scene.ledger.written)


def test_who_is_not_throttled_is_judged_and_fewer_are_tried_in_the_next_turns(scene: Scene) -> None:
    scene.ledger.refused = {who(ip): Throttled("slow down") for ip in CROWD[:10]}
    for ip in CROWD:
        scene.inbox.put(infraction(ip))
    assert turn(scene) == len(CROWD)
    assert len(scene.inbox.left) == 10
    scene.ledger.refused = {}
    others = [f"203.0.113.{number}" for number in range(200)]
    for ip in others:
        scene.inbox.put(infraction(ip))
    with capture_logs() as lines:
        assert turn(scene) == 0
    (line,) = [each for each in lines if each["event"] == "offenders_over_budget"]
    assert "DynamoDB throttles" in line["remedy"]
    scene.clock.advance(SHARE_S)
    assert 0 < turn(scene) < len(others)
    for _ in range(20):
        scene.clock.advance(0.2)
        turn(scene)
    assert scene.inbox.left == set()


def test_one_offender_who_is_throttled_alone_slows_nobody(scene: Scene) -> None:
    scene.ledger.refused = {who(CROWD[0]): Throttled("slow down")}
    for _ in range(5):
        for ip in CROWD:
            scene.inbox.put(infraction(ip))
        assert turn(scene) >= len(CROWD) - 1
        scene.clock.advance(SHARE_S)
    assert len(scene.inbox.left) == 5
