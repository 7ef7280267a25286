"""Whoever dies, sleeps or loses an answer between any two calls: in the end all readers know all running bans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from benchmarks.canned import scan
from f2b_worker.adapters.dynamodb import states
from f2b_worker.adapters.dynamodb.acts import offenders
from f2b_worker.adapters.dynamodb.ban_log import items, parts, reader, scribe, writer
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from tests.canned_dynamodb import Fate
from tests.property.ban_log_world import DAY_S, Operator, Reader, Repairing, Scribing, Worker, World, is_whole

if TYPE_CHECKING:
    from tests.canned_dynamodb import Caller

settings.register_profile("ban log", deadline=None, derandomize=True, database=None)
PROFILE = settings.get_profile("ban log")

OFFENDERS = [OffenderId("login", f"203.0.113.{last}/32") for last in range(1, 6)]
LENGTHS_MS = st.sampled_from([60_000, 3_600_000, 30 * 86_400_000])
FATES = st.lists(st.sampled_from(Fate), max_size=6)
PAUSES_S = st.sampled_from([0.0, 0.2, 1.0, 11.0, 65.0, 400.0])
STALE_S = 1.5
"""For so long an eventually consistent read may answer what was there before."""

DEEDS = ["nothing", "scribe", "reader", "land"]
SOME = st.lists(st.sampled_from(OFFENDERS), min_size=1, max_size=3, unique=True)


class Log(RuleBasedStateMachine):
    """A fleet, some steps of which happen in the midst of others."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.operator = Operator(self.world)
        self.workers = [Worker(self.world) for _ in range(2)]
        self.early = Reader(self.world, is_strong=True)
        self.sleepy = Reader(self.world, is_strong=False)
        self.scribes = [Scribing(self.world) for _ in range(2)]
        self.callers = [self.world.operator, self.early.caller, self.sleepy.caller]
        self.callers += [each.caller for each in self.workers]
        self.callers += [each.caller for each in self.scribes]
        self.meanwhile: list[tuple[str, float]] = []

    def fare(self, caller: Caller, fates: list[Fate]) -> None:
        """Say how the calls of who works next fare, and let what was planned happen before them."""
        self.world.aws.remember()
        planned, self.meanwhile = self.meanwhile, []

        def act() -> None:
            if not planned:
                return
            self.do(*planned.pop(0))

        caller.fare(fates, act)

    def do(self, what: str, seconds: float) -> None:
        """Let something happen in the midst of something else."""
        if what == "scribe":  # it sees a hole, and fills it when it has been one for long
            self.scribes[1].tick()
        self.world.clock.advance(seconds)
        if what == "scribe":
            self.scribes[1].tick()
        elif what == "reader":
            self.early.poll()
        elif what == "land":
            self.world.aws.land()

    @rule(planned=st.lists(st.tuples(st.sampled_from(DEEDS), PAUSES_S), max_size=5))
    def plan(self, planned: list[tuple[str, float]]) -> None:
        self.meanwhile = planned

    @rule(worker=st.integers(0, 1), who=SOME, length_ms=LENGTHS_MS, fates=FATES)
    def ban(self, worker: int, who: list[OffenderId], length_ms: int, fates: list[Fate]) -> None:
        self.fare(self.workers[worker].caller, fates)
        self.bans(self.workers[worker], who, length_ms)

    def bans(self, worker: Worker, who: list[OffenderId], length_ms: int) -> None:
        """Store bans, and log them."""
        now_ms = self.world.clock.now_ms()
        for each in who:
            change = self.world.change(each, Ban(now_ms, now_ms + length_ms, 1, length_ms))
            self.world.messages[each, change.revision] += 1
        worker.turn(who)

    @precondition(lambda self: self.world.messages)
    @rule(worker=st.integers(0, 1), fates=FATES)
    def judge_again(self, worker: int, fates: list[Fate]) -> None:
        who = sorted({who for who, _ in self.world.messages})
        self.fare(self.workers[worker].caller, fates)
        self.workers[worker].turn(who)

    @rule(who=SOME, forget=st.booleans(), fates=FATES)
    def lift(self, who: list[OffenderId], forget: bool, fates: list[Fate]) -> None:
        self.fare(self.operator.caller, fates)
        self.operator.lift(who, forget=forget)

    @rule(who=SOME, length_ms=LENGTHS_MS, fates=FATES)
    def ban_by_hand(self, who: list[OffenderId], length_ms: int, fates: list[Fate]) -> None:
        self.fare(self.operator.caller, fates)
        self.operator.ban(who, length_ms)

    @rule(who=SOME, is_over=st.booleans(), fates=FATES)
    def allow(self, who: list[OffenderId], is_over: bool, fates: list[Fate]) -> None:
        self.fare(self.operator.caller, fates)
        self.operator.allow([each.key for each in who], is_over=is_over)

    @rule(fates=FATES)
    def early_polls(self, fates: list[Fate]) -> None:
        self.fare(self.early.caller, fates)
        self.early.poll()

    @rule(fates=FATES)
    def sleepy_polls(self, fates: list[Fate]) -> None:
        self.fare(self.sleepy.caller, fates)
        self.sleepy.poll()

    @rule(which=st.integers(0, 1), fates=FATES)
    def scribe_ticks(self, which: int, fates: list[Fate]) -> None:
        self.fare(self.scribes[which].caller, fates)
        self.scribes[which].tick()

    @rule(seconds=PAUSES_S)
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        if seconds > STALE_S:
            self.world.aws.forget()

    @rule()
    def a_late_call_takes_effect(self) -> None:
        self.world.aws.land()

    @rule()
    def weeks_pass(self) -> None:
        """Only a scribe works, and nothing that was in flight before can take effect after the first day."""
        self.end_faults()
        self.settle_messages()
        while self.world.aws.late:
            self.world.aws.land()
        for _ in range(16):
            self.world.clock.advance(DAY_S)
            for _ in range(4):
                self.scribes[0].tick()
                self.world.clock.advance(12.0)
            self.world.collect()
        self.world.aws.forget()

    def end_faults(self) -> None:
        self.meanwhile.clear()
        for each in self.callers:
            each.fare()

    def settle_messages(self) -> None:
        """Let whatever is in the queue be judged, as it is in less than two weeks."""
        if self.world.messages:
            who = sorted({who for who, _ in self.world.messages})
            self.workers[0].turn(who)
            assert not self.world.messages

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.end_faults()
        self.settle_messages()
        while self.world.aws.late:
            self.world.aws.land()
        for _ in range(4):
            self.world.clock.advance(12.0)
            for each in self.scribes:
                each.tick()
        late = Reader(self.world, is_strong=True)
        self.world.aws.forget()
        for _ in range(5):
            self.world.clock.advance(12.0)
            for reading in (self.early, self.sleepy, late):
                reading.poll()
        expected = self.world.running()
        assert self.early.known() == expected, "who follows from the beginning"
        assert self.sleepy.known() == expected, "who sleeps, and reads what may be a moment old"
        assert late.known() == expected, "who starts now"
        for reading in (self.early, self.sleepy, late):
            assert reading.allowed == self.world.allowed, "whoever follows looks at the allowlist when it changed"


