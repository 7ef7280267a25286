"""Whose verdict waits for whose trouble: nobody's, but in an outage of all."""

from __future__ import annotations

import json

import pytest
import structlog
from prometheus_client import REGISTRY

from f2b_worker.errors import AccessDenied, F2bError, Rejected, Unavailable
from f2b_worker.intake.budget import BULKY, BULKY_AT_ONCE, BULKY_WAITING_MAX, Budget
from f2b_worker.intake.held_up import HELD_UP_TRIES
from f2b_worker.intake.loop import PROBED_MAX
from tests.unit.intake.scene import BAD_IP, GOOD_IP, NOW_S, OTHER_IP, Scene, body, counted, who

UNLISTED = Rejected("nobody listed this")
AWAY = Unavailable("no answer")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def step(scene: Scene, *bodies: str) -> list[str]:
    """Receive and judge once."""
    ids = [scene.inbox.put(each) for each in bodies]
    scene.worker.turn(scene.worker.gather(), scene.stop)
    scene.stop.clear()
    return ids


def shown(name: str) -> float:
    return REGISTRY.get_sample_value(f"f2b_{name}") or 0.0


class TestHeldUp:
    @pytest.mark.parametrize("error", [UNLISTED, AWAY, AccessDenied("not for this key")])
    def test_an_offender_whose_trouble_never_ends_holds_up_nobody_who_comes_later(
        self, scene: Scene, error: F2bError
    ) -> None:
        scene.ledger.refused = {who(BAD_IP): error}
        held, _ = step(scene, body(BAD_IP), body(GOOD_IP))
        for number in range(20):
            scene.clock.advance(1)
            step(scene, body(f"198.51.100.{number}"))
        assert {who(f"198.51.100.{number}") for number in range(20)} <= scene.ledger.banned().keys()
        assert scene.inbox.left == {held}
        assert shown("offenders_held_up") == 1

    def test_alone_in_the_queue_it_passes_for_an_outage_only_until_somebody_comes(self, scene: Scene) -> None:
        scene.ledger.refused = {who(BAD_IP): UNLISTED}
        arrivals = iter([None, None, body(GOOD_IP)])
        scene.clock.on_wait = lambda: _put(scene, next(arrivals, None))
        (held,) = step(scene, body(BAD_IP))
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.left == {held}
        assert scene.worker.problem is None

    def test_its_messages_keep_nobody_out_however_many_they_are(self, scene: Scene) -> None:
        scene.ledger.refused = {who(BAD_IP): UNLISTED}
        arrivals = iter([None, None, body(GOOD_IP)])
        scene.stop_after(20)
        look = scene.clock.on_wait

        def put_and_look() -> None:
            _put(scene, next(arrivals, None))
            look()

        scene.clock.on_wait = put_and_look
        step(scene, *(body(BAD_IP, 1, note=str(number)) for number in range(PROBED_MAX + 50)))
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}

    @pytest.mark.parametrize("others", [True, False])
    def test_its_messages_make_room_when_there_is_none_and_stay_in_the_queue(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch, others: bool
    ) -> None:
        monkeypatch.setattr("f2b_worker.intake.loop.IN_HAND_MAX", 50)
        scene.ledger.refused = {who(BAD_IP): UNLISTED}
        before = counted("postponed", reason="held_up")
        if others:
            scene.inbox.put(body(OTHER_IP))
        for number in range(80):
            scene.inbox.put(body(BAD_IP, 1, note=str(number)))
        scene.inbox.put(body(GOOD_IP))

        def stop_at_the_end() -> None:
            if who(GOOD_IP) in scene.ledger.banned():
                scene.stop.set()

        scene.intake(on_ban=stop_at_the_end, flush_messages=20).run(scene.stop)
        assert who(GOOD_IP) in scene.ledger.banned()
        assert counted("postponed", reason="held_up") > before
        assert len(scene.inbox.left) == 80

    def test_it_is_judged_when_its_trouble_ends(self, scene: Scene) -> None:
        scene.ledger.refused = {who(BAD_IP): UNLISTED}
        step(scene, body(BAD_IP), body(GOOD_IP))
        scene.ledger.refused = {}
        step(scene)
        assert who(BAD_IP) in scene.ledger.banned()
        assert (scene.inbox.left, shown("offenders_held_up")) == (set(), 0)

    @pytest.mark.parametrize(("error", "is_told"), [(AWAY, True), (UNLISTED, False)])
    def test_a_ledger_that_fails_some_for_long_is_a_problem_and_an_offender_of_its_own_is_none(
        self, scene: Scene, error: F2bError, is_told: bool
    ) -> None:
        scene.ledger.refused = {who(BAD_IP): error}
        step(scene, body(BAD_IP), body(GOOD_IP))
        for _ in range(HELD_UP_TRIES - 1):
            assert scene.worker.problem is None
            scene.clock.advance(6)
            step(scene, body(OTHER_IP, id=str(scene.clock.now_ms())))
        assert (scene.worker.problem is not None) == is_told

    def test_what_is_known_without_the_ledger_does_not_hide_its_outage(self, scene: Scene) -> None:
        scene.worker = scene.intake(extend_resolution_s=5.0)
        step(scene, body(GOOD_IP))
        scene.ledger.outage = [AWAY] * 5
        told: list[str | None] = []
        scene.clock.on_wait = lambda: told.append(scene.worker.problem)
        step(scene, body(OTHER_IP), json.dumps({"ip": GOOD_IP, "at": NOW_S - 0.5, "id": "during the ban"}))
        assert told
        assert set(told) == {"no answer"}

    def test_an_outage_brings_few_messages_into_hand(self, scene: Scene) -> None:
        scene.ledger.outage = [AWAY] * 10_000
        for number in range(500):
            scene.inbox.put(body(f"198.51.{number // 250}.{number % 250}", 1))
        scene.stop_after(100)
        scene.worker.turn(scene.worker.gather(), scene.stop)
        assert len(scene.inbox.in_flight) <= PROBED_MAX + 100


