"""Judging an event in memory, on a clock that only waiting moves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from f2b_worker.aws_lambda.judge import AT_ONCE, FRESH_S, SCHEMA_EVERY_S, EventJudge
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.judge.verdicts import Offender, OffenderId
from f2b_worker.errors import F2bError, StartError, Throttled, Unavailable
from f2b_worker.ports import Message
from f2b_worker.process.rules import Rules
from f2b_worker.testing import FakeClock, MemoryActs, MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.domain.acts.control import Control
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.ports import Answers, DeadLetter

IP, OTHER_IP = "203.0.113.7", "203.0.113.8"


class Ledger(MemoryLedger):
    """Fails while it is told to, and takes its time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.outage: F2bError | None = None
        self.call_s = 0.0
        self._scene_clock = clock

    def ban_strangers(self, bans: Mapping[OffenderId, Ban]) -> Answers:
        self._scene_clock.advance(self.call_s)
        return dict.fromkeys(bans, self.outage) if self.outage else super().ban_strangers(bans)

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        self._scene_clock.advance(self.call_s)
        return dict.fromkeys(hits, self.outage) if self.outage else super().record(hits)


class Orders(MemoryActs):
    """Cannot be read while it is told so."""

    is_away = False
    read = 0

    def allowlist(self) -> list[AllowEntry]:
        if self.is_away:
            raise Unavailable("no answer")
        self.read += 1
        return super().allowlist()

    def control(self) -> Control:
        return super().control()