class RepairedLog(Log):
    """The same, where log and snapshot are damaged and made anew, again and again."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.repairs = [Repairing(self.world) for _ in range(2)]
        self.callers += [each.caller for each in self.repairs]

    def do(self, what: str, seconds: float) -> None:
        super().do(what, seconds)
        if what == "repair":
            self.repairs[1].run()
        elif what == "ban":
            self.bans(self.workers[1], OFFENDERS[:1], 3_600_000)

    @rule(planned=st.lists(st.tuples(st.sampled_from([*DEEDS, "ban", "repair"]), PAUSES_S), max_size=8))
    def plan(self, planned: list[tuple[str, float]]) -> None:
        self.meanwhile = planned

    @rule(fates=FATES)
    def repair(self, fates: list[Fate]) -> None:
        self.fare(self.repairs[0].caller, fates)
        self.repairs[0].run()

    @rule(what=st.sampled_from(["counter", "pointer", "parts"]))
    def lose(self, what: str) -> None:
        table = self.world.aws.table
        if what == "parts":
            for pk in [pk for pk in table.partitions if pk.startswith("part#")]:
                table.delete(pk, "part")
        else:
            table.delete("log", "seq" if what == "counter" else "snapshot")

    @rule(what=st.sampled_from(["seq", "snapshot"]), attribute=st.sampled_from(["epoch", "n", "upto", "parts"]))
    def garble(self, what: str, attribute: str) -> None:
        key = {"pk": {"S": "log"}, "sk": {"S": what}}
        found = self.world.aws.table.get("log", what)
        item = {**(found[0] if found else {}), **key, attribute: {"M": {}}}
        self.world.aws.table.put("log", what, item, None)

    def settle_messages(self) -> None:
        self.mend()
        super().settle_messages()

    def mend(self) -> None:
        """Repair until it is done, as people do."""
        while not is_whole(self.world):
            self.repairs[0].run()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.end_faults()
            while self.world.aws.late:
                self.world.aws.land()
        super().teardown()


@pytest.fixture
def everything_comes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything happen after a few numbers that happens after thousands."""
    monkeypatch.setattr(writer, "CHANGES_MAX", 2)
    monkeypatch.setattr(items, "READ_MAX", 3)
    monkeypatch.setattr(reader, "NUMBERS_MAX", 20)
    monkeypatch.setattr(scribe, "NUMBERS_MAX", 3)
    monkeypatch.setattr(scribe, "DELTAS_MAX", 2)
    monkeypatch.setattr(parts, "CHANGES_MAX", 2)
    monkeypatch.setattr(offenders, "AT_ONCE", 1)  # and no two calls of one act are made at once
    monkeypatch.setattr(offenders, "OFFENDERS_AT_ONCE", 2)
    monkeypatch.setattr(states, "SEGMENTS", 1)  # each call is made by itself: the next run is the same
    monkeypatch.setattr(scan, "PAGE_BYTES", 500)


@pytest.mark.usefixtures("everything_comes_soon")
def test_whatever_happens_between_any_two_calls_every_reader_knows_every_running_ban() -> None:
    profile = settings(PROFILE, max_examples=300, stateful_step_count=40, report_multiple_bugs=False)
    run_state_machine_as_test(Log, settings=profile)


@pytest.mark.usefixtures("everything_comes_soon")
def test_whatever_happens_before_during_and_after_a_repair_every_reader_knows_every_running_ban() -> None:
    profile = settings(PROFILE, max_examples=300, stateful_step_count=30, report_multiple_bugs=False)
    run_state_machine_as_test(RepairedLog, settings=profile)
