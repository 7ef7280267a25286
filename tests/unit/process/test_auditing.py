"""What operators do is counted once, by action, and what workers lift of themselves is not."""

from __future__ import annotations

from itertools import count

import pytest
from prometheus_client import REGISTRY

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.errors import Unavailable
from f2b_worker.ports import Changes
from f2b_worker.process.auditing import EVERY_S, LOOKED_BACK_MS, Auditing
from f2b_worker.testing import FakeClock, MemoryActs, MemoryLedger


class Acts(MemoryActs):
    """An audit that fails while it is told to, and counts how often it is read."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(MemoryLedger(clock))
        self.reads = 0
        self.fails = False

    def audit(self, since_ms: int, until_ms: int | None = None) -> list[Act]:
        self.reads += 1
        if self.fails:
            raise Unavailable("DynamoDB is away")
        return super().audit(since_ms, until_ms)


class Heeding:
    """Who lifts bans, and did so often."""

    def __init__(self) -> None:
        self.heeded = 0

    def heed(self, changes: Changes) -> None:
        assert changes == Changes(())
        self.heeded += 1

    def look_at_all(self) -> None:
        """Look at all bans the next time."""


class Scene:
    """One scribe that works every two seconds."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.acts = Acts(self.clock)
        self.heeding = Heeding()
        self._ids = count(1)
        self.before = self.counted()
        self.auditing = Auditing(self.heeding, self.acts, self.clock)

    def act(self, verb: Verb, by: str = "arn:aws:sts::1:assumed-role/ops/jane", ago_ms: int = 0) -> None:
        self.acts.note(Act(f"act-{next(self._ids)}", self.clock.now_ms() - ago_ms, by, verb))

    def work(self, seconds: float = EVERY_S) -> dict[str, float]:
        for _ in range(int(seconds / 2)):
            self.auditing.heed(Changes(()))
            self.clock.advance(2)
        now = self.counted()
        return {verb: number - self.before[verb] for verb, number in now.items() if number != self.before[verb]}

    @staticmethod
    def counted() -> dict[str, float]:
        name = "f2b_operator_actions_total"
        return {str(verb): REGISTRY.get_sample_value(name, {"action": verb}) or 0.0 for verb in Verb}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_each_act_is_counted_once_by_what_it_was(scene: Scene) -> None:
    scene.act(Verb.BAN)
    assert scene.work() == {}  # it was there before: whoever was the scribe then counted it
    for verb in Verb:
        scene.act(verb)
    scene.act(Verb.BAN)
    assert scene.work(600) == {**dict.fromkeys(map(str, Verb), 1), "ban": 2}
    assert scene.heeding.heeded == 315
    assert scene.acts.reads == 21


def test_who_has_a_clock_that_is_behind_or_ahead_is_counted_once_too(scene: Scene) -> None:
    scene.work()
    scene.act(Verb.PAUSE, ago_ms=LOOKED_BACK_MS - 31_000)
    scene.act(Verb.RESUME, ago_ms=-DAY_MS // 2)
    assert scene.work(1200) == {"pause": 1, "resume": 1}


@pytest.mark.parametrize("by", ["f2b-worker", "f2b-worker host/1/c0ffee"])
def test_a_worker_that_lifts_bans_is_no_operator(scene: Scene, by: str) -> None:
    scene.work()
    scene.act(Verb.UNBAN, by)
    scene.act(Verb.UNBAN, "f2b-worker@host")  # somebody whose account has that name
    assert scene.work() == {"unban": 1}


def test_an_audit_that_cannot_be_read_holds_up_nothing_and_is_counted_later(scene: Scene) -> None:
    scene.work()
    scene.act(Verb.ALLOW)
    scene.acts.fails = True
    assert scene.work(60) == {}
    assert scene.heeding.heeded == 45
    scene.acts.fails = False
    assert scene.work(60) == {"allow": 1}
