"""The time of day is AWS's, however far off the machine's clock is."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from f2b_worker.adapters import clock
from f2b_worker.adapters.clock import AGREES_MS, LOOK_EVERY_S, QUICK_S, AwsTime, SystemClock

START_S = 1_800_000_000.0


class Machine:
    """A machine whose clock is *off_s* ahead of AWS's, and the time that both of them tell."""

    def __init__(self, off_s: float = 0.0, true_s: float = START_S) -> None:
        self.off_s = off_s
        self.true_s = true_s
        self.aws = AwsTime()
        self.clock = SystemClock(self.aws)

    def time_ns(self) -> int:
        return round((self.true_s + self.off_s) * 1e9)

    def monotonic(self) -> float:
        return self.true_s

    @property
    def error_ms(self) -> int:
        return self.clock.now_ms() - round(1000 * self.true_s)

    def call(self, *, there_s: float = 0.02, back_s: float = 0.02, date: str | None = None) -> None:
        began_s = self.true_s
        self.true_s += there_s
        date = date or formatdate(int(self.true_s), usegmt=True)
        self.true_s += back_s
        self.aws.learn(date, began_s=began_s)

    def call_for_a_while(self) -> None:
        for _ in range(30):
            self.call()
            self.true_s += LOOK_EVERY_S + 0.07


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(clock, "time", made)
    return made


@given(
    off_s=st.floats(-600, 600),
    phase_s=st.floats(0, 1),
    there_s=st.floats(0, QUICK_S / 2),
    back_s=st.floats(0, QUICK_S / 2),
)
def test_one_answer_tells_the_time_to_four_seconds_and_who_was_corrected_is_never_ahead(
    off_s: float, phase_s: float, there_s: float, back_s: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(off_s, START_S + phase_s)
        patch.setattr(clock, "time", machine)
        machine.call(there_s=there_s, back_s=back_s)
        assert -1000 - 1000 * QUICK_S - AGREES_MS <= machine.error_ms <= 1000 + 1000 * QUICK_S + AGREES_MS
        if machine.aws.ahead_ms:
            assert -1000 - 1000 * QUICK_S - 2 <= machine.error_ms <= 2


@pytest.mark.parametrize("off_s", [-90.0, -1.9, -0.9, 0.0, 0.9, 1.9, 90.0, 3600.0])
def test_after_some_answers_the_time_is_right_to_little_more_than_a_second(machine: Machine, off_s: float) -> None:
    machine.off_s = off_s
    machine.call_for_a_while()
    assert abs(machine.error_ms) <= AGREES_MS + 100


@pytest.mark.parametrize("off_s", [-0.9, 0.0, 0.9])
def test_a_clock_that_agrees_is_left_as_it_is_and_nothing_is_said(machine: Machine, off_s: float) -> None:
    machine.off_s = off_s
    with capture_logs() as lines:
        machine.call_for_a_while()
    assert machine.aws.ahead_ms == 0
    assert lines == []


def test_a_clock_that_is_moved_or_put_right_while_it_runs_is_noticed(machine: Machine) -> None:
    for off_s in (90.0, -90.0, 0.0):
        machine.off_s = off_s
        machine.true_s += LOOK_EVERY_S
        machine.call()
        assert -1100 <= machine.error_ms <= 2
    assert machine.aws.ahead_ms == 0


def test_a_clock_that_is_off_is_told_once_and_again_when_it_is_right(machine: Machine) -> None:
    machine.off_s = 120.0
    with capture_logs() as lines:
        machine.call_for_a_while()
        machine.off_s = 0.0
        machine.call_for_a_while()
    assert [line["event"] for line in lines] == ["clock_is_off", "clock_is_right_again"]
    assert lines[0]["log_level"] == "warning"
    assert lines[0]["behind_aws_s"] == pytest.approx(-120, abs=1)


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Foo 2026 00:00:00 GMT", "\x00"])
def test_what_is_no_date_tells_nothing(machine: Machine, date: str) -> None:
    began_s = machine.true_s
    machine.aws.learn(date, began_s=began_s)
    machine.aws.learn(None, began_s=began_s)
    assert machine.aws.ahead_ms == 0


def test_an_answer_that_took_long_tells_nothing(machine: Machine) -> None:
    machine.off_s = 90.0
    machine.call(there_s=4.0)
    assert machine.aws.ahead_ms == 0
    machine.call()
    assert -1100 <= machine.error_ms <= 2
