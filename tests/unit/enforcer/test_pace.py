"""The enforcer's budgets, and the questions that it asks aside of its loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from f2b_worker.aside import in_a_thread
from f2b_worker.domain.backoff import BACKOFF_MAX_S, backoff_s
from f2b_worker.enforcer.alarms import Alarms
from f2b_worker.enforcer.aside import Question
from f2b_worker.enforcer.pace import (
    AGAIN_AFTER_S,
    IN_A_ROW,
    PACE_MAX_S,
    REFUSALS,
    SHARED_EVERY_S,
    SHARED_FOR_S,
    UPDATE_EVERY_S,
    ReadPace,
    UpdatePace,
)
from f2b_worker.errors import Unavailable
from f2b_worker.testing import FakeClock
from tests.unit.enforcer.scene import A, Scene


def test_updates_keep_their_distance() -> None:
    pace = UpdatePace(lambda: 0.0)
    pace.begin(10.0)
    pace.succeed()
    assert pace.next_s == 10.0 + UPDATE_EVERY_S


def refuse(pace: UpdatePace, seconds: int) -> float:
    """Refuse in so many seconds, in each of which somebody else writes; tell when it was tried last."""
    now_s = 0.0
    for second in range(seconds):
        now_s = 10.0 * second
        pace.begin(now_s)
        pace.slow_down()
    return now_s


def test_the_pace_slows_down_to_a_limit_and_is_back_after_a_few_successes() -> None:
    pace = UpdatePace(lambda: 0.0)
    tried_s = refuse(pace, 20)
    assert pace.next_s == tried_s + PACE_MAX_S
    for second in range(3):
        pace.begin(1000.0 + 100.0 * second)
        pace.succeed()
    assert pace.next_s == 1200.0 + UPDATE_EVERY_S


def test_a_few_refusals_cost_no_more_than_a_slot_each_for_somebody_else_may_have_taken_it() -> None:
    pace = UpdatePace(lambda: 0.0)
    tried_s = refuse(pace, REFUSALS)
    assert pace.next_s <= tried_s + UPDATE_EVERY_S
    tried_s = refuse(pace, 1)
    assert pace.next_s > tried_s + UPDATE_EVERY_S


def test_after_a_refusal_it_is_tried_when_the_other_ones_second_may_be_over_and_when_it_must_be() -> None:
    pace = UpdatePace(lambda: 0.0)
    pace.begin(10.0)
    pace.succeed()
    pace.begin(11.4)
    pace.slow_down()
    tried_s = pace.next_s
    assert 12.0 < tried_s < 12.4
    pace.begin(tried_s)
    pace.slow_down()
    assert pace.next_s == 11.4 + AGAIN_AFTER_S


def test_whatever_is_refused_no_more_than_two_calls_leave_in_any_second() -> None:
    pace = UpdatePace(lambda: 0.0)
    calls_s = []
    for _ in range(60):
        calls_s.append(max(0.0, pace.next_s))
        pace.begin(calls_s[-1])
        pace.slow_down()
    assert min(third - first for first, third in zip(calls_s, calls_s[2:], strict=False)) > 1.0


def test_while_others_write_they_are_left_a_little_time() -> None:
    pace = UpdatePace(lambda: 0.0)
    pace.begin(10.0)
    pace.lose()
    assert pace.next_s == 10.0 + SHARED_EVERY_S
    pace.begin(10.0 + SHARED_FOR_S)
    pace.succeed()
    assert pace.next_s == 10.0 + SHARED_FOR_S + UPDATE_EVERY_S


def test_whoever_updates_all_the_time_leaves_others_a_little_too() -> None:
    pace = UpdatePace(lambda: 0.0)
    waits_s = []
    for _ in range(IN_A_ROW + 1):
        now_s = max(0.0, pace.next_s)
        pace.begin(now_s)
        pace.succeed()
        waits_s.append(round(pace.next_s - now_s, 3))
    assert waits_s == [UPDATE_EVERY_S] * IN_A_ROW + [SHARED_EVERY_S]


def test_an_update_that_lost_its_lock_had_the_budget_and_so_brings_the_pace_back() -> None:
    pace = UpdatePace(lambda: 0.0)
    tried_s = refuse(pace, 20)
    for _ in range(3):
        pace.begin(tried_s)
        pace.lose()
    assert pace.next_s == tried_s + SHARED_EVERY_S


@pytest.mark.parametrize(("losses", "extra_s"), [(1, 0.0), (2, 0.25 * UPDATE_EVERY_S)])
def test_only_losses_in_a_row_bring_chance_into_the_pace(losses: int, extra_s: float) -> None:
    pace = UpdatePace(lambda: 0.5)
    for _ in range(losses):
        pace.begin(0.0)
        pace.lose()
    assert pace.next_s == SHARED_EVERY_S + extra_s
    pace.begin(0.0)
    pace.succeed()
    pace.begin(0.0)
    pace.lose()
    assert pace.next_s == SHARED_EVERY_S


def test_four_reads_leave_in_any_second() -> None:
    reads = ReadPace()
    assert [reads.begin(0.0) for _ in range(5)] == [True, True, True, True, False]
    assert reads.next_s() == 1.0
    assert [reads.begin(1.0) for _ in range(5)] == [True, True, True, True, False]


def test_pauses_grow_to_five_seconds() -> None:
    pauses_s = [backoff_s(failures) for failures in range(1, 100)]
    assert pauses_s == sorted(pauses_s)
    assert (pauses_s[0], pauses_s[-1]) == (0.2, BACKOFF_MAX_S)


def test_a_question_is_asked_again_only_when_it_is_time_and_was_answered() -> None:
    clock, jobs = FakeClock(), list[Callable[[], None]]()
    answers: Iterator[int | Unavailable] = iter([1, Unavailable("no"), 3])

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    question = Question(ask, every_s=60.0, clock=clock, aside=jobs.append, first_after_s=0.0)
    assert (question.answer(), question.answer(), len(jobs)) == (None, None, 1)
    clock.advance(100)
    assert (question.answer(), len(jobs)) == (None, 1)
    jobs.pop()()
    assert (question.answer(), question.answer(), len(jobs)) == (1, None, 1)
    jobs.pop()()
    clock.advance(60)
    assert isinstance(question.answer(), Unavailable)
    assert question.answer() is None
    jobs.pop()()
    assert question.answer() == 3


@pytest.mark.parametrize(("again_s", "asked_again_after_s"), [(None, 60.0), (10.0, 10.0)])
def test_a_question_that_failed_is_reported_and_asked_again(
    again_s: float | None, asked_again_after_s: float
) -> None:
    clock, asked_s = FakeClock(), list[float]()

    def ask() -> int:
        asked_s.append(clock.monotonic_s())
        raise Unavailable("no answer")

    question = Question(ask, every_s=60.0, clock=clock, aside=lambda work: work(), first_after_s=0.0)
    with capture_logs() as lines:
        assert question.news("what there is", Alarms(clock), again_s=again_s) is None
    assert [(line["about"], line["reason"]) for line in lines] == [("what there is", "no answer")]
    clock.advance(asked_again_after_s - 1)
    question.news("what there is", Alarms(clock))
    clock.advance(1)
    question.news("what there is", Alarms(clock))
    assert asked_s[1] - asked_s[0] == asked_again_after_s


def test_a_question_whose_thread_died_is_asked_again() -> None:
    clock, jobs = FakeClock(), list[Callable[[], None]]()
    question = Question(lambda: 1 // 0, every_s=60.0, clock=clock, aside=jobs.append, first_after_s=0.0)
    question.answer()
    with pytest.raises(ZeroDivisionError):
        jobs.pop()()
    clock.advance(60)
    question.answer()
    assert len(jobs) == 1


def test_work_aside_is_done_in_another_thread() -> None:
    done, names = threading.Event(), list[str]()

    def work() -> None:
        names.append(threading.current_thread().name)
        done.set()

    in_a_thread(work)
    assert done.wait(10)
    assert names == ["aside"]


def test_sets_that_were_read_when_they_were_found_take_nothing_of_the_budget_of_reads() -> None:
    scene = Scene()
    for _ in range(38):
        scene.make_set(4)
    for each in scene.finder.ip_sets["block"]:
        each.is_at_hand = True
    scene.ban(A)
    scene.pass_time(2)
    assert {A} in [each.held for each in scene.finder.ip_sets["block"]]
