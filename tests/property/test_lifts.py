"""Lifts among infractions in any order, repeated, and judged by two judges who each may know only the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId, judge, worth_storing
from f2b_worker.testing import MemoryActs, MemoryLedger
from tests.property.judging import Deed, Law, incomplete, jail_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

settings.register_profile("lifts", deadline=None, derandomize=True, database=None)
PROFILE = settings(settings.get_profile("lifts"), max_examples=400)

WHO = OffenderId("default", "203.0.113.7/32")
LAW = Law(((3, 10_000),), 20_000)
GROWING = Law(((3, 10_000),), 20_000, increment=True)
START_MS = 1_000_000
AHEAD_MS = 4_000

# An infraction: how long before now it was (a clock may be ahead), and which of those of that time.
INFRACTION = st.tuples(st.integers(-AHEAD_MS, 30_000), st.integers(0, 2))
HEAR = st.tuples(st.just("hear"), st.integers(0, 1), st.lists(INFRACTION, min_size=1, max_size=5))
AGAIN = st.tuples(st.just("again"), st.integers(0, 1), st.lists(st.integers(0, 40), min_size=1, max_size=5))
DECIDE = st.tuples(st.just("decide"), st.integers(0, 1), st.just(()))
LIFT = st.tuples(st.just("lift"), st.integers(0, 1), st.just(()))
PASS = st.tuples(st.just("pass"), st.integers(1, 9_000), st.just(()))
EVENTS = st.lists(st.one_of(HEAR, HEAR, AGAIN, DECIDE, LIFT, PASS), max_size=25)


class Judge:
    """One worker: it asks the ledger, and decides later, on what it was told then."""

    def __init__(self, ledger: MemoryLedger, law: Law) -> None:
        self._ledger = ledger
        self._jail = jail_of(law)
        self._hits: list[Hit] = []
        self._seen = Offender()

    def hear(self, hits: Sequence[Hit]) -> None:
        self._hits += hits
        worth = sorted(worth_storing(self._hits, self._jail, key=WHO.key))
        self._seen = offender_of(self._ledger.record({WHO: worth}))

    def decide(self) -> None:
        while self._hits:
            verdict = judge(self._seen, self._hits, self._jail, key=WHO.key)
            if not verdict.changed:
                self._hits = []
                return
            self._seen = offender_of(self._ledger.commit({WHO: Decision.on(self._seen, verdict.changed)}))


def offender_of(answers: object) -> Offender:
    assert isinstance(answers, dict)
    (answer,) = answers.values()
    assert isinstance(answer, Offender)
    return answer


class Scene:
    """What happened so far."""

    def __init__(self, law: Law = LAW) -> None:
        self.ledger = MemoryLedger()
        self.acts = MemoryActs(self.ledger)
        self.judges = [Judge(self.ledger, law), Judge(self.ledger, law)]
        self.now_ms = START_MS
        self.heard: list[Hit] = []
        self.lifts_ms: list[int] = []
        self.lifted = Offender()
        self.heard_before = 0

    @property
    def offender(self) -> Offender:
        return self.ledger.offender(WHO)

    def hear(self, place: int, hits: Sequence[Hit]) -> None:
        self.heard += hits
        self.judges[place].hear(hits)

    def lift(self, *, forget: bool = False) -> None:
        act = Act(f"act-{len(self.lifts_ms)}", self.now_ms, "me@here", Verb.UNBAN)
        self.acts.lift(act, [WHO], forget=forget)
        if self.offender != Offender():
            self.lifts_ms.append(self.now_ms)
            self.lifted = self.offender
            self.heard_before = len(self.heard)
        self.now_ms += 1  # what follows is after it

    def run(self, events: Iterable[tuple[str, int, Any]], *, forget: bool = False) -> None:
        for kind, number, more in events:
            if kind == "hear":
                self.hear(number, [Hit(self.now_ms - ago, str(name)) for ago, name in more])
            elif kind == "again" and self.heard:
                self.hear(number, [self.heard[place % len(self.heard)] for place in more])
            elif kind == "decide":
                self.judges[number].decide()
            elif kind == "lift":
                self.lift(forget=forget)
            elif kind == "pass":
                self.now_ms += number
            self.check()

    def settle(self) -> None:
        for judge_ in self.judges:
            judge_.decide()
        self.check()

    def check(self) -> None:
        """See that the last lift holds: whatever was banned until then is over, and only later deeds ban."""
        ban = self.offender.ban
        if not self.lifts_ms or ban is None:
            return
        last_ms = self.lifts_ms[-1]
        if ban.until_ms >= last_ms:
            evidence = self.ledger.history(WHO)[-1].evidence
            assert ban.start_ms > last_ms
            assert evidence
            assert min(hit.at_ms for hit in evidence) > last_ms


@PROFILE
@given(EVENTS)
def test_no_infraction_up_to_a_lift_brings_a_ban_back_whoever_judges_it_however_late_and_often(
    events: list[tuple[str, int, Any]],
) -> None:
    scene = Scene()
    scene.run(events)
    scene.settle()
    # All that was ever heard comes again, in another order, at both.
    for place in (0, 1):
        scene.hear(place, scene.heard[::-1])
        scene.check()
    scene.settle()


@PROFILE
@given(EVENTS)
def test_after_a_lift_whoever_goes_on_is_banned_as_a_stranger_is(
    events: list[tuple[str, int, Any]],
) -> None:
    scene = Scene()
    scene.run(events)
    scene.now_ms += AHEAD_MS  # completeness is promised of the present, and nothing is ahead of it now
    scene.settle()
    lifted_ms = scene.lifted.lifted_ms
    bans = [ban for ban in scene.ledger.history(WHO) if ban.start_ms > lifted_ms]
    # What came before from a clock that is ahead may count, too.
    deeds = {Deed(hit.at_ms, hit.id) for hit in scene.heard[scene.heard_before :] if hit.at_ms > lifted_ms}
    if scene.lifts_ms:
        assert incomplete(bans, deeds, LAW, scene.now_ms) == []


@PROFILE
@given(EVENTS)
def test_a_lift_spends_nothing_that_comes_later_but_what_had_come_from_a_clock_that_is_ahead(
    events: list[tuple[str, int, Any]],
) -> None:
    scene = Scene()
    scene.run(events)
    for last_ms in scene.lifts_ms[-1:]:
        assert last_ms <= scene.lifted.lifted_ms <= max([last_ms, *(hit.at_ms for hit in scene.heard)])


@PROFILE
@given(EVENTS)
def test_the_next_ban_after_lifts_counts_one_more_than_the_last(
    events: list[tuple[str, int, Any]],
) -> None:
    scene = Scene(GROWING)
    scene.run(events)
    scene.settle()
    assert [ban.count for ban in scene.ledger.history(WHO)] == [
        place + 1 for place in range(len(scene.ledger.history(WHO)))
    ]


@PROFILE
@given(EVENTS)
def test_the_next_ban_after_a_lift_that_forgets_is_the_first(
    events: list[tuple[str, int, Any]],
) -> None:
    scene = Scene(GROWING)
    scene.run(events, forget=True)
    scene.settle()
    if scene.lifts_ms:
        later = [ban for ban in scene.ledger.history(WHO) if ban.start_ms > scene.lifted.lifted_ms]
        assert [ban.count for ban in later] == [place + 1 for place in range(len(later))]


@PROFILE
@given(EVENTS, st.booleans())
def test_each_lift_is_a_change_of_its_own_so_that_nobody_who_judged_before_it_stores_what_he_found(
    events: list[tuple[str, int, Any]], forget: bool
) -> None:
    scene = Scene()
    revisions = [0]
    for event in events:
        scene.run([event], forget=forget)
        if event[0] == "lift" and scene.offender != Offender():
            assert scene.offender.revision > revisions[-1]
        revisions.append(scene.offender.revision)
    assert revisions == sorted(revisions)