class Scene:
    """A function with its ledger in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger(self.clock)
        self.orders = Orders(self.ledger)
        self.looked = 0
        self.refusal: StartError | None = None
        self.letters: list[DeadLetter] = []
        rules = Rules(read_jails(None), self.orders, self.clock)
        rules.read()
        self.judge = EventJudge(
            self.ledger,
            rules,
            look_again=self.look_again,
            check=self.check,
            settings=WorkerSettings(queue=None),
            clock=self.clock,
        )

    def look_again(self) -> None:
        self.looked += 1
        if self.orders.is_away:
            raise Unavailable("no answer")

    def check(self) -> None:
        if self.refusal:
            raise self.refusal

    def bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        self.letters += letters
        return [None] * len(letters)

    def messages(self, *ips: str, hits: int = 5) -> list[Message]:
        at_s = self.clock.now_ms() / 1000 - 10
        return [
            Message(
                f"m{number}",
                "r",
                json.dumps([{"ip": ip, "at": at_s + n, "id": f"{ip}{n}"} for n in range(hits)]),
                self.clock.now_ms(),
            )
            for number, ip in enumerate(ips)
        ]

    def judged(self, messages: Sequence[Message], *, within_s: float = 10.0) -> set[str]:
        self.judge.inbox.begin(self.bury)
        self.judge.judge(messages, until_s=self.clock.monotonic_s() + within_s)
        return self.judge.inbox.judged

    def ban_of(self, ip: str) -> Ban | None:
        return self.ledger.offender(OffenderId("default", f"{ip}/32")).ban


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_came_with_an_event_is_judged_and_what_is_bad_in_it_is_buried(scene: Scene) -> None:
    bad = Message("bad", "r", "{", scene.clock.now_ms())

    assert scene.judged([*scene.messages(IP, OTHER_IP), bad]) == {"m0", "m1", "bad"}

    assert scene.ban_of(IP)
    assert [each.message_id for each in scene.letters] == ["bad"]
    assert scene.clock.monotonic_s() == 0  # nothing was waited for


def test_an_outage_is_held_out_until_the_time_is_over_and_what_needs_no_ledger_is_done(scene: Scene) -> None:
    scene.ledger.outage = Throttled("slower")
    bad = Message("bad", "r", "{", scene.clock.now_ms())

    assert scene.judged([*scene.messages(IP), bad], within_s=5) == {"bad"}
    assert 5 <= scene.clock.monotonic_s() < 6
    assert not scene.judge.is_clean  # who waits for the ledger is still in hand


def test_an_outage_that_ends_in_time_costs_nothing_but_time(scene: Scene) -> None:
    scene.ledger.outage = Throttled("slower")

    class Ending(FakeClock):
        def wait(self, event: object, timeout_s: float) -> bool:
            del event
            self.advance(timeout_s)
            if self.monotonic_s() > 2:
                scene.ledger.outage = None
            return False

    scene.judge._clock = Ending()
    assert scene.judged(scene.messages(IP)) == {"m0"}
    assert scene.ban_of(IP)


def test_of_a_large_event_those_are_done_for_which_there_was_time(scene: Scene) -> None:
    messages = scene.messages(*(f"100.{n // 250}.1.{n % 250}" for n in range(3 * AT_ONCE)))
    scene.ledger.call_s = 1.0

    judged = scene.judged(messages, within_s=1.5)

    assert judged == {each.id for each in messages[: 2 * AT_ONCE]}


def test_a_judge_that_was_opened_too_late_for_an_event_is_ready_for_the_next(scene: Scene) -> None:
    assert scene.judged(scene.messages(IP), within_s=0) == set()
    assert scene.judge.is_clean  # else a slow start would be the fate of each event, and none ever judged

    assert scene.judged(scene.messages(IP)) == {"m0"}
    assert scene.judge.is_clean


def test_who_was_allowed_while_the_container_was_frozen_is_not_banned(scene: Scene) -> None:
    assert scene.judged(scene.messages(OTHER_IP)) == {"m0"}
    act = Act("0123456789abcdef", scene.clock.now_ms(), "somebody", Verb.ALLOW)
    scene.orders.allow(act, [AllowEntry(f"{IP}/32")])
    scene.clock.advance(3600)

    assert scene.judged(scene.messages(IP)) == {"m0"}
    assert scene.ban_of(IP) is None


def test_rules_that_cannot_be_read_again_are_not_judged_by(scene: Scene) -> None:
    scene.clock.advance(FRESH_S)
    scene.orders.is_away = True

    assert scene.judged(scene.messages(IP), within_s=5) == set()
    assert scene.ban_of(IP) is None
    assert scene.looked > 1

    scene.orders.is_away = False
    assert scene.judged(scene.messages(IP)) == {"m0"}


def test_rules_that_were_read_just_now_are_not_read_again(scene: Scene) -> None:
    scene.clock.advance(FRESH_S / 2)
    assert scene.judged(scene.messages(IP)) == {"m0"}
    assert scene.looked == 0


def test_a_table_that_a_newer_f2b_has_marked_is_not_written(scene: Scene) -> None:
    scene.clock.advance(SCHEMA_EVERY_S)
    scene.refusal = StartError("a newer f2b writes this table")

    with pytest.raises(StartError, match="newer"):
        scene.judged(scene.messages(IP))
    assert scene.ban_of(IP) is None


def test_a_freeze_that_stopped_the_monotonic_clock_counts_for_the_tables_mark_too(scene: Scene) -> None:
    scene.clock._start_ms += round(SCHEMA_EVERY_S * 1000)
    scene.refusal = StartError("a newer f2b writes this table")

    with pytest.raises(StartError, match="newer"):
        scene.judged(scene.messages(IP))
    assert scene.ban_of(IP) is None


def test_a_ban_that_is_known_is_believed_only_once_it_was_heard_that_nobody_has_lifted_it(scene: Scene) -> None:
    assert scene.judged(scene.messages(IP, hits=6)) == {"m0"}
    ban = scene.ban_of(IP)
    assert ban
    heard: list[int] = []

    def news() -> Mapping[OffenderId, Offender]:
        heard.append(1)
        return {}

    scene.ledger.news = news  # type: ignore[method-assign]
    scene.clock.advance(1.0)
    message = Message("m9", "r", json.dumps({"ip": IP, "at": ban.start_ms / 1000 + 1, "id": "x"}), ban.start_ms)

    assert scene.judged([message]) == {"m9"}
    assert heard