class TestDeadLetters:
    @pytest.mark.parametrize("call", ["bury", "delete"])
    def test_a_queue_that_cannot_be_written_stops_nobody(self, scene: Scene, call: str) -> None:
        scene.inbox.fail(call, *[AWAY] * 500)
        step(scene, "garbage")
        for number in range(10):
            scene.clock.advance(1)
            step(scene, "garbage", body(f"198.51.100.{number}"))
        assert {who(f"198.51.100.{number}") for number in range(10)} <= scene.ledger.banned().keys()
        assert scene.worker.problem == "no answer"
        scene.inbox.fail(call)
        scene.clock.advance(10)
        scene.work()
        assert (len(scene.inbox.dead), scene.inbox.left) == (11, set())
        assert not scene.worker.problem

    def test_what_finds_no_room_to_wait_stays_in_the_queue_and_is_counted(self, scene: Scene) -> None:
        scene.inbox.fail("bury", *[AWAY] * 500)
        before = counted("postponed", reason="no_room_to_bury")
        refused_before = counted("refused", reason="not_json")
        for _ in range(8):
            step(scene, "x" * 10_000_000)
        assert counted("postponed", reason="no_room_to_bury") == before + 2
        scene.inbox.fail("bury")
        scene.clock.advance(10)
        step(scene)
        assert len(scene.inbox.dead) == 6
        assert counted("refused", reason="not_json") == refused_before + 6
        assert len(scene.inbox.left) == 2


class TestBudget:
    def bulky(self, offenders: int, start: int = 0) -> str:
        addresses = [f"2001:db8:{start:x}:{number:x}::1" for number in range(offenders)]
        return json.dumps([{"ip": ip, "id": ip} for ip in addresses])

    def test_a_bulky_message_waits_behind_all_others_and_a_slice_of_it_is_judged_in_each_turn(
        self, scene: Scene
    ) -> None:
        (bulky,) = step(scene, self.bulky(3 * BULKY_AT_ONCE))
        assert len(scene.ledger.written) == BULKY_AT_ONCE
        step(scene, body(GOOD_IP))
        assert who(GOOD_IP) in scene.ledger.banned()
        assert scene.inbox.left == {bulky}
        step(scene)
        assert scene.inbox.left == set()

    def test_short_messages_are_judged_at_once_however_many_they_are(self, scene: Scene) -> None:
        step(scene, *(self.bulky(BULKY, start) for start in range(5)))
        assert scene.inbox.left == set()

    def test_no_more_offenders_are_written_than_the_budget_allows(self, scene: Scene) -> None:
        scene.worker = scene.intake(offenders_per_s=100.0)
        step(scene, *(self.bulky(150, start) for start in range(4)))
        saved = len(scene.ledger.written)
        assert saved == 200
        scene.clock.advance(1)
        step(scene)
        assert saved + 100 <= len(scene.ledger.written) <= saved + 110
        for _ in range(5):
            scene.clock.advance(1)
            step(scene)
        assert scene.inbox.left == set()

    def test_over_the_budget_rings_once_in_ten_minutes_and_is_shown(self, scene: Scene) -> None:
        with structlog.testing.capture_logs() as lines:
            step(scene, self.bulky(3 * BULKY_AT_ONCE))
            step(scene)
        (line,) = [line for line in lines if line["event"] == "offenders_over_budget"]
        assert line["waiting"] == 2 * BULKY_AT_ONCE
        assert shown("offenders_over_budget") == BULKY_AT_ONCE

    def test_bulky_messages_beyond_a_bound_stay_in_the_queue_and_are_counted(self, scene: Scene) -> None:
        before = counted("postponed", reason="bulky")
        left_over = 9 * BULKY_AT_ONCE
        for start in range(BULKY_WAITING_MAX // left_over + 2):
            step(scene, self.bulky(left_over + BULKY_AT_ONCE, start))
        assert counted("postponed", reason="bulky") == before + 1

    def test_an_offender_whom_a_short_message_names_too_waits_for_no_bulky_one(self, scene: Scene) -> None:
        ips = [f"2001:db8:0:{number:x}::1" for number in range(3 * BULKY_AT_ONCE)]
        step(scene, self.bulky(3 * BULKY_AT_ONCE))
        step(scene, json.dumps([{"ip": ips[-1], "id": str(number)} for number in range(4)]))
        assert any(each.key == "2001:db8:0:bb7::/64" for each in scene.ledger.banned())

    def test_what_was_not_spent_is_saved_for_a_moment_only(self) -> None:
        budget = Budget(100.0, 0.0)
        budget.spend(200)
        assert budget.left(0.05) == 0
        assert budget.left(0.5) == 50
        assert budget.left(1000.0) == 200

    def test_less_than_one_offender_every_two_seconds_is_a_budget_too(self) -> None:
        budget = Budget(0.2, 0.0)
        budget.spend(1)
        assert budget.left(4.0) == 0
        assert budget.left(6.0) == 1


def _put(scene: Scene, text: str | None) -> None:
    if text:
        scene.inbox.put(text)
