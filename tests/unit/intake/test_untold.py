"""What comes after a ban was stored: it is told, it is fed to other jails, and it is known here."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.domain.jails import DAY_MS, Jail, Policy, Window
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import F2bError, Throttled, Unavailable
from f2b_worker.testing import MemoryLedger
from tests.unit.intake.scene import BAD_IP, GOOD_IP, NOW_MS, OTHER_IP, POLICY, Ledger, Scene, body, who

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.ports import Answers


class UntoldLedger(Ledger):
    """A ledger that cannot let everybody know of some bans, or read some histories; it counts what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.untold: set[OffenderId] = set()
        self.unread: set[OffenderId] = set()
        self.recorded: list[OffenderId] = []
        self.recording_fails: F2bError | None = None
        self.told: list[OffenderId] = []

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        self.recorded += hits
        if self.recording_fails:
            return dict.fromkeys(hits, self.recording_fails)
        return super().record(hits)

    def publish(self, offenders: Mapping[OffenderId, Offender]) -> Mapping[OffenderId, F2bError]:
        self.told += offenders
        return {who: Unavailable("the log is away") for who in offenders if who in self.untold}

    def history(self, who: OffenderId) -> list[Ban]:
        if who in self.unread:
            raise Throttled("slow down")
        return super().history(who)


class TestUntold:
    """What comes after a ban was stored fails for one offender."""

    @pytest.fixture
    def ledger(self) -> UntoldLedger:
        return UntoldLedger()

    @pytest.fixture
    def scene(self, ledger: UntoldLedger) -> Scene:
        scene = Scene()
        scene.ledger = ledger
        scene.worker = scene.intake()
        return scene

    def turn(self, scene: Scene, *bodies: str) -> None:
        for each in bodies:
            scene.inbox.put(each)
        scene.worker.turn(scene.worker.gather(), scene.stop)
        scene.stop.clear()

    def test_a_ban_that_cannot_be_told_of_keeps_nobody_else_waiting_and_is_not_written_again_at_once(
        self, scene: Scene, ledger: UntoldLedger
    ) -> None:
        ledger.untold = {who(BAD_IP)}
        self.turn(scene, body(BAD_IP), body(GOOD_IP, count=2))
        assert len(scene.inbox.left) == 1
        ledger.recorded.clear()
        for number in range(3):
            self.turn(scene, body(f"198.51.100.{number}", count=1))
        assert len(scene.inbox.left) == 1
        assert who(BAD_IP) not in ledger.recorded
        ledger.untold = set()
        scene.clock.advance(60)
        self.turn(scene)
        assert scene.inbox.left == set()

    def test_a_history_that_cannot_be_read_keeps_nobody_else_waiting(
        self, scene: Scene, ledger: UntoldLedger
    ) -> None:
        jails = {"recidive": Jail("recidive", windows=(Window(5, DAY_MS),), recidive=True)}
        scene.worker.use(Policy(jails=jails))
        ledger.unread = {who(BAD_IP)}
        self.turn(scene, body(BAD_IP), body(GOOD_IP))
        assert len(scene.inbox.left) == 1
        ledger.unread = set()
        scene.clock.advance(60)
        self.turn(scene)
        assert scene.inbox.left == set()


def test_news_that_come_in_an_outage_are_not_hoarded() -> None:
    scene = Scene()
    scene.ledger.outage = [Unavailable("away")] * 5
    news = {who(OTHER_IP): Offender(ban=Ban(NOW_MS, NOW_MS + 600_000, 1, 600_000), revision=1)}
    heard: list[weakref.ref[Any]] = []
    hoarded: list[int] = []

    class News(dict[Any, Any]):
        pass

    def tell() -> None:
        hoarded.append(sum(each() is not None for each in heard))
        each = News(news)
        heard.append(weakref.ref(each))
        scene.worker.hear(each, scene.clock.monotonic_s())

    scene.clock.on_wait = tell
    scene.work(body(GOOD_IP))
    assert len(hoarded) >= 5
    assert max(hoarded) <= 1


def test_a_ban_of_a_colleague_that_nobody_told_of_is_not_known_before_it_is_told() -> None:
    scene = Scene()
    scene.ledger = ledger = UntoldLedger()
    scene.worker = scene.intake(extend_resolution_s=1.0)
    scene.worker.use(Policy(replace(POLICY.defaults, bantime_ms=DAY_MS)))
    scene.work(body(GOOD_IP))
    banned = who(GOOD_IP)
    start_ms = NOW_MS + 100_000
    anew = Ban(start_ms, start_ms + 165_000, 2, 110_000, extended=5)
    MemoryLedger.commit(ledger, {banned: Decision(ledger.offender(banned), anew)})
    ledger.recording_fails = Unavailable("away")
    extension = {"ip": GOOD_IP, "at": (NOW_MS + 110_000) / 1000, "id": "a"}
    scene.stop_after(3)
    scene.work(json.dumps(extension))  # finds the other ban, fails, and is left in the queue
    assert len(scene.inbox.left) == 1

    ledger.recording_fails, ledger.told = None, []
    scene.work(json.dumps(extension | {"at": (NOW_MS + 120_000) / 1000, "id": "b"}))
    assert banned in ledger.told
