"""A ban that was stored inside the allowlist is lifted, so that it does not come back when the entry ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from f2b_worker.adapters.remedies import unreadable_item
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.errors import Unavailable
from f2b_worker.process import pardoning
from f2b_worker.process.ban_tally import BanTally
from f2b_worker.process.pardoning import EVERY_S, REASON, Pardoning, pardon
from f2b_worker.process.scribe import Working, run_scribe
from f2b_worker.testing import FakeClock, MemoryActs, MemoryLease, MemoryLedger, MemoryTally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.errors import F2bError
    from f2b_worker.ports import Changes

INSIDE, OUTSIDE = OffenderId("login", "192.0.2.7/32"), OffenderId("login", "198.51.100.7/32")
LENGTH_MS = 600_000


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger()
        self.acts = MemoryActs(self.ledger)
        self.follower = self.ledger.follow()
        self.pardoning = Pardoning(self.ledger.standing, self.acts, self.acts, self.clock, "f2b-worker here")
        self._acts = 0

    def allow(self, *, seconds: float | None = None) -> None:
        self._acts += 1
        now_ms = self.clock.now_ms()
        until_ms = None if seconds is None else now_ms + round(seconds * 1000)
        act = Act(f"allow{self._acts}", now_ms, "ann", Verb.ALLOW)
        self.acts.allow(act, [AllowEntry("192.0.2.0/24", until_ms, "", "ann", now_ms)])

    def ban(self, who: OffenderId = INSIDE) -> None:
        self.clock.advance(0.1)
        now_ms = self.clock.now_ms()
        seen = self.ledger.offender(who)
        self.ledger.commit({who: Decision(seen, Ban(now_ms, now_ms + LENGTH_MS, 1, LENGTH_MS))})
        self.clock.advance(0.1)

    def heed(self) -> None:
        self.pardoning.heed(self.follower.poll())

    def runs(self, who: OffenderId = INSIDE) -> bool:
        ban = self.ledger.offender(who).ban
        return bool(ban and ban.until_ms >= self.clock.now_ms())


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_ban_that_is_stored_after_the_entry_is_lifted_and_all_others_stay(scene: Scene) -> None:
    scene.allow()
    scene.heed()
    scene.ban()
    scene.ban(OUTSIDE)
    scene.heed()
    assert not scene.runs()
    assert scene.runs(OUTSIDE)
    lift, _ = scene.acts.audit(0)
    assert (lift.by, lift.verb, lift.what, lift.reason) == (
        "f2b-worker here",
        Verb.UNBAN,
        (INSIDE.key,),
        REASON,
    )


def test_a_ban_that_was_there_before_the_entry_is_lifted_too(scene: Scene) -> None:
    scene.ban()
    scene.heed()
    scene.allow()
    scene.heed()
    assert not scene.runs()


def test_who_begins_looks_at_all_bans(scene: Scene) -> None:
    scene.allow()
    scene.ban()
    scene.heed()
    assert not scene.runs()


def test_after_the_end_of_an_entry_bans_are_bans(scene: Scene) -> None:
    scene.allow(seconds=5)
    scene.heed()
    scene.clock.advance(6)
    scene.ban()
    scene.heed()
    assert scene.runs()
    assert len(scene.acts.audit(0)) == 1


def test_what_could_not_be_lifted_is_lifted_later(scene: Scene) -> None:
    scene.allow()
    scene.heed()
    scene.ban()
    scene.acts.failure = Unavailable("away")
    with pytest.raises(Unavailable):
        scene.heed()
    scene.acts.failure = None
    scene.heed()
    assert not scene.runs()


class Clock(FakeClock):
    """Does something at each pause, and stops after the last."""

    def __init__(self, *deeds: object) -> None:
        super().__init__()
        self.deeds = list(deeds)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        assert timeout_s == EVERY_S
        if not self.deeds:
            event.set()
        else:
            deed = self.deeds.pop(0)
            if callable(deed):
                deed()
        return super().wait(event, timeout_s)


def test_the_loop_tells_a_failure_once_and_goes_on(scene: Scene) -> None:
    def fail() -> None:
        scene.acts.failure = Unavailable("away")
        scene.ban(OffenderId("admin", INSIDE.key))

    scene.allow()
    clock = Clock(
        scene.ban,
        fail,
        lambda: None,
        lambda: setattr(scene.acts, "failure", None),
    )
    with capture_logs() as lines:
        pardon(scene.ledger, scene.pardoning, clock, threading.Event())
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["not_pardoned"]
    assert not scene.runs()
    assert not scene.runs(OffenderId("admin", INSIDE.key))


class FailingScribe:
    """A scribe that follows a ledger in memory, and loses what it learned when it fails."""

    is_behind = False
    complete_ms = 0.0

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.fails = False

    def tick(self) -> Changes:
        changes = self._scene.follower.poll()
        if self.fails:
            self.fails = False
            raise Unavailable("no snapshot")
        return changes


def test_a_ban_that_a_failing_scribe_learned_of_is_lifted_at_its_next_tick(scene: Scene) -> None:
    scene.allow()
    scribe = FailingScribe(scene)

    def store_and_fail() -> None:
        scene.ban()
        scribe.fails = True

    clock = Clock(lambda: None, store_and_fail, lambda: None)
    run_scribe(
        lambda: Working(scribe, scene.pardoning, BanTally(MemoryTally(), clock, str)),
        MemoryLease(),
        clock,
        threading.Event(),
    )
    assert not scene.runs()


def test_a_lift_of_what_is_over_by_then_is_no_harm(scene: Scene) -> None:
    scene.ban()
    scene.allow()
    scene.acts.lift(Act("lift", scene.clock.now_ms(), "ann", Verb.UNBAN), [INSIDE])
    scene.clock.advance(0.1)
    scene.heed()
    assert scene.ledger.offender(INSIDE) != Offender()
    assert [act.verb for act in scene.acts.audit(0)] == [Verb.UNBAN, Verb.ALLOW]


def test_a_key_that_is_no_address_keeps_nobody_from_being_lifted(scene: Scene) -> None:
    scene.ban(OffenderId("login", "nobody"))
    scene.ban(OffenderId("login", "192.0.2.7.1/32"))
    scene.allow()
    scene.ban()
    scene.heed()
    assert not scene.runs()


class Refusing(MemoryActs):
    """Acts on a ledger in which one item cannot be read."""

    broken = OffenderId("admin", "192.0.2.1/32")

    def lift(
        self, act: Act, whom: Iterable[OffenderId], *, forget: bool = False
    ) -> dict[OffenderId, Ban | F2bError | None]:
        asked = list(whom)
        done = super().lift(act, [who for who in asked if who != self.broken], forget=forget)
        refusal = unreadable_item("offender", "ip#192.0.2.1/32 s#admin", "hits")
        return {who: refusal if who == self.broken else done[who] for who in asked}


def test_one_that_cannot_be_read_holds_up_nobody_else_and_is_told_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pardoning, "AT_ONCE", 2)
    acts = Refusing(scene.ledger)
    scene.acts = acts
    scene.pardoning = Pardoning(scene.ledger.standing, acts, acts, scene.clock, "f2b-worker here")
    whom = [OffenderId("admin", f"192.0.2.{number}/32") for number in range(1, 6)]
    scene.allow()
    for who in whom:
        scene.ban(who)
    with capture_logs() as lines:
        for _ in range(3):
            scene.heed()
    assert [scene.runs(who) for who in whom] == [True, False, False, False, False]
    assert [line["key"] for line in lines if line["event"] == "not_pardoned"] == ["192.0.2.1/32"]
    assert [act.verb for act in acts.audit(0)] == [Verb.UNBAN] * 3 + [Verb.ALLOW]
